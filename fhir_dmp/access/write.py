"""Who may create, change or delete what. Nobody widens his own access by writing.

Professionals and hospitals feed (CSP L1111-15: blocked or without consent, unless the patient opposed it), the
assurance maladie feeds reimbursements, and only the author amends. The patient deposits, masks (R1111-49) and manages
his Consents. Directories are an administrator's.
"""

from __future__ import annotations

from fhir_dmp.access.change import Change, Item
from fhir_dmp.access.consent import Reading, read_consent
from fhir_dmp.access.contact import is_contact
from fhir_dmp.access.decide import find_ways
from fhir_dmp.access.directive import Directive, blocks
from fhir_dmp.access.inquiry import CONFORMANCE, DIRECTORY, SUBSCRIPTION, Inquiry
from fhir_dmp.access.matrix import Matrix
from fhir_dmp.access.path import Verdict, judge
from fhir_dmp.access.provision import Situation, compile_directive
from fhir_dmp.access.reason import Reason, Rule
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.reimbursement import CONTENT, is_insurers, is_reimbursement
from fhir_dmp.access.requester import Kind
from fhir_dmp.access.subscribing import decide_subscription
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject
from fhir_dmp.search.links import relative_to
from fhir_dmp.search.match import matches
from fhir_dmp.search.security import SEVERAL_PATIENTS
from fhir_dmp.search.sensitivity import HIDDEN_FROM_PATIENT, HIDDEN_FROM_REPRESENTATIVES, MASKED, VISIBILITY

ADMINISTERED = frozenset({*DIRECTORY, *CONFORMANCE, "Patient", "RelatedPerson", "Group"})
"""What an administrator writes: directories, definitions, identities and who represents whom."""
NEVER_FED = frozenset({*DIRECTORY, *CONFORMANCE, "Patient", "RelatedPerson", "Group", "Person", "CareTeam", "Consent",
                       "AuditEvent", "ExplanationOfBenefit"}) - {"Medication"}  # fmt: skip
"""What decides access, says who is who, or is the insurance's to say: no professional writes it."""
FED_WITHOUT_PATIENT = frozenset({"Binary", "Medication"})
DEPOSITED = frozenset({
    "DocumentReference", "Binary", "Observation", "AllergyIntolerance", "MedicationStatement", "Condition",
    "Immunization", "FamilyMemberHistory", "QuestionnaireResponse", "List", "CareTeam", "Provenance",
})  # fmt: skip
"""What a patient or his representative writes, beside Consents and contacts."""

_PROFESSIONAL = frozenset({Kind.PRACTITIONER, Kind.HOSPITAL})
_FEEDING = _PROFESSIONAL | {Kind.HEALTH_INSURANCE}
_CONTRADICTION = {f"{VISIBILITY}|{MASKED}", f"{VISIBILITY}|{HIDDEN_FROM_PATIENT}"}


def decide_write(
    inquiry: Inquiry, state: RecordState | None, matrix: Matrix, change: Change, reading: Reading
) -> Verdict:
    """Returns whether a requester may make a change. `state` is of the record that the resource is in, if it is in one.

    Of a Consent, its `attending` has to be all texts that the médecin traitant is known by: a block names any of them.
    A verdict that `is_hidden` is to be answered as if nothing were there. Whether a Consent can be interpreted is asked
    apart (check_consent).
    """
    kind = inquiry.requester.kind
    item = change.new or change.previous
    if item is None or kind in {Kind.EXCLUDED, Kind.AUDITOR, Kind.HELPER}:
        return _refuse(Rule.EXCLUDED if kind is Kind.EXCLUDED else Rule.NOT_FOR_THIS_KIND)
    if not all(matches(inquiry.scope, part.facts) for part in (change.new, change.previous) if part):
        return _refuse(Rule.SCOPE)
    if kind is Kind.SYSTEM:
        return _allow(Rule.SYSTEM)
    if item.facts.resource_type == SUBSCRIPTION:
        return decide_subscription(inquiry, change)
    if kind is Kind.ADMINISTRATOR:
        is_his = item.facts.resource_type in ADMINISTERED
        return _allow(Rule.DIRECTORY) if is_his else _refuse(Rule.NOT_FOR_THIS_KIND)
    return _decide_content(inquiry, state, matrix, change, reading)


def _decide_content(
    inquiry: Inquiry, state: RecordState | None, matrix: Matrix, change: Change, reading: Reading
) -> Verdict:
    refused = _refuse_record(inquiry, state, matrix, change) or _refuse_integrity(change)
    if refused:
        return refused
    if inquiry.requester.kind in _PROFESSIONAL:
        return _feed(inquiry, state, change)
    if inquiry.requester.kind is Kind.HEALTH_INSURANCE:
        return _reimburse(inquiry, state, change, reading)
    item = change.new or change.previous
    if state and item and item.facts.resource_type == "Consent":
        return _manage_consent(inquiry, state, change, reading)
    if state and item and item.facts.resource_type == "RelatedPerson":
        return _manage_contact(inquiry, change)
    return _deposit(inquiry, change)


