"""AuditEvent.agent: the client, the server, the person, the person's organisation.

https://hl7.org/fhir/R4/auditevent-definitions.html#AuditEvent.agent. BALP knows the organisation as an agent of its
own, because R4 has no element for whom a person acts for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.audit.access import Recorder
from fhir_dmp.audit.code import (
    ACT_REASON,
    FINESS,
    IP_ADDRESS,
    MATRIX_PREFIX,
    PROFESSION,
    PROVIDER,
    RPPS,
    SPECIALTY,
    TOKEN_PREFIX,
    URI_ADDRESS,
    coding,
    concept,
)
from fhir_dmp.json_text import JsonObject

_SYSTEMS = frozenset({Kind.SYSTEM, Kind.HOSPITAL, Kind.HEALTH_INSURANCE})
_TYPES = {
    Kind.PRACTITIONER: "Practitioner",
    Kind.PATIENT: "Patient",
    Kind.REPRESENTATIVE: "RelatedPerson",
    Kind.HELPER: "RelatedPerson",
}


@dataclass(frozen=True, slots=True, eq=False)
class Roles:
    """What the client, this server and the person are in an event (AuditEvent.agent.type); equal to itself only."""

    client: JsonObject
    server: JsonObject
    person: JsonObject


@lru_cache(maxsize=4096)
def build_agents(
    requester: Requester, address: str, matrix: str, roles: Roles, recorder: Recorder
) -> tuple[JsonObject, ...]:
    """Builds all agents; `address` and `matrix` are those of Access. They recur, so nobody may change what he gets."""
    return (
        _build_client(requester, address, matrix, roles.client),
        _build_server(recorder, roles.server),
        *_build_people(requester, matrix, roles.person),
    )


def _build_client(requester: Requester, address: str, matrix: str, role: JsonObject) -> JsonObject:
    """Builds the agent of the program that asked; it is the requestor where it acts for itself."""
    agent = {
        "type": role,
        "who": {"identifier": {"value": requester.client or requester.name}},
        "requestor": requester.kind in _SYSTEMS,
    }
    if address:
        agent["network"] = {"address": address, "type": IP_ADDRESS}
    if requester.kind in _SYSTEMS:
        agent |= _build_authority(requester, matrix)
    return agent


def _build_server(recorder: Recorder, role: JsonObject) -> JsonObject:
    """Builds the agent of this server."""
    who = {"display": recorder.base_url}
    return {
        "type": role,
        "who": who,
        "requestor": False,
        "network": {"address": recorder.base_url, "type": URI_ADDRESS},
    }


def _build_people(requester: Requester, matrix: str, role: JsonObject) -> Iterator[JsonObject]:
    """Yields the person who asked and his organisation, where there are such."""
    if requester.kind not in _SYSTEMS:
        yield _build_person(requester, matrix, role)
    if requester.organization:
        who = {"type": "Organization", "identifier": {"system": FINESS, "value": requester.organization}}
        yield {"type": PROVIDER, "who": who, "requestor": False}


def _build_person(requester: Requester, matrix: str, role: JsonObject) -> JsonObject:
    """Builds the person. No reference to a Patient: the event would count as one about the patient who asked."""
    who: JsonObject = {"identifier": _identify(requester)}
    if requester.reference:
        who = {"reference": requester.reference, **who}
    if requester.kind in _TYPES:
        who = {"type": _TYPES[requester.kind], **who}
    if requester.display:
        who["display"] = requester.display
    agent: JsonObject = {"type": role}
    roles = [
        concept(system, code)
        for system, code in ((PROFESSION, requester.profession), (SPECIALTY, requester.specialty))
        if code
    ]
    if roles:
        agent["role"] = roles
    return {
        **agent,
        "who": who,
        "name": requester.display or requester.name,
        "requestor": True,
        **_build_authority(requester, matrix),
    }


def _identify(requester: Requester) -> JsonObject:
    return {"system": RPPS, "value": requester.rpps} if requester.rpps else {"value": requester.name}


def _build_authority(requester: Requester, matrix: str) -> JsonObject:
    """Builds what he relied on: the token, the version of the habilitation matrix, and the purposes of the token."""
    authority: JsonObject = {}
    policies = [TOKEN_PREFIX + requester.token_id] if requester.token_id else []
    policies += [MATRIX_PREFIX + quote(matrix, safe="")] if matrix else []
    if policies:
        authority["policy"] = policies
    if requester.purposes:
        authority["purposeOfUse"] = [{"coding": [coding(ACT_REASON, code)]} for code in sorted(requester.purposes)]
    return authority
