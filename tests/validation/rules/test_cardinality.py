"""ArrayRule beyond what R4's own types ask of it: a minimum, and a maximum other than one."""

from __future__ import annotations

import pytest

from fhir_dmp.json_text import Json
from fhir_dmp.validation.rule import Scope
from fhir_dmp.validation.rules.cardinality import ArrayRule
from fhir_dmp.validation.rules.primitive import PRIMITIVES

NOWHERE = Scope("", {})


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        (["a"], ["expected at least 2 items, found 1"]),
        (["a", "b"], []),
        (["a", "b", "c"], []),
        (["a", "b", "c", "d"], ["expected at most 3 items, found 4"]),
        (["a", 1, "c", "d"], ["expected at most 3 items, found 4", "expected a string (code), found the number 1"]),
    ],
)
def test_items_are_counted(value: Json, messages: list[str]) -> None:
    rule = ArrayRule(PRIMITIVES["code"], 2, 3)
    assert [finding.message for finding in rule.validate(value, NOWHERE)] == messages
    assert rule.as_json() == {"array": "2..3", "primitive": "code"}
