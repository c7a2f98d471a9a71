"""JSON → XML → JSON is the identity: on resources of every type, on the project's examples, on the specification's.

https://hl7.org/fhir/R4/xml.html. An independent reader, the standard library's ElementTree, sees in the XML what FHIR
says it has to have: values in attributes, one element for each item.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_dmp.json_text import JsonObject, parse_json_object, write_json
from fhir_dmp.loader import load_capability, load_registry
from fhir_dmp.xml.form import FHIR, Forms
from fhir_dmp.xml.read import parse_xml
from fhir_dmp.xml.write import write_xml
from tests.xml.strategies import resources

Json = Any

FORMS = Forms(load_registry())
ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("FHIR_DMP_SHARED", ROOT.parent / "shared"))
LISTING = SHARED / "corpus" / "spec-examples.json"
SPECIFIED: list[dict[str, str]] = json.loads(LISTING.read_text(encoding="utf-8")) if LISTING.is_file() else []
FRENCH = SHARED / "corpus" / "french-examples.json"
EXPOSED = sorted({*load_capability().types, "Bundle", "OperationOutcome", "Parameters", "CapabilityStatement"})
"""All that is exchanged: what is stored, and what answers and requests are made of."""


def _literal(resource: JsonObject) -> Json:
    """The resource with its numbers as they are written; the order of properties does not count."""
    return json.loads(write_json(resource), parse_float=str, parse_int=str)


def _check(resource: JsonObject) -> None:
    for indent in (False, True):
        text = write_xml(resource, FORMS, indent=indent)
        assert _literal(parse_xml(text, FORMS)) == _literal(resource), text.decode()


@pytest.mark.parametrize("resource_type", EXPOSED)
def test_a_resource_of_each_type_comes_back_as_it_was(resource_type: str) -> None:
    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        _check(data.draw(resources(resource_type)))

    check()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.json")), ids=lambda path: path.stem)
def test_our_examples_come_back_as_they_were(path: Path) -> None:
    _check(parse_json_object(path.read_bytes()))


@pytest.mark.skipif(not SPECIFIED, reason=f"the specification's examples are not at {LISTING}")
def test_the_examples_of_the_specification_come_back_as_they_were() -> None:
    for row in SPECIFIED:
        _check(parse_json_object((LISTING.parent / row["file"]).read_bytes()))


@pytest.mark.skipif(not FRENCH.is_file(), reason=f"the French examples are not at {FRENCH}")
def test_the_french_examples_come_back_as_they_were() -> None:
    for row in json.loads(FRENCH.read_text(encoding="utf-8")):
        _check(parse_json_object((FRENCH.parent / row["file"]).read_bytes()))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.json"))[:3], ids=lambda path: path.stem)
def test_another_reader_finds_each_value_once(path: Path) -> None:
    resource = parse_json_object(path.read_bytes())
    root = ET.fromstring(write_xml(resource, FORMS))
    found = [node.get("value") for node in root.iter() if "value" in node.attrib and node.tag.startswith(f"{{{FHIR}}}")]
    assert sorted(found, key=str) == sorted(_values(resource, ""))


def _values(node: Json, key: str) -> list[str]:
    """The texts of all primitives that are elements in XML: ids of elements and urls of extensions are attributes."""
    if isinstance(node, list):
        return [text for item in node for text in _values(item, key)]
    if not isinstance(node, dict):
        return [write_json(node).decode() if not isinstance(node, str) else node]
    is_resource, is_extension = "resourceType" in node, key.lstrip("_").endswith(("extension", "Extension"))
    skipped = {"resourceType", "div"} | (set() if is_resource else {"id"}) | ({"url"} if is_extension else set())
    return [text for name, item in node.items() if name not in skipped for text in _values(item, name)]
