"""Security facts: what access control finds in a resource."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.search.facts import MarkKind
from fhir_dmp.search.sensitivity import ACT_CODE, CONFIDENTIALITY, RANKS, VISIBILITY
from tests.strategies.access import BASE_URL, concept, facts, reference

Json = Any

LOINC = "http://loinc.org"
OLD_SPELLING = VISIBILITY.replace("Statut", "Status")


def document(**members: Json) -> Json:
    made = {"resourceType": "DocumentReference", "id": "1", "meta": {"lastUpdated": "2024-05-20T08:00:00Z"}}
    return {**made, "subject": reference("Patient/p"), **members}


def labelled(system: str, code: str) -> Json:
    return document(securityLabel=[concept(system, code)])


def marks(resource: Json, kind: MarkKind) -> set[str]:
    return {mark.text for mark in facts(resource).security.marks if mark.kind == kind}


@pytest.mark.parametrize(
    ("codes", "rank"),
    [((), "N"), (("N",), "N"), (("U",), "U"), (("U", "R"), "R"), (("V", "N"), "V"), (("?",), "V")],
)
def test_the_highest_confidentiality_counts_and_an_unknown_one_is_the_highest(
    codes: tuple[str, ...], rank: str
) -> None:
    found = document(meta={"security": [{"system": CONFIDENTIALITY, "code": code} for code in codes]})
    assert facts(found).security.rank == RANKS.index(rank)


def test_a_composition_has_its_confidentiality_in_an_element_of_its_own() -> None:
    found = facts({"resourceType": "Composition", "id": "1", "confidentiality": "R"})
    assert found.security.rank == RANKS.index("R")


@pytest.mark.parametrize("system", [VISIBILITY, OLD_SPELLING, "urn:oid:1.2.250.1.213.1.1.4.13", "http://elsewhere"])
@pytest.mark.parametrize("code", ["MASQUE_PS", "masque_ps"])
def test_a_visibility_label_counts_however_it_is_written(system: str, code: str) -> None:
    assert marks(labelled(system, code), "label") == {f"{VISIBILITY}|MASQUE_PS"}


def test_a_secret_connection_is_hidden_from_representatives() -> None:
    assert marks(labelled(VISIBILITY, "CONNEXION_SECRETE"), "label") == {f"{VISIBILITY}|INVISIBLE_REPRESENTANTS_LEGAUX"}


def test_a_sensitivity_is_marked_with_those_above_it() -> None:
    assert marks(labelled(ACT_CODE, "ETHUD"), "label") == {f"{ACT_CODE}|{code}" for code in ("ETHUD", "SUD", "SPI")}


@pytest.mark.parametrize(
    ("system", "code", "label"),
    [
        (LOINC, "68599-0", "PSY"),
        ("https://smt.esante.gouv.fr/terminologie-cim-10", "B20.1", "HIV"),
        ("https://smt.esante.gouv.fr/terminologie-cim-10", "F10.2", "ETHUD"),
        ("https://smt.esante.gouv.fr/terminologie-cim-10", "F32", "MH"),
    ],
)
def test_a_code_alone_may_make_an_item_sensitive(system: str, code: str, label: str) -> None:
    assert f"{ACT_CODE}|{label}" in marks(
        {"resourceType": "Condition", "id": "1", "code": concept(system, code)}, "label"
    )


def test_codes_are_those_of_the_content_not_of_labels_identifiers_extensions_or_units() -> None:
    found = document(
        type=concept(LOINC, "1-1"),
        securityLabel=[concept("http://x", "label")],
        identifier=[{"type": concept("http://x", "identifier")}],
        extension=[{"url": "http://x", "valueCoding": {"system": "http://x", "code": "extension"}}],
        content=[
            {"attachment": {"contentType": "Text/Plain; charset=UTF-8"}, "format": {"system": "http://x", "code": "f"}}
        ],
        contained=[{"resourceType": "Medication", "code": concept("http://x", "inside")}],
        valueQuantity={"value": 1, "system": "http://unitsofmeasure.org", "code": "kg"},
    )
    assert marks(found, "code") == {f"{LOINC}|1-1", "http://x|f", "http://x|inside"}
    assert marks(found, "class") == {f"{LOINC}|1-1", "http://x|f", "urn:ietf:bcp:13|text/plain"}


def test_authors_are_known_by_reference_by_identifier_and_inside() -> None:
    role = {
        "resourceType": "PractitionerRole",
        "id": "role",
        "practitioner": {"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "810000000003"}},
        "organization": reference("Organization/site"),
    }
    found = document(
        contained=[role],
        author=[reference(f"{BASE_URL}/Practitioner/1/_history/2"), reference("#role"), reference("#nobody")],
    )
    assert marks(found, "author") == {
        "Practitioner/1",
        "Practitioner/1/_history/2",
        "urn:oid:1.2.250.1.71.4.2.1|810000000003",
        "https://rpps.esante.gouv.fr|10000000003",
        "Organization/site",
    }


def test_another_patient_anywhere_is_noticed() -> None:
    assert marks(document(context={"related": [reference("Patient/q")]}), "flag") == {"several-patients"}
    assert marks(document(context={"related": [reference("Patient/p")]}), "flag") == set()
    linked = {"resourceType": "Patient", "id": "p", "link": [{"other": reference("Patient/q")}]}
    assert marks(linked, "flag") == set()


@pytest.mark.parametrize("named", [f"{BASE_URL}/Patient/p", "Patient/p/_history/2", f"{BASE_URL}/Patient/p/_history/2"])
def test_a_device_belongs_to_the_patient_it_names(named: str) -> None:
    device = {"resourceType": "Device", "id": "1", "patient": reference(named)}
    assert facts(device).patient == "p"


def test_what_is_held_back_opens_a_month_after_deposit_however_often_it_is_updated() -> None:
    held = labelled(VISIBILITY, "INVISIBLE_PATIENT")
    deposited = {**held, "date": "2024-04-20T08:00:00Z"}
    postdated = {**held, "date": "2030-04-20T08:00:00Z"}
    june, may = 1_718_870_400_000, 1_716_192_000_000
    assert [facts(row).security.opens for row in (held, deposited, postdated, document())] == [june, may, june, None]


@pytest.mark.parametrize(
    "broken",
    [
        {"meta": "x"},
        {"meta": {"security": "x"}},
        {"securityLabel": {"coding": [{"code": 1}]}},
        {"author": ["x", {"reference": 1}, {"identifier": [1]}]},
        {"contained": [1], "content": "x", "type": [[]]},
    ],
)
def test_what_is_not_as_its_type_asks_raises_nothing(broken: Json) -> None:
    assert facts({**document(), **broken}).security.rank == RANKS.index("N")
