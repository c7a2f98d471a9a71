"""Who may feed a record of which he knows no more than the INS: TD0.2 of the DMP. Pure.

Professionals and hospitals must feed, also without consent to read (CSP L1111-15), so they have to be told whether
there is a record that they may feed. Nobody else is told anything, and they are told nothing more.
"""

from __future__ import annotations

from enum import Enum

from fhir_dmp.access.clauses import NOTHING, among, conjuncts
from fhir_dmp.access.inquiry import Inquiry
from fhir_dmp.access.matrix import Matrix
from fhir_dmp.access.path import Verdict
from fhir_dmp.access.reason import Rule
from fhir_dmp.access.reimbursement import BENEFIT, DOCUMENT
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.ins.matricule import SYSTEMS
from fhir_dmp.search.query import Clause, Has, OfType, TokenValue

CARE = frozenset({"TREAT", "ETREAT", "BTG"})
"""The purposes of use (v3-ActReason) for which a professional takes charge of somebody."""


class RecordStatus(Enum):
    """What a feeder is told of a record; one that is closed, and none at all, are the same to him."""

    VALID = "valid"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"


def may_feed(inquiry: Inquiry, matrix: Matrix) -> bool:
    """Tells whether a requester feeds records at all: then he may ask for the record of an INS.

    `inquiry` is about the interaction `create`: a token that lets him write nothing lets him ask nothing.
    """
    requester = inquiry.requester
    if among(inquiry.scope, fed_by(requester)) == NOTHING:
        return False
    if requester.kind is Kind.PRACTITIONER:
        return matrix.clause(requester.profession) != NOTHING and not requester.purposes.isdisjoint(CARE)
    return requester.kind in {Kind.HOSPITAL, Kind.HEALTH_INSURANCE}


def fed_by(requester: Requester) -> frozenset[str]:
    """Returns the type of what a requester feeds first of all."""
    return frozenset({BENEFIT if requester.kind is Kind.HEALTH_INSURANCE else DOCUMENT})


def names_ins(clause: Clause) -> bool:
    """Tells whether search criteria are one whole INS and nothing else: whoever knows less may not try."""
    parts = [part for part in conjuncts(clause) if part != OfType(("Patient",))]
    match parts:
        case [Has("Patient", "identifier", (TokenValue(system, code),))]:
            return system in SYSTEMS and bool(code)
    return False


def read_status(verdict: Verdict) -> RecordStatus:
    """Returns what is told of the decision about feeding a document."""
    if verdict.permitted:
        return RecordStatus.VALID
    is_shut = verdict.reason.rule in {Rule.CLOSED, Rule.OTHER_RECORD}
    return RecordStatus.UNAVAILABLE if is_shut else RecordStatus.FORBIDDEN
