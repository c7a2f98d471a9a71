"""Who decides what about an open record: its holder, its médecin traitant, or who gives care and heard the consent.

CSP L1111-16 (médecin traitant), L1111-17 II (a professional records the consent for himself and his structure),
R1111-49 and R1111-50 (who hides what from whom), R1111-53 (held back until announced).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from fhir_dmp.access.closure import Closure
from fhir_dmp.access.directive import blocks
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.instant import Milliseconds
from fhir_dmp.search.sensitivity import HIDDEN_FROM_PATIENT, HIDDEN_FROM_REPRESENTATIVES, MASKED


class Role(Enum):
    """As what someone decides about a record."""

    HOLDER = "holder"
    """The patient, or who represents him by law."""
    ATTENDING = "attending"
    """The médecin traitant, or an administrator: a professional with the same rights."""
    COLLECTING = "collecting"
    """Any other professional who is not blocked: he records what the patient told him."""
    FUND = "fund"
    """An agent of the health insurance fund, with whom a médecin traitant is declared."""


@dataclass(frozen=True, slots=True)
class Labelling:
    """An act on documents: its code (of dmp-act), the label of TRE_A07, and whether it sets or lifts it."""

    code: str
    label: str
    sets: bool


LABELLINGS = (
    Labelling("mask", MASKED, sets=True),
    Labelling("unmask", MASKED, sets=False),
    Labelling("hold-back", HIDDEN_FROM_PATIENT, sets=True),
    Labelling("announce", HIDDEN_FROM_PATIENT, sets=False),
    Labelling("hide-from-representatives", HIDDEN_FROM_REPRESENTATIVES, sets=True),
    Labelling("show-to-representatives", HIDDEN_FROM_REPRESENTATIVES, sets=False),
)


def role_in(requester: Requester, closure: Closure, state: RecordState, now: Milliseconds) -> Role | None:
    """Returns as what a requester decides about a record, None where he does not.

    To a professional a closed record is absent, and so is one whose patient blocked him or his structure.
    """
    match requester.kind:
        case Kind.SYSTEM:
            return Role.HOLDER
        case Kind.ADMINISTRATOR:
            return Role.FUND
        case Kind.PATIENT if requester.patient_id == state.patient_id:
            return Role.HOLDER
        case Kind.REPRESENTATIVE if requester.patient_id == state.patient_id:
            return Role.HOLDER if state.is_represented(now) else None
        case Kind.PRACTITIONER if state.is_open(now) and not state.uninterpretable:
            return _role_of_professional(closure, state, now)
    return None


def _role_of_professional(closure: Closure, state: RecordState, now: Milliseconds) -> Role | None:
    if any(blocks(directive, closure.own, now) for directive in state.directives):
        return None
    if not closure.acting.isdisjoint(state.attending | state.administrators):
        return Role.ATTENDING
    is_shut_out = any(blocks(directive, closure.party, now) for directive in state.directives)
    return None if is_shut_out else Role.COLLECTING


def may_label(role: Role | None, labelling: Labelling, *, has_consent: bool) -> bool:
    """Tells whether a role alone lets someone change the label of a document that he sees.

    The patient and the author need none: of them a write of the document itself is decided (access/write). The médecin
    traitant masks and unmasks as the patient tells him to, and announces what others held back.
    """
    if role is not Role.ATTENDING:
        return False
    return labelling.code == "announce" or (labelling.label == MASKED and has_consent)
