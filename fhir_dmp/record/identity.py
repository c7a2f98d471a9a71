"""Does an identity hold together: the matricule's form and key, the traits beside it, what a qualified one needs.

Référentiel INS (EXI 12: the matricule travels with the five traits of a qualified identity) and fr-core-patient-ins.
What is found is told with the element at fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from fhir_dmp.ins.ins_c import INS_C, compute_ins_c, is_ins_c
from fhir_dmp.ins.matricule import NIA, SYSTEMS, Matricule, parse_matricule
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Issue
from fhir_dmp.record.fr_core import BIRTH_LIST, rows, text, values
from fhir_dmp.record.reliability import DOUBTFUL, FICTITIOUS, identity_status, is_qualified, validation_mode
from fhir_dmp.record.traits import OLD, birth_place, first_given

_BILLING = "urn:oid:1.2.250.1.213.1.4.13"


def find_identity_faults(patient: JsonObject, today: date) -> tuple[Issue, ...]:
    """Returns everything that is wrong with a Patient's identity, none where it holds together."""
    return (
        *_check_dates(patient, today),
        *_check_numbers(patient),
        *_check_computed(patient),
        *_check_reliability(patient),
    )


def require_qualified(patient: JsonObject) -> tuple[Issue, ...]:
    """Returns what keeps an identity from being a qualified one."""
    if is_qualified(patient):
        return tuple(_check_qualified(patient))
    return (_issue("identity-not-qualified", "The identity has to be qualified (VALI).", "Patient.extension"),)


def matricule_of(patient: JsonObject) -> tuple[str, Matricule] | None:
    """Returns the system of the INS in use and its parts, None where there is none of right form."""
    for _, row in rows(patient.get("identifier")):
        found = parse_matricule(text(row, "value")) if row.get("system") in SYSTEMS else None
        if found and row.get("use") != OLD:
            return text(row, "system"), found
    return None


def ins_c_of(patient: JsonObject) -> str:
    """Returns the INS-C of a Patient with a social security number (INS or of billing); "" where it lacks something."""
    given, birth = first_given(patient), parse_day(text(patient, "birthDate"))
    numbers = [found[1].number] if (found := matricule_of(patient)) and found[0] != NIA else []
    for _, row in rows(patient.get("identifier")):
        billing = parse_matricule(text(row, "value")) if row.get("system") == _BILLING else None
        numbers += [billing.number] if billing else []
    return compute_ins_c(given, birth, numbers[0]) if given and birth and numbers else ""


def parse_day(written: str) -> date | None:
    """Returns a FHIR date that names a day, None for one of less precision."""
    try:
        return date.fromisoformat(written) if written.count("-") == len("--") else None
    except ValueError:
        return None


def _check_dates(patient: JsonObject, today: date) -> Iterator[Issue]:
    born, died = text(patient, "birthDate"), text(patient, "deceasedDateTime")[: len("2026-01-01")]
    if born > today.isoformat():
        yield _issue("date-future", "The birth date is in the future.", "Patient.birthDate")
    if died > today.isoformat():
        yield _issue("date-future", "The death is in the future.", "Patient.deceased")
    if died and died[: len(born)] < born[: len(died)]:
        yield _issue("traits-contradict", "The death is before the birth.", "Patient.deceased")


def _check_numbers(patient: JsonObject) -> Iterator[Issue]:
    for place, row in rows(patient.get("identifier")):
        if row.get("system") not in SYSTEMS:
            continue
        at, found = f"Patient.identifier[{place}].value", parse_matricule(text(row, "value"))
        if found is None:
            yield _issue("ins-form", "A matricule INS has 13 characters and a key of two digits.", at)
        elif not found.is_right:
            yield _issue("ins-key", "The key of the matricule INS is not that of its number.", at)
        elif row.get("use") != OLD:
            yield from _check_traits(patient, found, at)


def _check_traits(patient: JsonObject, number: Matricule, at: str) -> Iterator[Issue]:
    """Sex, year and month; the commune is not compared: its code may have changed since the birth."""
    sex, born = text(patient, "gender"), text(patient, "birthDate")
    if number.sex and sex in {"male", "female"} and sex != number.sex:
        yield _issue("traits-contradict", "The gender contradicts the matricule INS.", "Patient.gender")
    if born and int(born[2:4]) != number.year:
        yield _issue("traits-contradict", "The year of birth contradicts the matricule INS.", "Patient.birthDate")
    elif number.month and born[5:7] and int(born[5:7]) != number.month:
        yield _issue("traits-contradict", "The month of birth contradicts the matricule INS.", "Patient.birthDate")
    if not is_qualified(patient):
        message = "A matricule INS stands with a qualified identity only (identityStatus VALI)."
        yield _issue("identity-not-qualified", message, at)


def _check_computed(patient: JsonObject) -> Iterator[Issue]:
    for place, row in rows(patient.get("identifier")):
        if row.get("system") == INS_C:
            value, at = text(row, "value"), f"Patient.identifier[{place}].value"
            expected = ins_c_of(patient)
            if not is_ins_c(value):
                yield _issue("ins-key", "An INS-C has 20 digits and their key of two.", at)
            elif row.get("use") != OLD and expected and value != expected:
                message = "The INS-C is not that of this given name, birth date and number."
                yield _issue("traits-contradict", message, at)


def _check_reliability(patient: JsonObject) -> Iterator[Issue]:
    status = identity_status(patient)
    if status in DOUBTFUL | FICTITIOUS:
        yield _issue("identity-doubtful", f"The identity is stated to be {status}.", "Patient.extension")
    if is_qualified(patient):
        yield from _check_qualified(patient)


def _check_qualified(patient: JsonObject) -> Iterator[Issue]:
    """The five traits, one matricule, and the document that proved them."""
    official = [row for _, row in rows(patient.get("name")) if row.get("use") == "official"]
    named = official[0] if official else {}
    needed = {
        "Patient.identifier": matricule_of(patient) is not None,
        "Patient.name": bool(text(named, "family") and named.get("given") and list(values(named, BIRTH_LIST))),
        "Patient.birthDate": bool(text(patient, "birthDate")),
        "Patient.gender": text(patient, "gender") in {"male", "female"},
        "Patient.extension": bool(birth_place(patient) and validation_mode(patient)),
    }
    for at, is_there in needed.items():
        if not is_there:
            yield _issue("identity-incomplete", _MISSING[at], at)


_MISSING = {
    "Patient.identifier": "A qualified identity has its matricule INS.",
    "Patient.name": "A qualified identity has the official name: birth name, first given name and the list of all.",
    "Patient.birthDate": "A qualified identity has the birth date.",
    "Patient.gender": "A qualified identity has the sex: male or female.",
    "Patient.extension": "A qualified identity has the place of birth (COG) and the document that proved it.",
}


def _issue(code: str, message: str, at: str) -> Issue:
    return Issue("error", code, message, at)
