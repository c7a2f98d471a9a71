"""An authorisation decision as an AuditEvent, in the shape of IHE BALP's AuthZconsent.

https://profiles.ihe.net/ITI/BALP/content.html
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_dmp.audit.access import Access, Recorder, Refusal
from fhir_dmp.audit.agent import Roles
from fhir_dmp.audit.code import (
    APPLICATION,
    AUTHORIZER,
    CONSENT,
    DECISION_BY_CONSENT,
    DECISION_BY_ROLE,
    PROFILE,
    RECIPIENT,
    SECURITY_ALERT,
    TOKEN,
    TOKEN_PREFIX,
)
from fhir_dmp.audit.event import Shape, build_common, build_patient, build_query, build_reasons
from fhir_dmp.json_text import JsonObject

_SHAPE = Shape("E", Roles(APPLICATION, AUTHORIZER, RECIPIENT))


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about one patient's record ("": about none); `consents` are the ids of those that it rests on."""

    patient: str
    consents: tuple[str, ...] = ()
    refusal: Refusal | None = None


def build_decision(access: Access, decision: Decision, recorder: Recorder) -> JsonObject:
    """Builds the AuditEvent of a decision, without id and version; `access` says who asked, when and how."""
    refusal = decision.refusal
    by_consent = bool(decision.consents or (refusal and refusal.consents))
    kind = SECURITY_ALERT, DECISION_BY_CONSENT if by_consent else DECISION_BY_ROLE
    return {
        "resourceType": "AuditEvent",
        "meta": {"profile": [PROFILE]},
        **build_common(access, recorder, kind, _SHAPE, refusal),
        "entity": _build_entities(access, decision),
    }


def _build_entities(access: Access, decision: Decision) -> list[JsonObject]:
    entities = [build_patient(decision.patient)] if decision.patient else []
    if access.query:
        entities.append(build_query(access))
    entities += [{"what": {"reference": f"Consent/{consent}"}, "type": CONSENT} for consent in decision.consents]
    if decision.refusal:
        entities += build_reasons(decision.refusal)
    if access.requester.token_id:
        identifier = {"value": TOKEN_PREFIX + access.requester.token_id}
        entities.append({"what": {"identifier": identifier}, "type": TOKEN})
    return entities
