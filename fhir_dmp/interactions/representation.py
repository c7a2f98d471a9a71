"""Who a token says that represents or helps a patient, and is stored here as someone who does not."""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.access.contact import has_ended, may_represent
from fhir_dmp.access.requester import SERVER, Kind, Requester
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import parse_json_object
from fhir_dmp.resource import Identity

_PERSON = "RelatedPerson"
_RELATED = frozenset({Kind.REPRESENTATIVE, Kind.HELPER})


async def confine(context: Context, requester: Requester) -> Requester:
    """Returns the requester as his RelatedPerson lets him be; who never was here as one is believed.

    A representative whom it contradicts is the helper that he is at most: he sees what the patient's Consents permit
    him. To whom it says that his time is over, or who was deleted, the record is shut, whatever a Consent says.
    """
    kind, _, name = requester.reference.partition("/")
    if requester.kind not in _RELATED or kind != _PERSON:
        return requester
    identity = Identity(_PERSON, name)
    everything = await open_gate(context, Request(SERVER, _PERSON), "read")
    found = (await context.reader.read_latest((identity,), everything)).get(identity)
    if found is None:
        return requester
    person = parse_json_object(found.content) if found.content is not None else None
    now, reading = context.now(), context.reading
    is_one = requester.kind is Kind.REPRESENTATIVE and may_represent(person, requester.patient_id, now, reading)
    return requester if is_one else replace(requester, kind=Kind.HELPER, has_ended=has_ended(person, now, reading))
