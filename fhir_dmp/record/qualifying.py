"""From a provisional identity to a qualified one: what may follow what, and what becomes of the Patient.

Référentiel national d'identitovigilance: a qualified identity is never replaced, and what qualifies a provisional one
has to be the same person's as far as its traits tell.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Issue
from fhir_dmp.record.comparison import Grade, compare
from fhir_dmp.record.fr_core import BIRTH_PLACE, RELIABILITY, rows, text
from fhir_dmp.record.opening import with_computed, with_profile
from fhir_dmp.record.reliability import DOUBTFUL, FICTITIOUS, identity_status, is_qualified
from fhir_dmp.record.traits import read_strict_traits, read_traits

_TRAITS = ("gender", "birthDate")
_PROVEN = frozenset({RELIABILITY, BIRTH_PLACE})


def is_done(patient: JsonObject, proven: JsonObject) -> bool:
    """Tells whether the Patient has this qualified identity already: its matricule, and each of the five traits."""
    here, wanted = read_strict_traits(patient), read_strict_traits(proven)
    is_same = replace(here, computed=wanted.computed, matricules=wanted.matricules) == wanted
    return is_qualified(patient) and is_same and wanted.matricules <= here.matricules


def find_qualifying_faults(patient: JsonObject, proven: JsonObject) -> tuple[Issue, ...]:
    """Returns what keeps an identity from being qualified by another one that was proven."""
    status = identity_status(patient)
    if is_qualified(patient):
        return (Issue("error", "identity-qualified", "The identity is qualified already, by other traits."),)
    if status in DOUBTFUL | FICTITIOUS:
        message = f"The identity is stated to be {status}: that has to be cleared first."
        return (Issue("error", "identity-doubtful", message, "Patient.extension"),)
    if compare(read_traits(patient), read_traits(proven)).grade in {Grade.NONE, Grade.POSSIBLE}:
        message = "The traits that were proven are not those of this Patient."
        return (Issue("error", "traits-contradict", message, "Patient"),)
    return ()


def qualify_patient(patient: JsonObject, proven: JsonObject) -> JsonObject:
    """Returns the Patient with the qualified identity; names and numbers that he has beside stay."""
    numbers = [row for _, row in rows(proven.get("identifier"))]
    known = {(text(row, "system"), text(row, "value")) for row in numbers}
    others = [row for _, row in rows(patient.get("identifier"))]
    kept = [row for row in others if (text(row, "system"), text(row, "value")) not in known]
    official = [row for _, row in rows(proven.get("name")) if row.get("use") == "official"]
    beside = [row for _, row in rows(patient.get("name")) if row.get("use") != "official"]
    extensions = [row for _, row in rows(patient.get("extension")) if row.get("url") not in _PROVEN]
    proof = [row for _, row in rows(proven.get("extension")) if row.get("url") in _PROVEN]
    made = {
        **patient,
        **{name: proven[name] for name in _TRAITS},
        "identifier": [*numbers, *kept],
        "name": [*official, *beside],
        "extension": [*proof, *extensions],
    }
    return with_computed(with_profile(made))
