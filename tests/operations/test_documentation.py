"""docs/reference/operations.md is true: its requests get the answers it shows, and its table is the routing table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_dmp.operations.routes import OPERATIONS
from tests.journeys.story import RPPS_TYPE
from tests.rest.server import FHIR_JSON
from tests.strategies.access import concept, consent, reference

TEXT = (Path(__file__).parents[2] / "docs" / "reference" / "operations.md").read_text(encoding="utf8")
EXAMPLES = re.findall(r"```http\n(GET|POST) /fhir/(\S+)\n(.*?)```\n```json\n(.*?)\n```", TEXT, re.DOTALL)


def test_each_operation_has_an_example() -> None:
    shown = {found for _, url, _, _ in EXAMPLES for found in re.findall(r"\$([a-z-]+)", url)}
    assert shown == {route.operation for route in OPERATIONS}


def test_the_table_lists_the_operations() -> None:
    rows = re.findall(r"^\| `\$([a-z-]+)` \| ([^|]+) \| ([^|]+) \|$", TEXT, re.MULTILINE)
    assert {name for name, _, _ in rows} == {route.operation for route in OPERATIONS}
    for name, places, methods in rows:
        routes = [route for route in OPERATIONS if route.operation == name]
        types = {route.resource_type for route in routes} - {"", "[type]"}
        assert types == set(re.findall(r"`(\w+)`", places)), name
        assert ("instance" in places) == any("[id]" in route.shape for route in routes), name
        assert set(re.findall(r"GET|POST|DELETE", methods)) == {route.method for route in routes}, name


@pytest.fixture(scope="module")
async def _record(client: httpx.AsyncClient) -> None:
    """The record that an example is about, written as its patient would."""
    about = reference("Patient/explained")
    permit = {"type": "permit", "actor": ["https://rpps.esante.gouv.fr|99900000077"], "purpose": ["TREAT"]}
    resources = [
        {
            "resourceType": "Patient",
            "active": True,
            "birthDate": "1970-01-01",
            "name": [{"family": "Expliqué", "given": ["Jeanne"]}],
        },
        {
            "resourceType": "Observation",
            "status": "final",
            "code": concept("http://loinc.org", "8867-4"),
            "subject": about,
        },
        {
            "resourceType": "Composition",
            "status": "final",
            "type": concept("http://loinc.org", "34112-3"),
            "title": "Compte rendu",
            "date": "2026-01-05",
            "author": [{"display": "Dr Petit"}],
            "section": [{"title": "Constantes", "entry": [reference("Observation/explained")]}],
        },
        {
            **consent("explained", permit),
            "patient": about,
            "category": [concept("http://loinc.org", "59284-0")],
            "dateTime": "2026-01-05",
            "performer": [about],
            "organization": [{"display": "Cabinet"}],
            "policy": [{"uri": "https://www.legifrance.gouv.fr/codes/article_lc/LEGIARTI000043895798"}],
        },
    ]
    for resource in resources:
        body = {**resource, "id": "explained"}
        response = await client.put(f"{resource['resourceType']}/explained", json=body)
        assert response.status_code in {200, 201}, response.text
    await _store_deciding(client)
    name = [{"use": "usual", "family": "Roussel", "given": ["Jeanne"]}]
    unproven = {"resourceType": "Patient", "id": "provisional", "active": True, "name": name, "birthDate": "1955-08-12"}
    for row in (unproven, {**unproven, "id": "double"}):
        assert (await client.put(f"Patient/{row['id']}", json=row)).status_code in {200, 201}


async def _store_deciding(client: httpx.AsyncClient) -> None:
    """The patient who decides, a document of his, and two physicians of the directory."""
    rpps = "https://rpps.esante.gouv.fr"
    resources: list[dict[str, Any]] = [
        {"resourceType": "Patient", "active": True, "birthDate": "1970-01-01", "name": [{"family": "Decidee"}]},
        {
            "resourceType": "DocumentReference",
            "status": "current",
            "subject": reference("Patient/deciding"),
            "content": [{"attachment": {"contentType": "text/plain", "data": "QmllbiE="}}],
        },
    ]
    for name, number in (("deciding", "99900000088"), ("other", "99900000099")):
        identifier = {"type": RPPS_TYPE, "system": rpps, "value": number}
        resources.append({"resourceType": "Practitioner", "id": name, "identifier": [identifier]})
    for resource in resources:
        body = {"id": "deciding", **resource}
        response = await client.put(f"{body['resourceType']}/{body['id']}", json=body)
        assert response.status_code in {200, 201}, response.text


@pytest.mark.usefixtures("_record")
@pytest.mark.parametrize(
    ("method", "url", "body", "shown"), EXAMPLES, ids=[f"{method} {url}" for method, url, _, _ in EXAMPLES]
)
async def test_a_request_gets_the_answer_that_is_shown(
    method: str, url: str, body: str, shown: str, client: httpx.AsyncClient
) -> None:
    headers = {"content-type": FHIR_JSON} if body.strip() else {}
    response = await client.request(method, url, content=body.lstrip("\n") or None, headers=headers)
    place = 0
    for fragment in shown.split("…"):
        found = response.text.find(fragment, place)
        assert found >= 0, (fragment, response.text[place : place + 3000])
        place = found + len(fragment)
