"""What FHIR XML looks like: https://hl7.org/fhir/R4/xml.html."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.json_text import parse_json_object
from fhir_dmp.loader import load_registry
from fhir_dmp.outcome import FhirError
from fhir_dmp.xml.form import Forms
from fhir_dmp.xml.read import parse_xml
from fhir_dmp.xml.write import write_xml

CASES = json.loads((Path(__file__).parents[1] / "cases" / "xml" / "texts.json").read_text(encoding="utf8"))
FORMS = Forms(load_registry())


@pytest.mark.parametrize("case", CASES["equal"], ids=lambda case: case["name"])
def test_a_resource_has_this_text(case: dict[str, Any]) -> None:
    resource = parse_json_object(json.dumps(case["json"]).encode() if "json" in case else case["text"].encode())
    assert write_xml(resource, FORMS).decode() == case["xml"]


@pytest.mark.parametrize("case", CASES["read"], ids=lambda case: case["name"])
def test_this_text_is_the_resource(case: dict[str, Any]) -> None:
    assert parse_xml(case["xml"].encode(), FORMS) == case["json"]


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: case["name"])
def test_this_text_is_refused_with_its_place(case: dict[str, Any]) -> None:
    with pytest.raises(FhirError) as caught:
        parse_xml(bytes.fromhex(case["hex"]) if "hex" in case else case["xml"].encode(), FORMS)
    message = caught.value.issues[0].message
    assert caught.value.issues[0].code == "xml-malformed"
    assert f"line {case['line']}, column {case['column']}: " in message
    assert case["message"] in message


def test_what_the_definitions_do_not_know_is_not_left_out() -> None:
    with pytest.raises(FhirError) as caught:
        write_xml({"resourceType": "Patient", "unheard": "of"}, FORMS)
    assert caught.value.issues[0].expression == "Patient.unheard"
