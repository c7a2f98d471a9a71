"""What a write is held against: R4, the profiles it claims, those its type has to meet, and its references' targets."""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.rest.server import Server, run_server

Json = Any

NAME = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-human-name"
VITALS = "http://hl7.org/fhir/StructureDefinition/heartrate"
PRACTITIONER = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-practitioner"
ROLE = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-practitioner-role"
LOINC = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}

REFUSED: dict[str, tuple[Json, str, str]] = {
    "an invariant of R4": (
        {"resourceType": "Patient", "contact": [{"gender": "male"}]},
        "invariant",
        "Patient.contact[0]",
    ),
    "a required binding of a data type": (
        {"resourceType": "Observation", "status": "final", "code": {"text": "t"}, "language": "nowhere"},
        "binding",
        "Observation.language",
    ),
    "a profile that the resource claims": (
        {"resourceType": "Observation", "meta": {"profile": [VITALS]}, "status": "final", "code": LOINC},
        "profile-cardinality",
        "Observation",
    ),
    "a profile that the type has to meet, claimed or not": (
        {"resourceType": "MedicationStatement", "status": "active", "medicationCodeableConcept": {"text": "t"}},
        "profile-cardinality",
        "MedicationStatement",
    ),
    "a binding of such a profile": ({"resourceType": "Patient", "gender": "other"}, "binding", "Patient.gender"),
    "a modifier extension that nobody here understands": (
        {"resourceType": "Patient", "modifierExtension": [{"url": "https://example.org/not", "valueBoolean": True}]},
        "extension-modifier",
        "Patient.modifierExtension[0]",
    ),
}


def _complete(resource: Json) -> Json:
    if resource["resourceType"] == "MedicationStatement":
        return {**resource, "subject": {"reference": "Patient/p"}}
    if resource["resourceType"] == "Observation" and "meta" in resource:
        return {**resource, "subject": {"reference": "Patient/p"}, "effectiveDateTime": "2026-01-01"}
    return resource


def _codes(answer: httpx.Response) -> list[tuple[str, str, str]]:
    return [
        (issue["severity"], issue["details"]["coding"][0]["code"], issue.get("expression", [""])[0])
        for issue in answer.json()["issue"]
    ]


def _transaction(*entries: Json) -> Json:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def _post(resource: Json, full_url: str = "") -> Json:
    entry = {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}
    return {**entry, "fullUrl": full_url} if full_url else entry


@pytest.mark.parametrize("name", REFUSED)
async def test_a_write_against_a_rule_is_refused_with_422(name: str, server: Server) -> None:
    resource, code, place = REFUSED[name]
    body = _complete(resource)
    before = server.count(ty=body["resourceType"])
    answer = await server.client.post(f"/{body['resourceType']}", json=body)
    assert answer.status_code == 422, answer.text
    assert ("error", code, place) in _codes(answer)
    assert server.count(ty=body["resourceType"]) == before


async def test_a_refusal_lists_every_issue_and_errors_first(client: httpx.AsyncClient) -> None:
    answer = await client.post("/Patient", json={"resourceType": "Patient", "gender": "other", "contact": [{}, {}]})
    assert answer.status_code == 400, "a structure that is wrong is malformed, and nothing more can be said of it"
    answer = await client.post(
        "/Patient", json={"resourceType": "Patient", "gender": "other", "contact": [{"gender": "male"}]}
    )
    severities = [row[0] for row in _codes(answer)]
    assert severities.count("error") == 2
    assert severities == sorted(severities, key=lambda severity: severity != "error")


