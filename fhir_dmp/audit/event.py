"""Access → AuditEvents, in the shape of IHE BALP's PatientRead, PatientQuery, PatientCreate, -Update and -Delete.

https://profiles.ihe.net/ITI/BALP/content.html, https://hl7.org/fhir/R4/auditevent.html. A search leaves one event for
each patient it names or finds. Beyond BALP, the event of a search lists the versions that the answer gave away (ids,
page by page): EHDS art. 9 wants to know which data were accessed.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from fhir_dmp.access.reason import SYSTEM as ACCESS_RULE
from fhir_dmp.access.requester import Requester
from fhir_dmp.audit.access import EMERGENCIES, Access, Item, Label, Recorder, Refusal
from fhir_dmp.audit.agent import Roles, build_agents
from fhir_dmp.audit.code import (
    ACCESS_MODE,
    ACT_REASON,
    APPLICATION,
    AUTHOR,
    CONSENT,
    CUSTODIAN,
    DESTINATION,
    INTERACTION,
    OBJECT,
    OTHER,
    PERSON,
    PROFILE,
    RECIPIENT,
    REQUEST_ID,
    REST,
    ROLE_PATIENT,
    ROLE_QUERY,
    ROLE_RESOURCE,
    ROLE_SECURITY,
    SOURCE,
    WEB_SERVER,
    Mode,
    Outcome,
    coding,
)
from fhir_dmp.instant import write_instant
from fhir_dmp.json_text import JsonObject


class Shape(NamedTuple):
    """What BALP prescribes for a group of events."""

    action: Literal["C", "R", "U", "D", "E"]
    roles: Roles


_WRITING = Roles(SOURCE, DESTINATION, AUTHOR)
_READ = Shape("R", Roles(DESTINATION, SOURCE, RECIPIENT))
_QUERY = Shape("E", Roles(SOURCE, DESTINATION, RECIPIENT))
_SHAPES = {
    "read": _READ,
    "vread": _READ,
    "create": Shape("C", _WRITING),
    "update": Shape("U", _WRITING),
    "patch": Shape("U", _WRITING),
    "delete": Shape("D", Roles(APPLICATION, CUSTODIAN, AUTHOR)),
}
_PATIENT_REQUEST = "PATRQT"
RESULT = "result"
"""AuditEvent.entity.detail.type of a version that an answer gave away."""
MAX_QUERY = 4096
"""Characters of a query that are recorded: enough to know what was asked."""


def build_events(access: Access, recorder: Recorder) -> list[JsonObject]:
    """Builds the AuditEvents of an interaction, at least one, without id and version."""
    shape, subtype = _SHAPES.get(access.interaction, _QUERY), coding(INTERACTION, access.interaction)
    common = build_common(access, recorder, (REST, subtype), shape, access.refusal)
    entities = list(_build_request(access))
    return [_assemble(access, common, entities, part) for part in _divide(access)]


def build_common(
    access: Access, recorder: Recorder, kind: tuple[JsonObject, JsonObject], shape: Shape, refusal: Refusal | None
) -> JsonObject:
    """Builds what all events about an access have in common; `kind` is their type and subtype."""
    event: JsonObject = {
        "type": kind[0],
        "subtype": [kind[1]],
        "action": shape.action,
        "period": {"start": write_instant(access.began), "end": write_instant(access.now)},
        "recorded": write_instant(access.now),
        "outcome": (Outcome.REFUSED if refusal else Outcome.SUCCESS).value,
    }
    if refusal:
        event["outcomeDesc"] = refusal.text or refusal.rule
    if purpose := _build_purpose(access.requester, access.mode):
        event["purposeOfEvent"] = list(purpose)
    return {
        **event,
        "agent": list(build_agents(access.requester, access.address, access.matrix, shape.roles, recorder)),
        "source": _build_source(recorder),
    }


@lru_cache(maxsize=4096)
def _build_purpose(requester: Requester, mode: Mode) -> tuple[JsonObject, ...]:
    """Builds AuditEvent.purposeOfEvent: what for and in which mode the record was opened, and the reason if one given.

    Of a program that says no purpose it is empty, which is no emergency.
    """
    codes = sorted(requester.purposes) if mode is Mode.NORMAL else [EMERGENCIES[mode]]
    if not codes and requester.patient_id:
        codes = [_PATIENT_REQUEST]
    text = {"text": requester.reason} if requester.reason else {}
    return tuple({"coding": [coding(ACT_REASON, code), coding(ACCESS_MODE, mode.value)], **text} for code in codes)


@lru_cache(maxsize=16)
def _build_source(recorder: Recorder) -> JsonObject:
    """Builds AuditEvent.source: this server, which saw what it reports."""
    return {
        "site": recorder.site,
        "observer": {"type": "Device", "identifier": {"value": recorder.base_url}, "display": recorder.site},
        "type": [WEB_SERVER],
    }


def _build_request(access: Access) -> Iterator[JsonObject]:
    """Yields the entities that every event of the interaction has: the request, and the rule that refused it."""
    if access.request_id:
        yield {"what": {"identifier": {"value": access.request_id}}, "type": REQUEST_ID}
    if access.refusal:
        yield from build_reasons(access.refusal)


def build_reasons(refusal: Refusal) -> Iterator[JsonObject]:
    """Yields the entities of a decision: its rule, and the Consents that made it."""
    yield {"what": {"identifier": {"system": ACCESS_RULE, "value": refusal.rule}}, "type": OTHER, "role": ROLE_SECURITY}
    for consent in refusal.consents:
        yield {"what": {"reference": f"Consent/{consent}"}, "type": CONSENT}


def build_patient(patient: str) -> JsonObject:
    """Builds the entity of the patient whose record it is."""
    return {"what": {"reference": f"Patient/{patient}"}, "type": PERSON, "role": ROLE_PATIENT}


def _build_data(item: Item) -> JsonObject:
    return {"what": {"reference": item.reference}, "type": OBJECT, "role": ROLE_RESOURCE}


def build_query(access: Access, items: Sequence[Item] = ()) -> JsonObject:
    """Builds the entity of a search, history or operation, with what the answer gave away as its details.

    They are details, not entities: a page would be as many entities, each with several facts to find it by.
    """
    entity: JsonObject = {"type": OBJECT, "role": ROLE_QUERY}
    if access.cleaned:
        entity["description"] = access.cleaned[:MAX_QUERY]
    if access.query:
        entity["query"] = b64encode(access.query[:MAX_QUERY].encode("utf-8", "replace")).decode()
    if items:
        entity["detail"] = [{"type": RESULT, "valueString": item.reference} for item in items]
    return entity


Part = tuple[str, tuple[Label, ...], list[Item]]
"""A patient's id, or ""; labels; and the versions that are his and have these labels."""


