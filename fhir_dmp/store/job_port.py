"""Jobs: what the law makes due at a date, long after the request that caused it. The store keeps them.

A job is written in the transaction that causes it (Writer.schedule), so there is none without its cause; a worker takes
it when it is due, holds it for a while, and is told when another took it over.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject


class JobKind(Enum):
    """What is to be done."""

    ERASE = "erase"
    """A closed record's time of keeping, or of an asked deletion, is over."""
    MERGE = "merge"
    """What is in one Patient's record goes to another's."""
    LEAVE = "leave"
    """A reimbursement's 24 months are over; its subject is the reimbursement (`ExplanationOfBenefit/1`)."""
    NOTIFY = "notify"
    """The patient is told of an update that is held back from him; its subject is what is."""
    EXPORT = "export"
    """An export is divided into files; its subject is no Patient but the export."""
    IMPORT = "import"
    """What was uploaded is taken in; its subject is the import."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done about one subject, not before `due`. There is one of a kind and subject.

    The subject is the id of a Patient, of an export or of an import, or the reference to a resource. `task` is what the
    work needs beside; `attempts` counts those that failed. `is_held` says that a worker has it.
    """

    kind: JobKind
    subject: str
    due: Milliseconds
    task: JsonObject
    attempts: int = 0
    is_held: bool = False

    @property
    def key(self) -> str:
        """The name of the job."""
        return f"{self.kind.value}:{self.subject}"


@dataclass(frozen=True, slots=True)
class Lease:
    """A job that is this worker's until it is done, given back, or held too long."""

    job: Job
    owner: str


class Jobs(Protocol):
    """The jobs as their workers see them. Every method may raise FhirError (unavailable)."""

    async def take(self, now: Milliseconds) -> Lease | None:
        """Returns the job that is due longest and nobody's, which is then this caller's alone; None where none is."""
        ...

    async def keep(self, lease: Lease, now: Milliseconds) -> bool:
        """Holds a job for longer; returns False where it is another's meanwhile: then nothing more may be done."""
        ...

    async def finish(self, lease: Lease) -> None:
        """Removes a job that is done; nothing where it is another's."""
        ...

    async def postpone(self, lease: Lease, due: Milliseconds) -> None:
        """Gives back a job that failed, to be tried again from `due` on."""
        ...

    async def give_back(self, lease: Lease, due: Milliseconds) -> None:
        """Gives back a job that is not done, so that others have their turn from `due` on."""
        ...

    async def find(self, kind: JobKind, subject: str) -> Job | None:
        """Returns a job that is not done yet."""
        ...