def _refuse_record(inquiry: Inquiry, state: RecordState | None, matrix: Matrix, change: Change) -> Verdict | None:
    """The record has to be open, the requester's to write in, and what he changes visible to him."""
    requester, previous = inquiry.requester, change.previous
    if state is None:
        return _refuse_outside(inquiry, change)
    item = previous or change.new
    if item and item.facts.patient != state.patient_id:
        return _refuse(Rule.OTHER_RECORD, is_hidden=previous is not None)
    if previous and not judge(find_ways(inquiry, state, matrix), previous.facts).permitted:
        return _refuse(Rule.NOT_AUTHOR, is_hidden=True)
    if requester.kind not in _FEEDING and requester.patient_id != state.patient_id:
        return _refuse(Rule.OTHER_RECORD)
    if not state.is_open(inquiry.now):
        return _refuse(Rule.CLOSED)
    is_unentitled = requester.kind is Kind.REPRESENTATIVE and not state.is_represented(inquiry.now)
    return _refuse(Rule.NOT_REPRESENTED) if is_unentitled else None


def _refuse_outside(inquiry: Inquiry, change: Change) -> Verdict | None:
    """What is in no record may be its author's; what is in a record that is not here is nobody's to write."""
    if change.new and change.new.facts.patient:
        return _refuse(Rule.OTHER_RECORD, is_hidden=change.previous is not None)
    is_others = change.previous is not None and not change.previous.is_by(inquiry.closure.own)
    return _refuse(Rule.NOT_AUTHOR, is_hidden=True) if is_others else None


def _refuse_integrity(change: Change) -> Verdict | None:
    """What no author may do to his own resource either."""
    new, previous = change.new, change.previous
    if new is None:
        return None
    if SEVERAL_PATIENTS in new.marks("flag"):
        return _refuse(Rule.SEVERAL_PATIENTS)
    if new.marks("label") >= _CONTRADICTION:
        return _refuse(Rule.LABELS_CONTRADICT)
    return _refuse_alteration(new, previous, change) if previous else None


def _refuse_alteration(new: Item, previous: Item, change: Change) -> Verdict | None:
    if new.facts.patient != previous.facts.patient:
        return _refuse(Rule.SUBJECT_CHANGED)
    if new.marks("author") != previous.marks("author"):
        return _refuse(Rule.AUTHOR_CHANGED)
    return _refuse(Rule.DEPOSIT_DATE_CHANGED) if change.prolongs_withholding else None


def _feed(inquiry: Inquiry, state: RecordState | None, change: Change) -> Verdict:
    """A professional or a hospital's system: creates in any open record, amends and deletes its own."""
    item = change.new or change.previous
    if item is None or item.facts.resource_type in NEVER_FED:
        return _refuse(Rule.NOT_FOR_THIS_KIND)
    if state is None and item.facts.resource_type not in FED_WITHOUT_PATIENT:
        return _refuse(Rule.OTHER_RECORD)
    if change.previous:
        return _amend(change, inquiry.closure.own)
    opposed = _opposition(inquiry, state, item) if state else None
    if opposed:
        return Verdict(permitted=False, reason=opposed)
    # an establishment answers for whom it names; a professional names himself
    is_own = inquiry.requester.kind is Kind.HOSPITAL or not item.marks("author") or item.is_by(_signing(inquiry))
    return _allow(Rule.FEEDING) if is_own else _refuse(Rule.AUTHOR_NOT_SELF)


def _reimburse(inquiry: Inquiry, state: RecordState | None, change: Change, reading: Reading) -> Verdict:
    """The assurance maladie: what it reimbursed itself, in any open record, and nothing else."""
    own = inquiry.closure.own
    for part in (change.new, change.previous):
        if part and part.facts.resource_type != CONTENT and not is_reimbursement(part.facts):
            return _refuse(Rule.NOT_FOR_THIS_KIND)
    if change.new and not is_insurers(change.new, own, reading):
        return _refuse(Rule.AUTHOR_NOT_SELF)
    if change.previous:
        return _amend(change, own)
    if state is None:
        is_content = change.new is not None and change.new.facts.resource_type == CONTENT
        return _allow(Rule.FEEDING) if is_content else _refuse(Rule.OTHER_RECORD)
    opposed = _opposition(inquiry, state, change.new) if change.new else None
    return Verdict(permitted=False, reason=opposed) if opposed else _allow(Rule.FEEDING)


