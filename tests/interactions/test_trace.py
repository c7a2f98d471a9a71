"""The trail expects an interaction for as long as it runs, however it ends: others' events wait for its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from fhir_dmp.app import Sources, open_context
from fhir_dmp.interactions.batch import batch
from fhir_dmp.interactions.context import Context, Route
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.interactions.trace import run_traced
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import FhirError
from fhir_dmp.settings import read_settings
from fhir_dmp.store.mongo.audit import MongoAuditTrail
from fhir_dmp.store.mongo.store import DURABLE, connect
from tests.audit.trail import DOCTOR, indexer

REQUEST = Request(DOCTOR, "Observation", "1", path="Observation/1")


class Counting(MongoAuditTrail):
    """A trail that tells how many interactions it expects, and what it was given."""

    expected = 0
    recorded: Sequence[JsonObject] = ()

    def expect(self) -> None:
        super().expect()
        self.expected += 1

    def excuse(self) -> None:
        super().excuse()
        self.expected -= 1

    async def record(self, events: Sequence[JsonObject]) -> Sequence[str]:
        self.recorded = [*self.recorded, *events]
        return await super().record(events)


@pytest.fixture
async def trail(mongodb_uri: str, database_name: str) -> AsyncIterator[Counting]:
    async with connect(mongodb_uri) as client:
        trail = Counting(client.get_database(database_name, write_concern=DURABLE), indexer(), lambda: 1)
        yield trail
        await trail.close()


@pytest.fixture
async def context(mongodb_uri: str, database_name: str, trail: Counting) -> AsyncIterator[Context]:
    settings = read_settings({"FHIR_DMP_MONGODB_URI": mongodb_uri, "FHIR_DMP_DATABASE": database_name})
    async with open_context(settings, Sources()) as context:
        yield replace(context, trail=trail)


async def test_an_interaction_is_expected_until_it_ends(context: Context, trail: Counting) -> None:
    expected = []

    async def found(_context: Context, _request: Request) -> Result:
        expected.append(trail.expected)
        return Result(Status.OK)

    async def absent(_context: Context, request: Request) -> Result:
        expected.append(trail.expected)
        raise not_found(request.identity)

    await run_traced(Route("GET", "[type]/[id]", "read", found), context, REQUEST)
    with pytest.raises(FhirError):
        await run_traced(Route("GET", "[type]/[id]", "read", absent), context, REQUEST)
    assert expected == [1, 1]
    assert trail.expected == 0


async def test_capabilities_in_a_batch_leave_no_event(context: Context, trail: Counting) -> None:
    bundle = {"resourceType": "Bundle", "entry": [{"request": {"method": "GET", "url": "metadata"}}]}
    assert (await batch(context, Request(DOCTOR), bundle)).status is Status.OK
    assert not trail.recorded
