"""Requester: who asks, as the signed token (or the open mode of a test server) says, and never as a header says."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import Enum

from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject


class Kind(Enum):
    """What a requester is; it decides which interactions he has at all."""

    SYSTEM = "system"
    """The server itself, or everyone on a loopback server that was started without tokens."""
    PRACTITIONER = "practitioner"
    PATIENT = "patient"
    REPRESENTATIVE = "representative"
    HELPER = "helper"
    """A person whom the patient appointed to help with the record (aidant)."""
    HOSPITAL = "hospital"
    """A hospital's system, acting for itself: it feeds, and reads nothing back but what it wrote."""
    HEALTH_INSURANCE = "health-insurance"
    """The assurance maladie's system, acting for itself: it feeds reimbursements, and reads back nothing but these."""
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"
    EXCLUDED = "excluded"
    """Complementary insurers, banks, employers, occupational medicine: never, whatever the scope (CSP L1111-18)."""


EXCLUDED_SPECIALTIES = frozenset({"SM25"})
"""Médecine du travail (TRE_R38), to whom no record is open (CSP L1111-17 IV)."""


@dataclass(frozen=True, slots=True)
class Requester:
    """The party behind a request. `name` identifies it in logs, cursors and audit (the token's `sub`).

    Members that a kind does not have are empty. `rpps`, `profession` (TRE_G15), `specialty` (TRE_R38), `organization`
    (FINESS) and `is_regulator` (SAMU regulation) are of a professional; `patient_id` is the id of the Patient that a
    patient is, or a representative or helper acts for. `purposes` are codes of v3-ActReason, `reason` what a
    professional wrote when he asked for emergency access. `scopes` are SMART v2, as granted; empty where no token.
    `reference` is the RelatedPerson that a representative or helper is (`RelatedPerson/5`). `issued_at` is when the
    token was issued: emergency access ends some time after it, and never begins where it is 0. `launch_patient` is whom
    a professional's app was launched for: what patient/ scopes reach, and no right to anything. `has_ended` is of a
    representative or helper whose RelatedPerson is deleted, inactive or of another time: the record is shut to him.
    """

    kind: Kind
    name: str
    client: str = ""
    display: str = ""
    rpps: str = ""
    profession: str = ""
    specialty: str = ""
    organization: str = ""
    is_regulator: bool = False
    patient_id: str = ""
    purposes: frozenset[str] = field(default_factory=frozenset)
    reason: str = ""
    scopes: tuple[str, ...] = ()
    token_id: str = ""
    reference: str = ""
    issued_at: Milliseconds = 0
    launch_patient: str = ""
    has_ended: bool = False

    def __hash__(self) -> int:
        """Tells apart what mostly differs, and no more: what is kept of a requester is looked up at each request."""
        return hash((self.name, self.rpps, self.patient_id, self.token_id))

    @property
    def may_choose_ids(self) -> bool:
        """Tells whether an update may create: a chosen id would let anyone else probe for hidden resources."""
        return self.kind in {Kind.SYSTEM, Kind.ADMINISTRATOR}


OPEN = Requester(Kind.SYSTEM, "open")
"""Everyone, on a loopback server that was started without tokens."""

SERVER = Requester(Kind.SYSTEM, "server")
"""The server itself, when it stores the definitions it works with."""


def write_requester(requester: Requester) -> JsonObject:
    """Returns a requester as JSON."""
    return {
        **asdict(requester),
        "kind": requester.kind.value,
        "purposes": sorted(requester.purposes),
        "scopes": list(requester.scopes),
    }


def read_requester(row: JsonObject) -> Requester:
    """Returns what write_requester wrote."""
    members = {**row, "kind": Kind(row["kind"]), "purposes": frozenset(row["purposes"]), "scopes": tuple(row["scopes"])}
    return Requester(**members)


def party_of(requester: Requester) -> tuple[str, ...]:
    """Returns what stays the same from one token to the next: the same party through the same client."""
    return (
        requester.kind.value,
        requester.name,
        requester.client,
        requester.rpps,
        requester.organization,
        requester.patient_id,
    )