def _amend(change: Change, own: frozenset[str]) -> Verdict:
    """The author may say more about who sees it, never undo what the patient masked or make it less confidential."""
    if change.previous is None or not change.previous.is_by(own):
        return _refuse(Rule.NOT_AUTHOR)
    if change.new is None:
        return _allow(Rule.AUTHOR)
    kept = {MASKED, HIDDEN_FROM_REPRESENTATIVES}
    if change.removed_labels & kept or change.new.rank < change.previous.rank:
        return _refuse(Rule.LABELS_CHANGED)
    return _allow(Rule.AUTHOR)


def _opposition(inquiry: Inquiry, state: RecordState, item: Item) -> Reason | None:
    """A Consent against feeding names the action collect; one that cannot be read might."""
    if state.uninterpretable:
        return Reason(Rule.NOT_INTERPRETABLE, state.uninterpretable[0])
    for directive in state.directives:
        if directive.root is None or "collect" not in (directive.root.actions or ()):
            continue
        for purpose in sorted(inquiry.requester.purposes) or [""]:
            situation = Situation(inquiry.closure.party, purpose, "collect", inquiry.now, state.references)
            if matches(compile_directive(directive, situation).deny, item.facts):
                return Reason(Rule.FEEDING_OPPOSED, directive.consent)
    return None


def _deposit(inquiry: Inquiry, change: Change) -> Verdict:
    """The patient or his representative: deposits, amends his own, and masks what others wrote."""
    own = _signing(inquiry)
    item = change.new or change.previous
    # also what he said himself and a professional wrote down, as an allergy
    if change.is_only_labels and change.relabelled:
        return _allow(Rule.MASKING) if change.relabelled <= _maskable(inquiry) else _refuse(Rule.LABELS_CHANGED)
    # who is in the patient's circle has no author: nobody but he, or who represents him, says it
    is_circle = item is not None and item.facts.resource_type == "CareTeam"
    if change.previous is None or change.previous.is_by(own) or is_circle:
        if item is None or item.facts.resource_type not in DEPOSITED:
            return _refuse(Rule.NOT_FOR_THIS_KIND)
        if item.marks("author") - own:
            return _refuse(Rule.AUTHOR_NOT_SELF)
        return _allow(Rule.DEPOSIT) if change.relabelled <= _maskable(inquiry) else _refuse(Rule.LABELS_CHANGED)
    return _refuse(Rule.NOT_AUTHOR)


def _manage_contact(inquiry: Inquiry, change: Change) -> Verdict:
    """Whom to call is said by the patient; who represents him never, neither before nor after."""
    if not all(is_contact(part.resource) for part in (change.new, change.previous) if part):
        return _refuse(Rule.NOT_FOR_THIS_KIND)
    return _allow(Rule.DEPOSIT) if change.relabelled <= _maskable(inquiry) else _refuse(Rule.LABELS_CHANGED)


def _manage_consent(inquiry: Inquiry, state: RecordState, change: Change, reading: Reading) -> Verdict:
    """Consents are given and withdrawn in the patient's name; none shuts the médecin traitant out."""
    if change.new is None:
        return _allow(Rule.CONSENT_MANAGEMENT)
    consent = change.new.resource
    performers = {relative_to(reading.base_url, text) for text in _performers(consent)}
    if not performers or performers - _signing(inquiry):
        return _refuse(Rule.AUTHOR_NOT_SELF)
    directive = read_consent(consent, reading)
    if directive and consent.get("status") == "active" and _will_block(directive, state.attending, inquiry.now):
        return _refuse(Rule.ATTENDING_NOT_BLOCKABLE)
    return _allow(Rule.CONSENT_MANAGEMENT)


def _will_block(directive: Directive, persons: frozenset[str], now: Milliseconds) -> bool:
    """Tells whether a Consent shuts one of these persons out, now or from some later time on."""
    period = directive.root.period if directive.root else None
    return blocks(directive, persons, max(now, period[0]) if period else now)


def _performers(consent: JsonObject) -> list[str]:
    rows = [row for row in consent.get("performer", []) if isinstance(row, dict)]
    return [str(row.get("reference", "")) for row in rows]


def _maskable(inquiry: Inquiry) -> frozenset[str]:
    """The labels that are for this requester to set and lift."""
    of_minor = {HIDDEN_FROM_REPRESENTATIVES} if inquiry.requester.kind is Kind.PATIENT else set()
    return frozenset({MASKED} | of_minor)


def _signing(inquiry: Inquiry) -> frozenset[str]:
    """The texts in whose name a requester may write."""
    requester, closure = inquiry.requester, inquiry.closure
    if requester.kind in _PROFESSIONAL:
        return closure.own | closure.organizations
    return closure.own | {f"Patient/{requester.patient_id}"}


def _allow(rule: Rule) -> Verdict:
    return Verdict(permitted=True, reason=Reason(rule))


def _refuse(rule: Rule, *, is_hidden: bool = False) -> Verdict:
    return Verdict(permitted=False, reason=Reason(rule), is_hidden=is_hidden)
