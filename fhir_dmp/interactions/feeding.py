"""The record that an INS leads a feeder to, whom nobody lets read it: TD0.2 (docs/decisions/0021-feeders.md)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fhir_dmp.access.change import Change, Item
from fhir_dmp.access.closure import STRUCTURE_SYSTEMS
from fhir_dmp.access.feeding import RecordStatus, may_feed, names_ins, read_status
from fhir_dmp.access.requester import SERVER, Kind, Requester
from fhir_dmp.access.write import decide_write
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import inquire, open_gate, read_states
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject
from fhir_dmp.search.query import SearchQuery

_LEAST_SECONDS = 0.05
"""How long it takes at least to be told that there is no record to feed, whether there is a closed one or none."""
_PATIENT = "Patient"


async def feeds(context: Context, request: Request) -> bool:
    """Tells whether the requester may ask for the record of an INS."""
    return may_feed(await inquire(context, request, "create"), context.matrix)


async def find_record(context: Context, request: Request, query: SearchQuery) -> tuple[RecordStatus, str]:
    """Returns what a feeder is told of the record of an INS, and for the server alone the patient's id, "" of none.

    `query` are criteria of Patient; where they are no INS, or several have it, there is no record.
    """
    soonest = asyncio.get_running_loop().time() + _LEAST_SECONDS
    patient = await _find_patient(context, request, query) if names_ins(query.clause) else ""
    status = await _judge(context, request, patient) if patient else RecordStatus.UNAVAILABLE
    if status is RecordStatus.UNAVAILABLE:
        await asyncio.sleep(max(0.0, soonest - asyncio.get_running_loop().time()))
    return status, patient


async def _find_patient(context: Context, request: Request, query: SearchQuery) -> str:
    everything = await open_gate(context, replace(request, requester=SERVER, resource_type=_PATIENT), "search-type")
    page = await context.reader.search(replace(query, count=2), everything)
    return page.versions[0].identity.resource_id if len(page.versions) == 1 else ""


async def _judge(context: Context, request: Request, patient: str) -> RecordStatus:
    """As if a document, or a reimbursement, were fed: one decision, here and when it is."""
    states = await read_states(context, request, [patient])
    fed = _build_fed(request.requester, {"reference": f"{_PATIENT}/{patient}"})
    change = Change(Item(fed, context.indexer.facts(fed)), None)
    inquiry = await inquire(context, request, "create")
    state = states[0] if states else None
    return read_status(decide_write(inquiry, state, context.matrix, change, context.reading))


def _build_fed(requester: Requester, patient: JsonObject) -> JsonObject:
    if requester.kind is Kind.HEALTH_INSURANCE:
        insurer = {"identifier": {"system": STRUCTURE_SYSTEMS[0], "value": requester.organization}}
        return {"resourceType": "ExplanationOfBenefit", "id": "new", "patient": patient, "insurer": insurer}
    return {"resourceType": "DocumentReference", "id": "new", "status": "current", "subject": patient}
