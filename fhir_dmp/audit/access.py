"""Access: what an interaction did for a requester or refused him, as the trace needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_dmp.access.professional import BREAK_GLASS, REGULATION
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.audit.code import Mode
from fhir_dmp.instant import Milliseconds
from fhir_dmp.resource import Identity

EMERGENCIES = {Mode.BREAK_GLASS: BREAK_GLASS, Mode.REGULATION: REGULATION}
"""The purpose of use that asks for each mode of emergency."""

Label = tuple[str, str]
"""A security label: system and code."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """The server that records: its public base URL, and the name of the site it stands in."""

    base_url: str
    site: str = "fhir-dmp"


@dataclass(frozen=True, slots=True)
class Item:
    """A version that an answer gave away, that was written, or that was asked for and refused.

    `version_id` 0 stands for the resource as such; `patient` is the id of the one it is about, or "". `labels` are
    those of its labels that hide it from someone who reads the trace (INVISIBLE_PATIENT…): an event that names it has
    them too, and so is as visible as the resource.
    """

    identity: Identity
    version_id: int = 0
    patient: str = ""
    labels: tuple[Label, ...] = ()

    @property
    def reference(self) -> str:
        """The reference to this version."""
        return f"{self.identity}/_history/{self.version_id}" if self.version_id else str(self.identity)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why it was refused: the code of the deciding rule (access/reason), it in French, and the ids of the Consents."""

    rule: str
    text: str = ""
    consents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """One interaction, done or refused.

    `interaction` is a code of http://hl7.org/fhir/restful-interaction, or `operation`; `began` is when the request
    came and `now` when its answer was ready. `query` is the search or operation as it was asked (path below the base,
    parameters, body of `_search`), `cleaned` what of it was understood. `patients` are the ids of those whom the
    request names, whether anything of theirs was found or not. `matrix` is the version of the habilitation matrix by
    which a professional's access was decided, "" for whom none is asked.
    """

    requester: Requester
    interaction: str
    request_id: str
    address: str
    began: Milliseconds
    now: Milliseconds
    query: str = ""
    cleaned: str = ""
    items: Sequence[Item] = ()
    patients: Sequence[str] = ()
    refusal: Refusal | None = None
    matrix: str = ""
    opened: Sequence[str] = ()

    @property
    def mode(self) -> Mode:
        """How the record was opened: a professional whose token asks for emergency access is recorded as such."""
        if self.requester.kind is Kind.PRACTITIONER:
            for mode, purpose in EMERGENCIES.items():
                if purpose in self.requester.purposes:
                    return mode
        return Mode.NORMAL
