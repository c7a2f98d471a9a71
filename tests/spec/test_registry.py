"""The registry on the official definitions."""

from __future__ import annotations

import pytest

from fhir_dmp.loader import load_definitions, load_registry

REGISTRY = load_registry()


def test_r4_is_complete() -> None:
    kinds = [row["resourceType"] for row in load_definitions("structures")]
    searches = [row for row in load_definitions("search") if row["resourceType"] == "SearchParameter"]
    assert (len(kinds), len(searches)) == (655, 1400)
    assert (len(REGISTRY.resource_types), len(REGISTRY.primitive_types)) == (146, 20)


@pytest.mark.parametrize(
    ("group", "key", "type_code", "inner"),
    [
        ("Observation", "valueQuantity", "Quantity", "Quantity"),
        ("Observation", "effectiveDateTime", "dateTime", "dateTime"),
        ("Patient", "contact", "BackboneElement", "Patient.contact"),
        ("Observation.component", "referenceRange", "BackboneElement", "Observation.referenceRange"),
        ("Patient", "contained", "Resource", "Resource"),
        ("Extension", "valueHumanName", "HumanName", "HumanName"),
        ("Extension", "url", "uri", "uri"),
        ("Bundle.entry", "resource", "Resource", "Resource"),
    ],
)
def test_property_leads_to_its_element_and_group(group: str, key: str, type_code: str, inner: str) -> None:
    known = REGISTRY.group(group).properties[key]
    assert (known.type.code, known.group) == (type_code, inner)


@pytest.mark.parametrize(
    ("name", "ancestor", "expected"),
    [("Age", "Quantity", True), ("Patient", "DomainResource", True), ("Bundle", "DomainResource", False),
     ("code", "string", True), ("Quantity", "Age", False), ("Unknown", "Element", False)],
)  # fmt: skip
def test_subtypes_follow_the_definitions(name: str, ancestor: str, expected: bool) -> None:
    assert REGISTRY.is_subtype(name, ancestor) is expected


def test_parameters_of_a_type_have_those_of_every_resource() -> None:
    codes = REGISTRY.search_parameters("Patient").keys()
    assert {"_id", "_lastUpdated", "birthdate", "identifier"} <= codes


def test_compartment_names_the_parameters_that_tie_a_type() -> None:
    assert REGISTRY.compartment("Patient").parameters["Observation"] == ("subject", "performer")


def test_examples_in_the_package_of_r4_take_the_place_of_no_definition() -> None:
    """It has a second _id, a second Condition.subject and a second compartment of Device, with two types in it."""
    assert REGISTRY.search_parameters("Patient")["_id"].url == "http://hl7.org/fhir/SearchParameter/Resource-id"
    assert REGISTRY.search_parameters("Condition")["subject"].target == ("Group", "Patient")
    assert REGISTRY.compartment("Device").parameters["Observation"] == ("subject", "device")


def test_unknown_names_are_none_or_key_errors() -> None:
    assert REGISTRY.structure("NoSuchType") is None
    assert REGISTRY.definition("http://example.org/none") is None
    with pytest.raises(KeyError):
        REGISTRY.group("NoSuchType")
