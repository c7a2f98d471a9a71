"""A property that was right before is not looked at again: nothing else is taken for right with it."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.loader import load_registry
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.validate import validate_structure

MODEL = load_registry()
CODE = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
RIGHT = {
    "resourceType": "Observation",
    "status": "final",
    "code": CODE,
    "category": [CODE],
    "subject": {"display": "x"},
}
INSIDE = {"resourceType": "Patient", "id": "p", "active": True}
PLAN = {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": {"display": "x"}}
PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another property": (RIGHT, {**RIGHT, "category": CODE}),
    "another type": (RIGHT, {"resourceType": "Condition", "subject": {"display": "x"}, "category": CODE}),
    "another value": (RIGHT, {**RIGHT, "code": {"coding": [{"system": "http://loinc.org", "code": 1}]}}),
    "another number": (
        {**RIGHT, "valueRange": {"low": {"value": 1}}},
        {**RIGHT, "valueRange": {"low": {"value": "1"}}},
    ),
    "nothing contained": (
        {**RIGHT, "subject": {"reference": "#p"}, "contained": [INSIDE]},
        {**RIGHT, "subject": {"reference": "#p"}},
    ),
    "a contained resource of another type": (
        {**RIGHT, "subject": {"reference": "#p"}, "contained": [INSIDE]},
        {**RIGHT, "subject": {"reference": "#p"}, "contained": [{**INSIDE, "resourceType": "Practitioner"}]},
    ),
    "a companion": (
        {"resourceType": "Patient", "name": [{"given": ["x"]}]},
        {"resourceType": "Patient", "name": [{"given": ["x"], "_given": [None, {"id": "a"}, None]}]},
    ),
    "no value beside it": (
        {"resourceType": "Patient", "birthDate": "1970-01-01", "_birthDate": {"id": "a"}},
        {"resourceType": "Patient", "_birthDate": {"id": "a"}},
    ),
    "an array of other values beside it": (
        {**PLAN, "instantiatesUri": ["urn:a", "urn:b"], "_instantiatesUri": [None, {"id": "a"}]},
        {**PLAN, "instantiatesUri": [1, {}], "_instantiatesUri": [None, {"id": "a"}]},
    ),
    "a shorter array beside it": (
        {**PLAN, "instantiatesUri": ["urn:a", "urn:b"], "_instantiatesUri": [None, {"id": "a"}]},
        {**PLAN, "instantiatesUri": ["urn:a"], "_instantiatesUri": [None, {"id": "a"}]},
    ),
    "no status": (RIGHT, {key: value for key, value in RIGHT.items() if key != "status"}),
}


@pytest.mark.parametrize("what", PAIRS)
def test_wrong_is_wrong_though_its_like_was_right(what: str) -> None:
    right, wrong = PAIRS[what]
    seasoned = Schemas(MODEL)
    for _ in range(2):
        assert not validate_structure(right, seasoned)
        assert validate_structure(wrong, seasoned) == validate_structure(wrong, Schemas(MODEL)) != []


def test_wrong_property_is_told_each_time() -> None:
    seasoned, wrong = Schemas(MODEL), {**RIGHT, "code": {"text": 1}}
    assert validate_structure(wrong, seasoned) == validate_structure(wrong, seasoned) != []
