"""Composites: what is remembered of an element is what would be found anew, whatever came between."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.json_text import FhirDecimal
from fhir_dmp.search.index import Indexer
from tests.strategies.search import SPACE

INDEXER = Indexer(SPACE)
CODE, OTHER = ({"coding": [{"system": "http://loinc.org", "code": code}]} for code in ("8867-4", "8310-5"))


def observation(code: Any, value: Any, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": "1", "code": code, "valueQuantity": {"value": value}, **more}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (observation(CODE, 60), observation(OTHER, 60)),
        (observation(CODE, 60), observation(CODE, 61)),
        (observation(CODE, FhirDecimal("60.0")), observation(CODE, FhirDecimal("60.00"))),
        (observation(CODE, 10**30), observation(CODE, 10**30 + 1)),
        (observation(CODE, 60), observation(CODE, 60, component=[{"code": OTHER, "valueQuantity": {"value": 60}}])),
        (observation([CODE], 60), observation(CODE, 60)),
        (observation(CODE, 60), {**observation(CODE, 60), "resourceType": "Condition"}),
    ],
    ids=["code", "value", "digits", "no JSON", "component", "array", "type"],
)
def test_composites_are_those_of_an_indexer_that_saw_nothing_else(first: Any, second: Any) -> None:
    for row in (first, second, first):
        assert INDEXER.facts(row).composites == Indexer(SPACE).facts(row).composites


def test_element_that_recurs_has_the_composites_that_were_found_before() -> None:
    found, again = (INDEXER.facts(observation(CODE, 72, status=status)).composites for status in ("final", "amended"))
    assert found
    assert all(one is other for one, other in zip(found, again, strict=True))
