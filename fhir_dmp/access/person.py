"""The paths of the patient, his legal representative and his helper into his record.

CSP L1111-19 (the holder), R1111-50 (what a minor hides from his representatives), R1111-53 (what waits for an
announcement, for a month at most).
"""

from __future__ import annotations

from fhir_dmp.access.clauses import EVERYTHING, no
from fhir_dmp.access.inquiry import Inquiry
from fhir_dmp.access.path import Condition, Grant, Path, Ways
from fhir_dmp.access.professional import consent_denials, consent_grants, one_patient
from fhir_dmp.access.provision import Situation, compile_directive
from fhir_dmp.access.reason import Reason, Rule
from fhir_dmp.access.record import RecordState
from fhir_dmp.search.query import ConfidentialUpTo, Marked, OfType, Withheld
from fhir_dmp.search.sensitivity import HIDDEN_FROM_REPRESENTATIVES, HIGHEST, MASKED, NORMAL, VISIBILITY

CLOSED_RECORD_TYPES = ("Patient", "Consent", "AuditEvent", "Communication")
"""What the patient still reads of a closed record: that it is, what he decided, who looked, what he was told of it."""
HELPING = "PATRQT"
"""The purpose of use of a helper who names none: at the patient's request (v3-ActReason)."""

_HIDDEN = Marked("label", (f"{VISIBILITY}|{HIDDEN_FROM_REPRESENTATIVES}",))
_MASKED = Marked("label", (f"{VISIBILITY}|{MASKED}",))


def ways_of_patient(inquiry: Inquiry, state: RecordState) -> Ways:
    """Returns the path of the patient into his own record, open or closed."""
    is_open = state.is_open(inquiry.now)
    still = Condition(EVERYTHING if is_open else OfType(CLOSED_RECORD_TYPES), Reason(Rule.CLOSED))
    return Ways((Path(Reason(Rule.SELF), (Grant(EVERYTHING, Reason(Rule.SELF)),), (still, *_always(inquiry))),))


def ways_of_representative(inquiry: Inquiry, state: RecordState) -> Ways:
    """Returns the path of a legal representative: the patient's own, without what the patient hides from him."""
    if not state.is_represented(inquiry.now):
        return Ways(refusal=Reason(Rule.NOT_REPRESENTED))
    granted = (Grant(EVERYTHING, Reason(Rule.REPRESENTATIVE)),)
    before = (*_always(inquiry), _not_hidden())
    return Ways((Path(Reason(Rule.REPRESENTATIVE), granted, before),))


def ways_of_helper(inquiry: Inquiry, state: RecordState) -> Ways:
    """Returns the paths of a helper: what Consents permit him, of what is neither hidden nor more than normal."""
    purposes = sorted(inquiry.requester.purposes) or [HELPING]
    return Ways(tuple(_path_of_helper(inquiry, state, purpose) for purpose in purposes))


def _path_of_helper(inquiry: Inquiry, state: RecordState, purpose: str) -> Path:
    situation = Situation(inquiry.closure.party, purpose, "access", inquiry.now, state.references)
    opinions = {directive: compile_directive(directive, situation) for directive in state.directives}
    private = Condition(no(OfType(("Consent", "AuditEvent", "Communication"))), Reason(Rule.NOT_FOR_THIS_KIND))
    return Path(
        otherwise=Reason(Rule.NO_CONSENT, purpose=purpose),
        grants=tuple(consent_grants(opinions, purpose)),
        before=(private, *_always(inquiry), *consent_denials(opinions, purpose, is_emergency=False)),
        after=(
            _not_hidden(),
            Condition(no(_MASKED), Reason(Rule.MASKED, purpose=purpose)),
            Condition(ConfidentialUpTo(NORMAL), Reason(Rule.CONFIDENTIAL, purpose=purpose)),
        ),
    )


def _always(inquiry: Inquiry) -> tuple[Condition, ...]:
    """What nobody on the patient's side sees; where security facts are missing it cannot be told, so nothing."""
    return (
        one_patient(),
        Condition(ConfidentialUpTo(HIGHEST), Reason(Rule.CONFIDENTIAL)),
        Condition(no(Withheld(inquiry.now)), Reason(Rule.WITHHELD)),
    )


def _not_hidden() -> Condition:
    return Condition(no(_HIDDEN), Reason(Rule.HIDDEN_FROM_REPRESENTATIVES))
