"""Pointers are found by type, and rewritten where they may be: https://hl7.org/fhir/R4/http.html#trules."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.loader import load_registry
from fhir_dmp.reference import find_slots, is_conditional, may_be_conditional, rewrite

URN = "urn:uuid:11111111-1111-4111-8111-111111111111"
TARGETS = {URN: "Patient/1"}
DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><a href="{0}">x</a><img src=\'{0}\' alt="{0}"/></div>'

FOUND: list[tuple[str, dict[str, Any], str]] = [
    ("a reference", {"resourceType": "Observation", "subject": {"reference": URN}}, "Observation.subject.reference"),
    (
        "a reference in an array",
        {"resourceType": "Observation", "performer": [{"display": "x"}, {"reference": URN}]},
        "Observation.performer[1].reference",
    ),
    (
        "a url",
        {"resourceType": "DocumentReference", "content": [{"attachment": {"url": URN}}]},
        "DocumentReference.content[0].attachment.url",
    ),
    (
        "a uri in an extension",
        {"resourceType": "Patient", "extension": [{"url": "http://x", "valueUri": URN}]},
        "Patient.extension[0].value",
    ),
    (
        "a reference in an extension of a primitive",
        {
            "resourceType": "Patient",
            "_birthDate": {"extension": [{"url": "http://x", "valueReference": {"reference": URN}}]},
        },
        "Patient.birthDate.extension[0].value.reference",
    ),
    (
        "a reference of a contained resource",
        {
            "resourceType": "Observation",
            "contained": [{"resourceType": "Encounter", "id": "e", "subject": {"reference": URN}}],
        },
        "Observation.contained[0].subject.reference",
    ),
    (
        "a reference in a backbone element that is defined elsewhere",
        {
            "resourceType": "Parameters",
            "parameter": [{"name": "x", "part": [{"name": "y", "valueReference": {"reference": URN}}]}],
        },
        "Parameters.parameter[0].part[0].value.reference",
    ),
]

LEFT_ALONE: list[tuple[str, dict[str, Any]]] = [
    ("a canonical", {"resourceType": "Patient", "meta": {"profile": [URN]}}),
    ("an identifier's value", {"resourceType": "Patient", "identifier": [{"value": URN}]}),
    ("a string", {"resourceType": "Patient", "name": [{"text": URN}]}),
    ("a display", {"resourceType": "Observation", "subject": {"display": URN}}),
]


@pytest.mark.parametrize(("resource", "expression"), [row[1:] for row in FOUND], ids=[row[0] for row in FOUND])
def test_pointer_is_found_with_its_expression_and_rewritten(resource: dict[str, Any], expression: str) -> None:
    slots = [slot for slot in find_slots(resource, load_registry()) if slot.original == URN]
    assert [slot.expression for slot in slots] == [expression]
    rewrite(slots[0], TARGETS)
    assert URN not in str(resource)
    assert "Patient/1" in str(resource)


@pytest.mark.parametrize("resource", [row[1] for row in LEFT_ALONE], ids=[row[0] for row in LEFT_ALONE])
def test_what_is_no_pointer_is_left_alone(resource: dict[str, Any]) -> None:
    before = str(resource)
    for slot in find_slots(resource, load_registry()):
        rewrite(slot, TARGETS)
    assert str(resource) == before


def test_links_of_a_narrative_are_rewritten_and_nothing_else_in_it() -> None:
    resource = {"resourceType": "Patient", "text": {"status": "generated", "div": DIV.format(URN)}}
    for slot in find_slots(resource, load_registry()):
        rewrite(slot, TARGETS)
    expected = DIV.replace("{0}", "Patient/1", 1).replace("'{0}'", "'Patient/1'").replace("{0}", URN)
    assert resource["text"]["div"] == expected  # type: ignore[index]  # built three lines above


def test_rewriting_again_starts_from_what_came_in() -> None:
    resource = {"resourceType": "Observation", "subject": {"reference": URN}}
    (slot,) = find_slots(resource, load_registry())
    rewrite(slot, TARGETS)
    rewrite(slot, {URN: "Patient/2"})
    assert resource["subject"] == {"reference": "Patient/2"}
    rewrite(slot, {})
    assert resource["subject"] == {"reference": URN}


def test_fragment_of_a_url_stays() -> None:
    resource = {"resourceType": "Observation", "subject": {"reference": URN + "#p"}}
    (slot,) = find_slots(resource, load_registry())
    rewrite(slot, TARGETS)
    assert resource["subject"] == {"reference": "Patient/1#p"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient?identifier=x|1", True),
        ("Patient/1", False),
        ("urn:uuid:x?y", False),
        ("#p?x", False),
        ("Patient?", False),
    ],
)
def test_conditional_references_are_told_from_others(text: str, expected: bool) -> None:
    resource = {"resourceType": "Observation", "subject": {"reference": text}}
    (slot,) = find_slots(resource, load_registry())
    assert is_conditional(slot) is expected
    assert may_be_conditional(resource) >= expected