@pytest.mark.parametrize(
    "method", ["PUT", "conditional PUT", "conditional POST", "PATCH", "batch", "transaction PATCH"]
)
async def test_no_way_of_writing_goes_round_the_rules(method: str, server: Server) -> None:
    client, value = server.client, uuid.uuid4().hex
    good = {"resourceType": "Patient", "identifier": [{"system": "urn:validity", "value": value}]}
    created = (await client.post("/Patient", json=good)).json()
    place, wrong = f"/Patient/{created['id']}", {**good, "gender": "other"}
    headers = {"Content-Type": "application/json-patch+json"}
    patch = [{"op": "add", "path": "/gender", "value": "other"}]
    binary = {"resourceType": "Binary", "contentType": headers["Content-Type"], "data": _encode(patch)}
    request = {"method": "PATCH", "url": place[1:]}
    ways = {
        "PUT": lambda: client.put(place, json={**wrong, "id": created["id"]}),
        "conditional PUT": lambda: client.put(f"/Patient?identifier=urn:validity|{value}", json=wrong),
        "conditional POST": lambda: client.post(
            "/Patient", json=wrong, headers={"If-None-Exist": "identifier=urn:x|y"}
        ),
        "PATCH": lambda: client.patch(place, json=patch, headers=headers),
        "batch": lambda: client.post("", json={**_transaction(_post(wrong)), "type": "batch"}),
        "transaction PATCH": lambda: client.post("", json=_transaction({"resource": binary, "request": request})),
    }
    answer = await ways[method]()
    if method == "batch":
        (entry,) = answer.json()["entry"]
        assert entry["response"]["status"].startswith("422")
    else:
        assert answer.status_code == 422, answer.text
    assert (await client.get(place)).json()["meta"]["versionId"] == "1"


def _encode(patch: Json) -> str:

    return b64encode(json.dumps(patch).encode()).decode()


async def test_in_a_transaction_one_wrong_entry_refuses_all_and_says_where(server: Server) -> None:
    before = server.count()
    right, wrong = {"resourceType": "Patient"}, {"resourceType": "Patient", "gender": "other"}
    answer = await server.client.post("", json=_transaction(_post(right), _post(wrong)))
    assert answer.status_code == 422
    assert _codes(answer)[0] == ("error", "binding", "Bundle.entry[1].resource.gender")
    assert server.count() == before


def _role(practitioner: str) -> Json:
    return {
        "resourceType": "PractitionerRole",
        "meta": {"profile": [ROLE]},
        "practitioner": {"reference": practitioner},
    }


RPPS = {"system": "https://rpps.esante.gouv.fr", "value": "10101010101"}
TYPE = {"coding": [{"system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203", "code": "RPPS"}]}


@pytest.mark.parametrize(("identifier", "is_right"), [({**RPPS, "type": TYPE}, True), (RPPS, False)])
async def test_a_target_that_is_at_hand_is_held_against_the_profile_of_the_reference(
    identifier: Json, is_right: bool, client: httpx.AsyncClient
) -> None:
    """FR Core wants the type of an RPPS number; a Practitioner that claims no profile may do without."""
    practitioner = {"resourceType": "Practitioner", "identifier": [identifier]}
    target = (await client.post("/Practitioner", json=practitioner)).json()["id"]
    answer = await client.post("/PractitionerRole", json=_role(f"Practitioner/{target}"))
    assert answer.status_code == (201 if is_right else 422), answer.text
    urn = f"urn:uuid:{uuid.uuid4()}"
    answer = await client.post("", json=_transaction(_post(_role(urn)), _post(practitioner, urn)))
    assert answer.status_code == (200 if is_right else 422), answer.text


async def test_a_target_that_is_not_here_refuses_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.post("/PractitionerRole", json=_role("Practitioner/nowhere"))
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("depth", "taken"),
    [("full", set[str]()), ("core", {"profile"}), ("off", {"profile", "invariant"})],
)
async def test_the_setting_says_how_far_writes_are_validated(
    depth: str, taken: set[str], mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]
) -> None:
    bodies = {
        "profile": {"resourceType": "Patient", "gender": "other"},
        "invariant": {"resourceType": "Patient", "contact": [{"gender": "male"}]},
        "structure": {"resourceType": "Patient", "frob": 1},
    }
    async with run_server(mongodb_uri, mongodb_client, VALIDATION=depth) as server:
        answers = {name: await server.client.post("/Patient", json=body) for name, body in bodies.items()}
    assert {name for name, answer in answers.items() if answer.status_code == 201} == taken
    assert answers["structure"].status_code == 400