def _divide(access: Access) -> Iterable[Part]:
    """Returns an event's worth each: by patient, and apart what labels hide from some of those who read the trace.

    A patient who was named has an event without labels in any case: that his record was opened hides nothing.
    """
    parts: dict[tuple[str, tuple[Label, ...]], list[Item]] = {(patient, ()): [] for patient in access.patients}
    for item in access.items:
        parts.setdefault((item.patient, item.labels), []).append(item)
    return [(patient, labels, rows) for (patient, labels), rows in parts.items()] or [("", (), [])]


def _assemble(access: Access, common: JsonObject, request: list[JsonObject], part: Part) -> JsonObject:
    patient, labels, items = part
    meta: JsonObject = {"profile": [PROFILE]}
    if labels:
        meta["security"] = [coding(*label) for label in labels]
    entities = [*request, build_patient(patient)] if patient else list(request)
    if access.interaction in _SHAPES:
        entities += [_build_data(item) for item in items]
    else:
        entities.append(build_query(access, items))
    event = {"resourceType": "AuditEvent", "meta": meta, **common}
    return {**event, "entity": entities} if entities else event


def items_of(event: JsonObject) -> list[str]:
    """Returns the references to what an event of ours gave away, wrote or refused: versions, where they are known."""
    found = []
    for row in event.get("entity", ()):
        if row.get("role") == ROLE_RESOURCE:
            found.append(row["what"]["reference"])
        elif row.get("role") == ROLE_QUERY:
            found += [detail["valueString"] for detail in row.get("detail", ()) if detail["type"] == RESULT]
    return found


def labels_of(event: JsonObject) -> list[JsonObject]:
    """Returns the labels that hide an event of ours from some of those who read the trace."""
    labels: list[JsonObject] = event["meta"].get("security", [])
    return labels


def patient_of(event: JsonObject) -> str:
    """Returns the id of the patient whose record an event of ours is about, or ""."""
    rows = [row["what"]["reference"] for row in event.get("entity", ()) if row.get("role") == ROLE_PATIENT]
    return rows[0].removeprefix("Patient/") if rows else ""
