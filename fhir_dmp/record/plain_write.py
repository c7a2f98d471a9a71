"""What no plain write of a Patient may do: what an operation does, with its rules, its jobs and its Provenance. Pure.

A record's life (CSP L1111-13-1, R1111-36), who has a médecin traitant's rights in it (L1111-16), and a qualified
identity (Référentiel national d'identitovigilance). An identity may be stated to be doubtful by a plain write: that
takes away and gives nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fhir_dmp.access.record import CLOSING
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.outcome import Issue
from fhir_dmp.record.closing import is_closed_on_purpose, is_dead
from fhir_dmp.record.fr_core import rows, values
from fhir_dmp.record.reliability import is_qualified
from fhir_dmp.record.traits import read_strict_traits
from fhir_dmp.search.security import ADMINISTRATOR, ATTENDING


def find_bypasses(previous: JsonObject | None, new: JsonObject | None) -> tuple[Issue, ...]:
    """Returns what a write of a Patient does that is an operation's to do; each issue names that operation.

    `previous` is None of a creation, `new` of a deletion.
    """
    if new is None:
        return (_bypass("erased", "$dmp-delete-request", "Patient"),)
    return tuple(_find(previous or {}, new))


def _find(before: JsonObject, after: JsonObject) -> Iterator[Issue]:
    yield from _find_life(before, after)
    for name, at, operation, part in _PARTS:
        if part(before) != part(after):
            yield _bypass(name, operation, at)
    yield from _find_identity(before, after)


def _find_life(before: JsonObject, after: JsonObject) -> Iterator[Issue]:
    was_open, is_open = before.get("active") is True, after.get("active") is True
    if was_open and not is_open:
        yield _bypass("closed", "$dmp-close", "Patient.active")
    elif is_open and not was_open:
        yield _bypass("opened", "$dmp-reopen" if is_closed_on_purpose(before) else "$dmp-open", "Patient.active")
    if _death(before) != _death(after):
        yield _bypass("closed by a death", "$dmp-close", "Patient.deceased")


def _find_identity(before: JsonObject, after: JsonObject) -> Iterator[Issue]:
    was, now = read_strict_traits(before), read_strict_traits(after)
    if is_qualified(after) and not is_qualified(before):
        yield _bypass("qualified", "$dmp-qualify" if before else "$dmp-open", "Patient.extension")
    elif is_qualified(after) and was != now:
        message = "The traits of a qualified identity are not written over: state it to be doubtful, or merge ($merge)."
        yield Issue("error", "identity-qualified", message, "Patient")
    elif not is_qualified(after) and now.matricules and (is_qualified(before) or now.matricules != was.matricules):
        message = "A matricule INS stands with a qualified identity only; $dmp-qualify gives it one."
        yield Issue("error", "identity-not-qualified", message, "Patient.identifier")


def _death(patient: JsonObject) -> tuple[bool, Json]:
    return is_dead(patient), patient.get("deceasedDateTime")


def _closing(patient: JsonObject) -> Json:
    return [row for _, row in rows(patient.get("extension")) if row.get("url") == CLOSING]


def _links(patient: JsonObject) -> Json:
    return [row for _, row in rows(patient.get("link")) if row.get("type") in {"replaces", "replaced-by"}]


def _attending(patient: JsonObject) -> Json:
    return list(values(patient, ATTENDING)) or [row for _, row in rows(patient.get("generalPractitioner"))]


def _administrators(patient: JsonObject) -> Json:
    return list(values(patient, ADMINISTRATOR))


_PARTS: tuple[tuple[str, str, str, Callable[[JsonObject], Json]], ...] = (
    ("closed or reopened", "Patient.extension", "$dmp-close or $dmp-reopen", _closing),
    ("merged", "Patient.link", "$merge", _links),
    ("given a médecin traitant", "Patient.generalPractitioner", "$dmp-attending", _attending),
    ("given administrators", "Patient.extension", "$dmp-name-administrator", _administrators),
)
"""What is compared as a whole: what is done to a record by changing it, where it stands, and the operation."""


def _bypass(done: str, operation: str, at: str) -> Issue:
    message = f"A record is {done} by {operation}, not by writing its Patient: the operation keeps the rules."
    return Issue("error", "record-by-operation", message, at)
