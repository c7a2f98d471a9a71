"""The end of a patient's Subscriptions: his endpoints and his client's secrets go with his record."""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.access.inquiry import SUBSCRIPTION
from fhir_dmp.access.requester import SERVER
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.resource import Version
from fhir_dmp.store.port import HistoryKey, HistoryQuery
from fhir_dmp.subscription.subscriber import read_subscriber

_PAGE = 1000


async def unsubscribe(context: Context, patient: str) -> None:
    """Removes, for good, the Subscriptions that were made in a patient's name; they are in no record.

    Those that were deleted too: their past has the same endpoints and secrets.
    """
    everything = await open_gate(context, Request(SERVER, SUBSCRIPTION), "history-type")
    query = HistoryQuery(_PAGE, resource_types=(SUBSCRIPTION,))
    while versions := await context.reader.history(query, everything):
        last = versions[-1]
        for identity in sorted({version.identity for version in versions if _is_of(version, patient)}):
            await context.store.remove(identity)
        query = replace(query, after=HistoryKey(last.last_updated, str(last.identity), last.version_id))


def _is_of(version: Version, patient: str) -> bool:
    return bool(version.owner) and read_subscriber(version.owner).who.patient_id == patient
