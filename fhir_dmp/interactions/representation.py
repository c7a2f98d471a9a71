"""Who a token says that represents a patient, and is stored here as someone who does not."""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.access.contact import may_represent
from fhir_dmp.access.requester import SERVER, Kind, Requester
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import parse_json_object
from fhir_dmp.resource import Identity

_PERSON = "RelatedPerson"


async def confine(context: Context, requester: Requester) -> Requester:
    """Returns the requester; of a representative whom his RelatedPerson contradicts, the helper that he is at most.

    A helper sees what the patient's Consents permit him. Who never was here as a RelatedPerson is believed.
    """
    kind, _, name = requester.reference.partition("/")
    if requester.kind is not Kind.REPRESENTATIVE or kind != _PERSON:
        return requester
    identity = Identity(_PERSON, name)
    everything = await open_gate(context, Request(SERVER, _PERSON), "read")
    found = (await context.reader.read_latest((identity,), everything)).get(identity)
    if found is None:
        return requester
    person = parse_json_object(found.content) if found.content is not None else None
    is_one = may_represent(person, requester.patient_id, context.now(), context.reading)
    return requester if is_one else replace(requester, kind=Kind.HELPER)
