"""What each kind of search means: tables of resources, searches they match and searches they do not.

`line` is the statement of the checklist (reference/rest-search-checklist.md) that a case is about; `asked` is the type
that is searched, where it is another than the resource's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from fhir_dmp.json_text import parse_json
from fhir_dmp.search.index import Indexer
from fhir_dmp.search.match import matches
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import (
    AboutPatient,
    And,
    Clause,
    Everything,
    Handling,
    Not,
    Nothing,
    OfType,
    Or,
    WithId,
    all_of,
    any_of,
)
from tests.strategies.search import NOW, TERMS, make_space

CASES = Path(__file__).parent / "cases"
FILES = (
    "general",
    "number",
    "date",
    "string",
    "uri",
    "token",
    "quantity",
    "reference",
    "modifier",
    "composite",
    "special",
    "filter",
    "contained",
)
TYPES = (
    "Patient", "Observation", "Encounter", "RiskAssessment", "MolecularSequence", "ServiceRequest", "CarePlan",
    "ValueSet", "QuestionnaireResponse", "AllergyIntolerance", "Appointment", "Condition",
    "DocumentReference", "Location",
)  # fmt: skip
SPACE = make_space(TYPES)
INDEXER = Indexer(SPACE)


def rows() -> Iterator[Any]:
    """One parameter set for each search of each case."""
    for name in FILES:
        for case in parse_json((CASES / f"{name}.json").read_bytes()):
            for expected in ("matches", "misses"):
                for number, query in enumerate(case[expected]):
                    label = f"{name}-{case['line']}-{expected}-{number}-{query}"
                    kind = case.get("asked", case["resource"]["resourceType"])
                    yield pytest.param(case["resource"], kind, query, expected == "matches", id=label)


def meets(clause: Clause, resource: Any) -> bool:
    """Whether a resource, given perhaps without id, matches."""
    return matches(clause, INDEXER.facts({"id": "1", **resource}))


@pytest.mark.parametrize(("resource", "kind", "query", "expected"), list(rows()))
def test_search_selects_what_the_checklist_says(resource: Any, kind: str, query: str, expected: bool) -> None:
    parameters = parse_qsl(query, keep_blank_values=True)
    parsed = parse_search(
        kind, parameters, space=SPACE, handling=Handling.STRICT, now=NOW, terms=TERMS, may_contain=True
    )
    assert meets(parsed.clause, resource) is expected


def test_every_line_of_the_checklist_in_scope_has_a_case() -> None:
    files = [*FILES, "refused"]
    lines = {case["line"] for name in files for case in json.loads((CASES / f"{name}.json").read_text(encoding="utf8"))}
    wanted = {
        8, 11, 13, *range(14, 16), 17, *range(19, 22), *range(23, 29), *range(30, 35), *range(36, 65), 67, 68, 70,
        *range(71, 83), *range(84, 95), 96, 98, 99, *range(101, 104), 119,
    }  # fmt: skip
    assert wanted - lines == set()


PATIENT = {"resourceType": "Patient", "id": "1"}
OBSERVATION = {"resourceType": "Observation", "id": "1", "subject": {"reference": "Patient/7"}}


@pytest.mark.parametrize(
    ("clause", "resource", "expected"),
    [
        (Everything(), PATIENT, True),
        (Nothing(), PATIENT, False),
        (And(()), PATIENT, True),
        (Or(()), PATIENT, False),
        (Not(Nothing()), PATIENT, True),
        (And((Everything(), Nothing())), PATIENT, False),
        (Or((Nothing(), Everything())), PATIENT, True),
        (OfType(("Patient",)), PATIENT, True),
        (OfType(("Patient",)), OBSERVATION, False),
        (OfType(()), PATIENT, False),
        (WithId("Patient", ("1",)), PATIENT, True),
        (WithId("Patient", ("1",)), OBSERVATION, False),
        (AboutPatient(("1",)), PATIENT, True),
        (AboutPatient(("7", "8")), OBSERVATION, True),
        (AboutPatient(("1",)), OBSERVATION, False),
        (AboutPatient(()), OBSERVATION, False),
        (all_of([Everything()]), PATIENT, True),
        (any_of([]), PATIENT, False),
    ],
)
def test_clauses_combine(clause: Clause, resource: Any, expected: bool) -> None:
    assert meets(clause, resource) is expected
