"""The decision: requester, records, matrix, time → Permit(Restriction) or Deny. Default deny; nothing else decides.

    kind at all?  →  scope  →  of reimbursements: within 24 months?
                  →  for each record: open?  →  Consents readable?  →  the ways of this kind of requester
    a professional:  blocked?  →  author  →  médecin traitant, administrator  →  mode: Consents or emergency
                     →  habilitation matrix  →  masking  →  confidentiality

docs/reference/access.md tells the rules in words; the articles of the Code de la santé publique stand beside each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fhir_dmp.access.clauses import NOTHING, authored_by, conjuncts, every, no, some
from fhir_dmp.access.inquiry import PUBLIC, Inquiry
from fhir_dmp.access.matrix import Matrix
from fhir_dmp.access.path import Grant, Path, Verdict, Ways, judge, judge_record
from fhir_dmp.access.person import ways_of_helper, ways_of_patient, ways_of_representative
from fhir_dmp.access.professional import ways_of_professional
from fhir_dmp.access.reason import Reason, Rule
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.reimbursement import REIMBURSEMENTS, past_window
from fhir_dmp.access.requester import Kind
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.access.subscribing import own_subscriptions
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.match import matches
from fhir_dmp.search.query import AboutPatient, Clause, OfType

MAX_RECORDS = 1000
"""How many records one search ranges over."""

_OWN_RECORD = frozenset({Kind.PATIENT, Kind.REPRESENTATIVE, Kind.HELPER})
_BY_CONSENT = frozenset({Kind.PRACTITIONER, Kind.HELPER})
_ACROSS = {
    Kind.AUDITOR: Rule.AUDITOR,
    Kind.HOSPITAL: Rule.WRITTEN_BY_ITSELF,
    Kind.HEALTH_INSURANCE: Rule.WRITTEN_BY_ITSELF,
}


@dataclass(frozen=True, slots=True)
class Permit:
    """What the requester sees, and per record why: ids of patients, and what holds for the record as a whole."""

    restriction: Restriction
    verdicts: tuple[tuple[str, Verdict], ...] = ()

    @property
    def open_records(self) -> tuple[str, ...]:
        """The patients in whose record there may be something to see."""
        return tuple(patient for patient, verdict in self.verdicts if verdict.permitted)


@dataclass(frozen=True, slots=True)
class Deny:
    """Nothing at all, for one reason."""

    reason: Reason


def decide(inquiry: Inquiry, states: Sequence[RecordState], matrix: Matrix) -> Permit | Deny:
    """Returns what a requester may see of these records, and of what is in no record."""
    kind = inquiry.requester.kind
    if kind is Kind.EXCLUDED:
        return Deny(Reason(Rule.EXCLUDED))
    if len(states) > MAX_RECORDS:
        return Deny(Reason(Rule.TOO_MANY_RECORDS))
    if inquiry.scope == NOTHING:
        return Deny(Reason(Rule.SCOPE))
    if kind is Kind.SYSTEM:
        return Permit(Restriction(inquiry.scope))
    found = {state.patient_id: find_ways(inquiry, state, matrix) for state in states}
    parts = [_public(inquiry), own_subscriptions(inquiry), _across_records(inquiry), _within_records(found)]
    shown = every([some(parts), inquiry.scope, no(past_window(inquiry.now))])
    return Permit(Restriction(shown), tuple((patient, judge_record(ways)) for patient, ways in found.items()))


def find_ways(inquiry: Inquiry, state: RecordState, matrix: Matrix) -> Ways:
    """Returns the paths of a requester into one record, before his token's scope."""
    refusal = _refuse_record(inquiry, state)
    if refusal:
        return Ways(refusal=refusal)
    match inquiry.requester.kind:
        case Kind.PATIENT:
            return ways_of_patient(inquiry, state)
        case Kind.REPRESENTATIVE:
            return ways_of_representative(inquiry, state)
        case Kind.HELPER:
            return ways_of_helper(inquiry, state)
        case Kind.PRACTITIONER:
            return ways_of_professional(inquiry, state, matrix)
    return _ways_of_others(inquiry)


def _refuse_record(inquiry: Inquiry, state: RecordState) -> Reason | None:
    """Why a record is shut to a requester whatever is in it."""
    kind = inquiry.requester.kind
    if kind in _OWN_RECORD and inquiry.requester.patient_id != state.patient_id:
        return Reason(Rule.OTHER_RECORD)
    # not by his name alone: without it he would be free of the denials that name him
    if inquiry.requester.has_ended:
        return Reason(Rule.RELATION_OVER)
    if kind is not Kind.PATIENT and not state.is_open(inquiry.now):
        return Reason(Rule.CLOSED)
    if kind in _BY_CONSENT and state.uninterpretable:
        return Reason(Rule.NOT_INTERPRETABLE, state.uninterpretable[0])
    return None


