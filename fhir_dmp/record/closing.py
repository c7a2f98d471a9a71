"""The Patient of a closed record, and of one that is open again: ANS's extension dmp-fermeture.

https://interop.esante.gouv.fr/ig/fhir/pdsm4dmp: dateFermeture, motifFermeture, raisonFermeture; Patient.active says
that the DMP is open.
"""

from __future__ import annotations

from fhir_dmp.access.record import CLOSED_ON, CLOSING
from fhir_dmp.instant import Milliseconds, write_instant
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Issue
from fhir_dmp.record.fr_core import rows, text
from fhir_dmp.record.lifecycle import Closing

CLOSINGS = "https://fhir-dmp.fr/CodeSystem/dmp-closing"
REASON, COMMENT = "motifFermeture", "raisonFermeture"


def close_patient(patient: JsonObject, reason: Closing, comment: str, now: Milliseconds) -> JsonObject:
    """Returns the Patient whose record closes now."""
    parts: list[JsonObject] = [
        {"url": CLOSED_ON, "valueDateTime": write_instant(now)},
        {"url": REASON, "valueCoding": {"system": CLOSINGS, "code": reason.value}},
    ]
    if comment:
        parts.append({"url": COMMENT, "valueString": comment})
    return {
        **patient,
        "active": False,
        "extension": [*_without_closing(patient), {"url": CLOSING, "extension": parts}],
    }


def reopen_patient(patient: JsonObject) -> JsonObject:
    """Returns the Patient whose record is open again."""
    kept = _without_closing(patient)
    rest = {name: value for name, value in patient.items() if name != "extension"}
    return {**rest, "active": True, **({"extension": kept} if kept else {})}


def is_closed_on_purpose(patient: JsonObject) -> bool:
    """Tells whether a record was closed, and not just never opened."""
    return any(row.get("url") == CLOSING for _, row in rows(patient.get("extension"))) or is_dead(patient)


def is_dead(patient: JsonObject) -> bool:
    """Tells whether the Patient is stated to be dead: his record stays closed."""
    return patient.get("deceasedBoolean") is True or "deceasedDateTime" in patient


def find_death_faults(patient: JsonObject, died: str, today: str, at: str) -> tuple[Issue, ...]:
    """Returns what is wrong with a date of death (a FHIR date or dateTime): in the future, or before the birth."""
    born, day = text(patient, "birthDate"), died[: len(today)]
    if day > today:
        return (Issue("error", "date-future", "The death is in the future.", at),)
    if day[: len(born)] < born[: len(day)]:
        return (Issue("error", "traits-contradict", "The death is before the birth.", at),)
    return ()


def _without_closing(patient: JsonObject) -> list[JsonObject]:
    return [row for _, row in rows(patient.get("extension")) if row.get("url") != CLOSING]
