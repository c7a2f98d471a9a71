"""The paths of a professional into one record: author, médecin traitant, administrator, then one per purpose of use.

CSP L1111-16 (médecin traitant), L1111-17 (consent, emergency, SAMU regulation), R1111-46 (matrix), R1111-49 (masking).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from fhir_dmp.access.clauses import EVERYTHING, NOTHING, authored_by, every, no, some
from fhir_dmp.access.directive import Directive, blocks
from fhir_dmp.access.inquiry import Inquiry
from fhir_dmp.access.matrix import Matrix
from fhir_dmp.access.path import Condition, Grant, Path, Ways
from fhir_dmp.access.provision import Opinion, Situation, compile_directive, permit_naming
from fhir_dmp.access.reason import Reason, Rule
from fhir_dmp.access.record import RecordState
from fhir_dmp.search.query import Clause, ConfidentialUpTo, Marked, OfType
from fhir_dmp.search.security import SEVERAL_PATIENTS
from fhir_dmp.search.sensitivity import CONFIDENTIALITY, HIGHEST, MASKED, MASKED_THIRD, RANKS, RESTRICTED, VISIBILITY

EMERGENCY_MILLISECONDS = 4 * 3_600_000
"""How long emergency access lasts after its token was issued."""
AHEAD_MILLISECONDS = 10_000
"""How far ahead the clock of who issued it may be, as for all tokens: in an emergency nobody waits for it."""
BREAK_GLASS, REGULATION = "BTG", "ETREAT"
"""The purposes of use (v3-ActReason) of the two emergency modes; every other one is the normal mode."""

Mode = Literal["normal", "break-glass", "regulation"]

_MASKS = Marked("label", (f"{VISIBILITY}|{MASKED}", f"{VISIBILITY}|{MASKED_THIRD}"))
_NOTICES, _TRACES = OfType(("Communication",)), OfType(("AuditEvent",))
_PRIVATE = OfType(("Consent", "AuditEvent", "Communication"))
_GRANTED = {"break-glass": Rule.BREAK_GLASS, "regulation": Rule.REGULATION}


def ways_of_professional(inquiry: Inquiry, state: RecordState, matrix: Matrix) -> Ways:
    """Returns the paths of a professional into a record whose Consents can all be interpreted."""
    own, acting, now = inquiry.closure.own, inquiry.closure.acting, inquiry.now
    block = next((directive for directive in state.directives if blocks(directive, own, now)), None)
    if block:
        return Ways(refusal=Reason(Rule.BLOCKED, block.consent))
    always = (Condition(no(_PRIVATE), Reason(Rule.NOT_FOR_PROFESSIONALS)), one_patient())
    authored = Grant(authored_by(own), Reason(Rule.AUTHOR))
    paths = [Path(Reason(Rule.NOT_AUTHOR), (authored,), always, is_partial=True)]
    if not state.attending.isdisjoint(acting):
        paths.append(_path_to_notices(own))
    for holders, rule in ((state.attending, Rule.ATTENDING), (state.administrators, Rule.ADMINISTRATOR)):
        if not holders.isdisjoint(acting):
            paths.append(_path_to_traces(rule))
            paths.append(Path(Reason(rule), (Grant(EVERYTHING, Reason(rule)),), always))
    purposes = sorted(inquiry.requester.purposes)
    by_purpose = [_path(inquiry, state, matrix, purpose, always) for purpose in purposes]
    return Ways((*paths, *(by_purpose or [Path(Reason(Rule.NO_PURPOSE))])))


def one_patient() -> Condition:
    """The condition that an item does not also show another patient."""
    return Condition(no(Marked("flag", (SEVERAL_PATIENTS,))), Reason(Rule.SEVERAL_PATIENTS))


def _path_to_notices(own: frozenset[str]) -> Path:
    """The médecin traitant is told of emergency accesses (R1111-48), each by a notice of his own."""
    to_him = Grant(every([_NOTICES, Marked("recipient", tuple(sorted(own)))]), Reason(Rule.NOTIFIED))
    return Path(Reason(Rule.NOT_FOR_PROFESSIONALS), (to_him,), (one_patient(),), is_partial=True)


def _path_to_traces(rule: Rule) -> Path:
    """That he sees who opened the record is what the rules of the DMP for software give him beside the patient.

    An administrator has a médecin traitant's rights; notices are for whom they are addressed to.
    """
    traces = Grant(_TRACES, Reason(rule))
    return Path(Reason(Rule.NOT_FOR_PROFESSIONALS), (traces,), (one_patient(),), is_partial=True)


def mode_of(purpose: str) -> Mode:
    """Returns the mode of access that a purpose of use asks for."""
    return "break-glass" if purpose == BREAK_GLASS else "regulation" if purpose == REGULATION else "normal"


def _path(inquiry: Inquiry, state: RecordState, matrix: Matrix, purpose: str, always: tuple[Condition, ...]) -> Path:
    mode = mode_of(purpose)
    barrier = None if mode == "normal" else _emergency_barrier(inquiry, mode)
    if barrier:
        return Path(Reason(barrier, purpose=purpose))
    closure = inquiry.closure
    situation = Situation(closure.party, purpose, "access", inquiry.now, state.references, closure.over)
    opinions = {directive: compile_directive(directive, situation) for directive in state.directives}
    after = (
        Condition(matrix.clause(inquiry.requester.profession), Reason(Rule.MATRIX, purpose=purpose)),
        Condition(_unmasked(state, situation, mode), Reason(Rule.MASKED, purpose=purpose)),
        Condition(_not_too_confidential(state, situation, mode), Reason(Rule.CONFIDENTIAL, purpose=purpose)),
    )
    return Path(
        otherwise=Reason(Rule.NO_CONSENT, purpose=purpose),
        grants=tuple(_grants(opinions, mode, purpose)),
        before=(*always, *consent_denials(opinions, purpose, is_emergency=mode != "normal")),
        after=after,
    )


def _emergency_barrier(inquiry: Inquiry, mode: Mode) -> Rule | None:
    """Why an emergency mode is not available at all, whoever the patient is."""
    requester = inquiry.requester
    if mode == "regulation" and not requester.is_regulator:
        return Rule.NOT_REGULATOR
    if mode == "break-glass" and not requester.reason.strip():
        return Rule.NO_REASON
    if not -AHEAD_MILLISECONDS <= inquiry.now - requester.issued_at < EMERGENCY_MILLISECONDS:
        return Rule.EMERGENCY_OVER
    return Rule.ONE_RECORD_IN_EMERGENCY if inquiry.records > 1 else None


def _grants(opinions: dict[Directive, Opinion], mode: Mode, purpose: str) -> Iterator[Grant]:
    """In the normal mode Consents give access, in an emergency the law does."""
    if mode != "normal":
        yield Grant(EVERYTHING, Reason(_GRANTED[mode], purpose=purpose))
        return
    yield from consent_grants(opinions, purpose)


def consent_grants(opinions: dict[Directive, Opinion], purpose: str) -> Iterator[Grant]:
    """What each Consent permits."""
    for directive, opinion in opinions.items():
        if opinion.permit != NOTHING:
            yield Grant(opinion.permit, Reason(Rule.CONSENT, directive.consent, purpose))


def consent_denials(opinions: dict[Directive, Opinion], purpose: str, *, is_emergency: bool) -> Iterator[Condition]:
    """What no Consent may deny: a denial stands against every permit."""
    for directive, opinion in opinions.items():
        if opinion.deny != NOTHING:
            is_opposition = is_emergency and opinion.deny == EVERYTHING
            rule = Rule.EMERGENCY_OPPOSED if is_opposition else Rule.CONSENT_DENIES
            yield Condition(no(opinion.deny), Reason(rule, directive.consent, purpose))


def _unmasked(state: RecordState, situation: Situation, mode: Mode) -> Clause:
    """Masked documents are shown in an emergency to which the patient opened them beforehand; else they are not."""
    opened = () if mode == "normal" else _opened(state, situation, (VISIBILITY, MASKED))
    return some([no(_MASKS), *opened])


def _not_too_confidential(state: RecordState, situation: Situation, mode: Mode) -> Clause:
    """What is very restricted (V) takes a Consent that says so; an emergency does not."""
    if mode != "normal":
        return ConfidentialUpTo(HIGHEST)
    opened = _opened(state, situation, (CONFIDENTIALITY, RANKS[HIGHEST]))
    return every([ConfidentialUpTo(HIGHEST), some([ConfidentialUpTo(RESTRICTED), *opened])])


def _opened(state: RecordState, situation: Situation, label: tuple[str, str]) -> list[Clause]:
    return [permit_naming(directive, label, situation) for directive in state.directives]
