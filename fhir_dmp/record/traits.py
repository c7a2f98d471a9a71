"""Traits: what identifies a person — the matricule INS and the five strict traits — as a Patient states them.

Référentiel INS: birth name, given names, birth date, sex, place of birth (COG).
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_dmp.ins.ins_c import INS_C
from fhir_dmp.ins.matricule import SYSTEMS
from fhir_dmp.json_text import JsonObject
from fhir_dmp.record.fr_core import BIRTH_LIST, BIRTH_PLACE, INSEE, rows, text, values
from fhir_dmp.search.text import normalise

OLD = "old"


@dataclass(frozen=True, slots=True)
class Traits:
    """The traits in the form in which they are compared; a trait that is not stated is empty.

    `matricules` are `system|value` of the INS in use, `computed` the INS-C. `families` and `givens` hold those of every
    name; the birth list of given names counts too. `birth` is the FHIR date, `place` the COG of birth.
    """

    matricules: frozenset[str] = frozenset()
    computed: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()
    givens: frozenset[str] = frozenset()
    birth: str = ""
    sex: str = ""
    place: str = ""


def read_traits(patient: JsonObject) -> Traits:
    """Returns the traits of a Patient."""
    names = [row for _, row in rows(patient.get("name")) if row.get("use") != OLD]
    identifiers = [row for _, row in rows(patient.get("identifier")) if row.get("use") != OLD]
    sex = text(patient, "gender")
    return Traits(
        matricules=frozenset(
            f"{row['system']}|{text(row, 'value')}" for row in identifiers if row.get("system") in SYSTEMS
        ),
        computed=frozenset(text(row, "value") for row in identifiers if row.get("system") == INS_C),
        families=frozenset(normalise(text(row, "family")) for row in names) - {""},
        givens=frozenset(given for row in names for given in _givens(row)) - {""},
        birth=text(patient, "birthDate"),
        sex=sex if sex in {"male", "female"} else "",
        place=birth_place(patient),
    )


def read_strict_traits(patient: JsonObject) -> Traits:
    """Returns the traits that the INSi answers for: those of the birth name, and not of a name in use."""
    official = [row for _, row in rows(patient.get("name")) if row.get("use") == "official"]
    return read_traits({**patient, "name": official})


def birth_place(patient: JsonObject) -> str:
    """Returns the COG of the place of birth, "" where it is not stated."""
    places = [place for place in values(patient, BIRTH_PLACE) if isinstance(place, dict)]
    return next((text(code, "code") for place in places for code in values(place, INSEE)), "")


def first_given(patient: JsonObject) -> str:
    """Returns the first given name of birth: that of the official name, else of the first name there is."""
    names = [row for _, row in rows(patient.get("name"))]
    official = [row for row in names if row.get("use") == "official"]
    for name in [*official, *names]:
        given = name.get("given")
        if isinstance(given, list) and given and isinstance(given[0], str):
            return given[0]
    return ""


def _givens(name: JsonObject) -> list[str]:
    written = [given for given in name.get("given") or () if isinstance(given, str)]
    listed = [str(value) for value in values(name, BIRTH_LIST) if isinstance(value, str)]
    separate = [given for value in listed for given in value.split()]
    return [normalise(given) for given in (*written, *separate)]
