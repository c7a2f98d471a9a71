"""`_summary` and `_elements` on reads: what is left of a resource is one too. https://hl7.org/fhir/R4/search.html#summary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_dmp.json_text import parse_json_object, write_json
from fhir_dmp.loader import load_registry
from fhir_dmp.outcome import FhirError
from fhir_dmp.subset import Subset, Summary, parse_subset, subset_content
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.validate import validate_structure

Json = Any

REGISTRY = load_registry()
SCHEMAS = Schemas(REGISTRY)
EXAMPLES = Path(__file__).parents[2] / "examples"
RESOURCES = [
    entry["resource"]
    for file in sorted(EXAMPLES.glob("*.json"))
    for entry in json.loads(file.read_text(encoding="utf8"))["entry"]
]
TYPES = sorted({resource["resourceType"] for resource in RESOURCES})
SUBSETS: list[Subset] = [
    *(Subset(summary, frozenset()) for summary in ("true", "text", "data")),
    Subset(None, frozenset({"identifier", "status"})),
    Subset(None, frozenset({"unheard"})),
]


def _subset(resource: Json, subset: Subset) -> Json:
    return parse_json_object(subset_content(write_json({"id": "a", **resource}), subset, REGISTRY))


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("subset", SUBSETS, ids=lambda one: one.summary or ",".join(sorted(one.elements)))
def test_a_part_of_a_resource_is_valid_and_says_that_it_is_a_part(name: str, subset: Subset) -> None:
    for resource in RESOURCES:
        if resource["resourceType"] != name:
            continue
        part = _subset(resource, subset)
        assert part["meta"]["tag"][-1]["code"] == "SUBSETTED"
        assert part["resourceType"] == name
        codes = {issue.code for issue in validate_structure(part, SCHEMAS)}
        assert codes <= {"reference-contained"}, "a part may do without the contained resource that it refers to"
        get_fhir_model_class(name).model_validate(part)
        assert {key for key in part if key not in {"meta", "id"}} <= resource.keys()


def _patient(**more: Json) -> Json:
    return {"resourceType": "Patient", **more}


@pytest.mark.parametrize(
    ("summary", "kept"),
    [
        ("true", {"identifier", "active", "birthDate", "_birthDate", "link", "modifierExtension"}),
        ("text", {"text"}),
        ("data", {"identifier", "active", "birthDate", "_birthDate", "contact", "photo", "link", "modifierExtension"}),
    ],
)
def test_a_summary_keeps_its_elements(summary: Summary, kept: set[str]) -> None:
    patient = _patient(
        id="a",
        meta={"versionId": "1"},
        text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
        modifierExtension=[{"url": "urn:x", "valueBoolean": True}],
        identifier=[{"value": "a"}],
        active=True,
        birthDate="1980-01-01",
        _birthDate={"extension": [{"url": "urn:x", "valueBoolean": True}]},
        contact=[{"name": {"text": "x"}}],
        photo=[{"url": "urn:x"}],
        link=[{"other": {"reference": "Patient/b"}, "type": "seealso"}],
    )
    part = _subset(patient, Subset(summary, frozenset()))
    assert part.keys() - {"resourceType", "id", "meta"} == kept
    assert part["meta"]["versionId"] == "1"


def test_modifiers_are_kept_beside_the_elements_asked_for() -> None:
    """Without `active` or `deceased`, what is left could be misread."""
    patient = _patient(id="a", active=False, deceasedBoolean=True, gender="male", birthDate="1980-01-01")
    part = _subset(patient, Subset(None, frozenset({"gender"})))
    assert part.keys() == {"resourceType", "id", "meta", "active", "deceasedBoolean", "gender"}


def test_a_choice_is_asked_for_by_its_name_without_type() -> None:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "valueString": "a",
        "note": [{"text": "n"}],
    }
    part = _subset(observation, Subset(None, frozenset({"value"})))
    assert part.keys() == {"resourceType", "id", "meta", "status", "code", "valueString"}


def test_a_summary_leaves_out_what_is_no_summary_deep_inside() -> None:
    encounter = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "AMB"},
        "participant": [
            {"type": [{"text": "x"}], "period": {"start": "2024"}, "individual": {"reference": "Practitioner/a"}}
        ],
        "statusHistory": [{"status": "planned", "period": {"start": "2024"}}],
    }
    part = _subset(encounter, Subset("true", frozenset()))
    assert part["participant"] == [{"type": [{"text": "x"}], "individual": {"reference": "Practitioner/a"}}]
    assert "statusHistory" not in part


def test_decimals_of_a_part_keep_their_digits() -> None:
    text = (
        b'{"resourceType":"Observation","id":"a","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00e2}}'
    )
    assert b'"value":1.00e2' in subset_content(text, Subset("true", frozenset()), REGISTRY)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ([], None),
        ([("_summary", "false")], None),
        ([("_elements", "")], None),
        ([("_elements", "a,b,")], Subset(None, frozenset({"a", "b"}))),
        ([("_summary", "data")], Subset("data", frozenset())),
        ([("_summary", "true"), ("_elements", "a")], Subset("true", frozenset())),
    ],
)
def test_parameters_of_a_read_ask_for_a_part(parameters: list[tuple[str, str]], expected: Subset | None) -> None:
    assert parse_subset(parameters) == expected


@pytest.mark.parametrize(
    "pair", [("_summary", "count"), ("_summary", ""), ("_summary", "x"), ("_sort", "a"), ("gender", "a")]
)
def test_other_parameters_of_a_read_are_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(FhirError):
        parse_subset([pair])
