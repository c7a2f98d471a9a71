"""The end of a patient's Subscriptions: his endpoints and his client's secrets go with his record."""

from __future__ import annotations

from fhir_dmp.access.inquiry import SUBSCRIPTION
from fhir_dmp.access.requester import SERVER
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.interactions.walk import walk
from fhir_dmp.resource import Version
from fhir_dmp.search.query import OfType, SearchQuery
from fhir_dmp.subscription.subscriber import read_subscriber

_PAGE = 1000


async def unsubscribe(context: Context, patient: str) -> None:
    """Removes, for good, the Subscriptions that were made in a patient's name; they are in no record."""
    everything = await open_gate(context, Request(SERVER, SUBSCRIPTION), "search-type")
    query = SearchQuery((SUBSCRIPTION,), OfType((SUBSCRIPTION,)), count=_PAGE)
    async for page in walk(context.reader, query, everything):
        for version in page.versions:
            if _is_of(version, patient):
                await context.store.remove(version.identity)


def _is_of(version: Version, patient: str) -> bool:
    return bool(version.owner) and read_subscriber(version.owner).who.patient_id == patient
