"""Reason: which rule decided, and which Consent. Told to the patient, never to the professional who was refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

SYSTEM = "https://fhir-dmp.fr/CodeSystem/dmp-access-rule"


class Rule(Enum):
    """The rules of the decision, in the order in which they are asked (docs/reference/access.md)."""

    EXCLUDED = "excluded"
    NOT_FOR_THIS_KIND = "not-for-this-kind"
    SCOPE = "scope"
    PAST_WINDOW = "past-window"
    NO_PURPOSE = "no-purpose"
    TOO_MANY_RECORDS = "too-many-records"
    CLOSED = "closed"
    NOT_INTERPRETABLE = "not-interpretable"
    OTHER_RECORD = "other-record"
    SEVERAL_PATIENTS = "several-patients"
    NOT_FOR_PROFESSIONALS = "not-for-professionals"
    BLOCKED = "blocked"
    AUTHOR = "author"
    ATTENDING = "attending"
    NOTIFIED = "notified"
    ADMINISTRATOR = "administrator"
    NOT_REGULATOR = "not-regulator"
    NO_REASON = "no-reason"
    EMERGENCY_OVER = "emergency-over"
    ONE_RECORD_IN_EMERGENCY = "one-record-in-emergency"
    EMERGENCY_OPPOSED = "emergency-opposed"
    CONSENT_DENIES = "consent-denies"
    NO_CONSENT = "no-consent"
    CONSENT = "consent"
    BREAK_GLASS = "break-glass"
    REGULATION = "regulation"
    MATRIX = "matrix"
    MASKED = "masked"
    CONFIDENTIAL = "confidential"
    WITHHELD = "withheld"
    HIDDEN_FROM_REPRESENTATIVES = "hidden-from-representatives"
    NOT_REPRESENTED = "not-represented"
    RELATION_OVER = "relation-over"
    SELF = "self"
    REPRESENTATIVE = "representative"
    PUBLIC = "public"
    AUDITOR = "auditor"
    SYSTEM = "system"
    WRITTEN_BY_ITSELF = "written-by-itself"
    SUBSCRIBER = "subscriber"
    FEEDING = "feeding"
    FEEDING_OPPOSED = "feeding-opposed"
    NOT_AUTHOR = "not-author"
    AUTHOR_NOT_SELF = "author-not-self"
    AUTHOR_CHANGED = "author-changed"
    SUBJECT_CHANGED = "subject-changed"
    LABELS_CHANGED = "labels-changed"
    LABELS_CONTRADICT = "labels-contradict"
    DEPOSIT_DATE_CHANGED = "deposit-date-changed"
    ATTENDING_NOT_BLOCKABLE = "attending-not-blockable"
    DEPOSIT = "deposit"
    MASKING = "masking"
    CONSENT_MANAGEMENT = "consent-management"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule, the id of the Consent that it applied ("" where none), and the purpose of use it was asked for."""

    rule: Rule
    consent: str = ""
    purpose: str = ""
