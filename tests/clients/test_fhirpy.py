"""fhirpy, as its README shows it: https://pypi.org/project/fhirpy/."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

from tests.demo_server import Demo


@pytest.fixture
def client(demo: Demo, bearer: str) -> Any:
    return SyncFHIRClient(demo.base_url, authorization=bearer)


def _weight(patient: str, author: str, kilograms: float, day: str) -> dict[str, Any]:
    return {
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "performer": [{"reference": author}],
        "effectiveDateTime": day,
        "valueQuantity": {
            "value": kilograms,
            "unit": "kg",
            "system": "http://unitsofmeasure.org",
            "code": "kg",
        },
    }


def test_searches_are_fetched_counted_and_limited(client: Any, gerard: str) -> None:
    found = client.resources("Observation").search(patient=gerard).sort("-date")
    rows = found.limit(3).fetch()
    assert len(rows) == 3
    assert {row.resourceType for row in rows} == {"Observation"}
    assert found.count() >= 3
    assert len(found.limit(2).fetch_all()) == found.count()


def test_first_and_get_answer_one_resource(client: Any, gerard: str) -> None:
    assert client.resources("Patient").search(_id=gerard).get().id == gerard
    assert client.resources("Observation").search(patient=gerard).first().resourceType == "Observation"
    assert client.resources("Patient").search(_id="nobody").first() is None
    with pytest.raises(ResourceNotFound):
        client.resources("Patient").search(_id="nobody").get()
    with pytest.raises(MultipleResourcesFound):
        client.resources("Observation").search(patient=gerard).get()


def test_references_lead_to_resources(client: Any, gerard: str) -> None:
    patient = client.reference("Patient", gerard).to_resource()
    assert patient.id == gerard
    assert patient.to_reference().reference == f"Patient/{gerard}"


def test_resource_is_created_changed_refreshed_and_deleted(client: Any, gerard: str, author: str) -> None:
    weight = client.resource("Observation", **_weight(gerard, author, 81.5, "2026-02-10"))
    weight.create()
    assert weight.id
    weight["valueQuantity"]["value"] = 82
    weight.save()
    assert weight["meta"]["versionId"] == "2"
    weight.refresh()
    weight.delete()
    with pytest.raises(ResourceNotFound):
        client.reference("Observation", weight.id).to_resource()


def test_patch_sends_the_members_that_change(client: Any, gerard: str, author: str) -> None:
    weight = client.resource("Observation", **_weight(gerard, author, 80, "2026-02-11"))
    weight.save()
    weight.patch(status="amended")
    assert (weight.status, weight["meta"]["versionId"]) == ("amended", "2")
    assert client.patch("Observation", weight.id, status="corrected")["status"] == "corrected"


def test_get_or_create_creates_once(client: Any, gerard: str, author: str) -> None:
    row = _weight(gerard, author, 79, "2026-02-12") | {"identifier": [{"system": "urn:fhirpy", "value": "w1"}]}
    search = client.resources("Observation").search(identifier="urn:fhirpy|w1")
    first, is_created = search.get_or_create(client.resource("Observation", **row))
    second, is_created_again = search.get_or_create(client.resource("Observation", **row))
    assert (is_created, is_created_again, first.id == second.id) == (True, False, True)


def test_resources_are_validated(client: Any, gerard: str, author: str) -> None:
    good = client.resource("Observation", **_weight(gerard, author, 79, "2026-02-12"))
    assert good.is_valid()
    del good["status"]
    assert not good.is_valid()


def test_refusals_are_operation_outcomes(client: Any, gerard: str, author: str) -> None:
    row = {**_weight(gerard, author, 79, "2026-02-12"), "status": "no-status"}
    with pytest.raises(OperationOutcome, match=r"Observation\.status"):
        client.resource("Observation", **row).save()


async def test_the_asynchronous_client_does_the_same(demo: Demo, bearer: str, gerard: str, author: str) -> None:
    client: Any = AsyncFHIRClient(demo.base_url, authorization=bearer)
    found = client.resources("Observation").search(patient=gerard)
    rows, total = await asyncio.gather(found.limit(2).fetch_all(), found.count())
    assert len(rows) == total
    weight = client.resource("Observation", **_weight(gerard, author, 78, "2026-02-13"))
    await weight.save()
    await weight.patch(status="amended")
    assert weight.status == "amended"
    await weight.delete()


async def test_includes_come_with_their_matches(demo: Demo, bearer: str, gerard: str) -> None:
    client: Any = AsyncFHIRClient(demo.base_url, authorization=bearer)
    bundle = await client.resources("Observation").search(patient=gerard).include("Observation", "patient").fetch_raw()
    modes = {entry.search.mode for entry in bundle.entry}
    assert modes == {"match", "include"}