def decide_item(inquiry: Inquiry, state: RecordState, matrix: Matrix, facts: Facts) -> Verdict:
    """Returns the decision about one item of a record, with its reason.

    It permits exactly the items of which the clause of `decide` for this record is true.
    """
    decision = decide(inquiry, [state], matrix)
    if isinstance(decision, Deny):
        return Verdict(permitted=False, reason=decision.reason)
    if not matches(inquiry.scope, facts):
        return Verdict(permitted=False, reason=Reason(Rule.SCOPE))
    if inquiry.requester.kind is Kind.SYSTEM:
        return Verdict(permitted=True, reason=Reason(Rule.SYSTEM))
    return _decide_within_window(inquiry, state, matrix, facts)


def _decide_within_window(inquiry: Inquiry, state: RecordState, matrix: Matrix, facts: Facts) -> Verdict:
    if matches(past_window(inquiry.now), facts):
        return Verdict(permitted=False, reason=Reason(Rule.PAST_WINDOW))
    across = (_across_records(inquiry), _ACROSS.get(inquiry.requester.kind))
    for clause, rule in ((_public(inquiry), Rule.PUBLIC), (own_subscriptions(inquiry), Rule.SUBSCRIBER), across):
        if rule and matches(clause, facts):
            return Verdict(permitted=True, reason=Reason(rule))
    if facts.patient != state.patient_id:
        return Verdict(permitted=False, reason=Reason(Rule.OTHER_RECORD))
    return judge(find_ways(inquiry, state, matrix), facts)


def _public(inquiry: Inquiry) -> Clause:
    """What is in nobody's record; the assurance maladie reads nothing but what it fed."""
    return NOTHING if inquiry.requester.kind is Kind.HEALTH_INSURANCE else PUBLIC


def _across_records(inquiry: Inquiry) -> Clause:
    """What a requester sees whoever's it is: an auditor the traces, a system what it wrote itself."""
    match inquiry.requester.kind:
        case Kind.AUDITOR:
            return OfType(("AuditEvent",))
        case Kind.HOSPITAL:
            return authored_by(inquiry.closure.own)
        case Kind.HEALTH_INSURANCE:
            return every([authored_by(inquiry.closure.own), REIMBURSEMENTS])
    return NOTHING


def _ways_of_others(inquiry: Inquiry) -> Ways:
    """A system that feeds, an administrator, an auditor: nothing of a record because it is this record."""
    rule = _ACROSS.get(inquiry.requester.kind)
    if rule:
        grants = (Grant(_across_records(inquiry), Reason(rule)),)
        return Ways((Path(Reason(Rule.NOT_FOR_THIS_KIND), grants, is_partial=True),))
    return Ways(refusal=Reason(Rule.NOT_FOR_THIS_KIND))


def _within_records(found: Mapping[str, Ways]) -> Clause:
    """The records with what is shown of each, one path at a time: what holds in all of them is asked for once."""
    along: dict[Reason, list[tuple[str, Clause]]] = {}
    for patient, ways in found.items():
        for path in ways.paths:
            if path.clause != NOTHING:
                along.setdefault(path.otherwise, []).append((patient, path.clause))
    everyone = tuple(dict.fromkeys(patient for rows in along.values() for patient, _ in rows))
    # all patients together, on top: what an index of the store can be asked for
    return every([AboutPatient(everyone), some(_merge(rows, everyone) for rows in along.values())])


def _merge(rows: Sequence[tuple[str, Clause]], everyone: tuple[str, ...]) -> Clause:
    """What is shown along one path; records of which the same is shown are asked for together."""
    parts = [conjuncts(clause) for _, clause in rows]
    common = [part for part in parts[0] if all(part in others for others in parts[1:])]
    groups: dict[Clause, list[str]] = {}
    for (patient, _), own in zip(rows, parts, strict=True):
        groups.setdefault(every(part for part in own if part not in common), []).append(patient)
    return every([some(_records(tuple(who), rest, everyone) for rest, who in groups.items()), *common])


def _records(patients: tuple[str, ...], rest: Clause, everyone: tuple[str, ...]) -> Clause:
    return rest if patients == everyone else every([AboutPatient(patients), rest])
