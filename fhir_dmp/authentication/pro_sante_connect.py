"""Pro Santé Connect's userinfo → Statement. Its members are read as they are spelled.

A professional with several situations d'exercice acts in one of them: he says which, and has the rights of that one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fhir_dmp.authentication.fault import RequesterUnknown
from fhir_dmp.authentication.statement import (
    PROFESSION,
    SECTOR,
    SPECIALTY,
    Statement,
    read_codes,
    read_scopes,
    read_text,
)
from fhir_dmp.json_text import Json, JsonObject

_NATIONAL_ID = re.compile(r"8(\d{11})", re.ASCII)
_RPPS = re.compile(r"\d{11}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Situation:
    """One activity of a professional (situation d'exercice): what he is in which place."""

    profession: str = ""
    specialty: str = ""
    sector: str = ""
    structure: str = ""
    finess: str = ""

    def is_named(self, chosen: str) -> bool:
        """Tells whether a choice means this one: its structure or FINESS, or `profession@` either."""
        profession, at, place = chosen.rpartition("@")
        return place in {self.structure, self.finess} - {""} and (not at or profession == self.profession)


def read_userinfo(userinfo: JsonObject, chosen: str = "") -> Statement:
    """Returns what a userinfo (or an access token with its members) says.

    `chosen` names the situation d'exercice where there are several. Raises RequesterUnknown where none or more than
    one is meant, or where no RPPS number is in it.
    """
    situation = _choose(read_situations(userinfo), chosen)
    return Statement(
        subject=read_text(userinfo.get("sub")),
        client=read_text(userinfo.get("client_id")) or read_text(userinfo.get("azp")),
        token_id=read_text(userinfo.get("jti")),
        scopes=read_scopes(userinfo.get("scope")),
        display=" ".join(filter(None, (read_text(userinfo.get(name)) for name in ("given_name", "family_name")))),
        professions=(situation.profession,) if situation.profession else (),
        specialties=(situation.specialty,) if situation.specialty else (),
        sectors=(situation.sector,) if situation.sector else (),
        organization=situation.finess or situation.structure,
        rpps=_read_rpps(userinfo),
        is_regulator=userinfo.get("Acces_Regulation_Medicale") == "VRAI",
    )


def read_situations(userinfo: JsonObject) -> list[Situation]:
    """Returns the situations d'exercice of a userinfo; of one without `SubjectRefPro`, the one of its own members."""
    practices = _list(_member(userinfo.get("SubjectRefPro"), "exercices"))
    if practices:
        return list(dict.fromkeys(item for practice in practices for item in _read_practice(practice)))
    professions = read_codes(userinfo.get("SubjectRole"), PROFESSION)
    specialties = read_codes(userinfo.get("SubjectRole"), SPECIALTY)
    sectors = read_codes(userinfo.get("Secteur_Activite"), SECTOR)
    structure = read_text(userinfo.get("SubjectOrganizationID"))
    return [
        Situation(profession, next(iter(specialties), ""), next(iter(sectors), ""), structure, _read_finess(structure))
        for profession in professions
    ]


def _read_practice(practice: Json) -> list[Situation]:
    profession = read_text(_member(practice, "codeProfession"))
    specialty = read_text(_member(practice, "codeSavoirFaire"))
    activities = _list(_member(practice, "activities")) or [{}]
    return [
        Situation(
            profession,
            specialty,
            read_text(_member(activity, "codeSecteurDactivite")),
            read_text(_member(activity, "identifiantTechniqueDeLaStructure")),
            read_text(_member(activity, "numeroFinessSite")),
        )
        for activity in activities
    ]


def _choose(situations: Sequence[Situation], chosen: str) -> Situation:
    meant = [situation for situation in situations if situation.is_named(chosen)] if chosen else list(situations)
    if len(meant) == 1:
        return meant[0]
    if not situations:
        raise RequesterUnknown("Pro Santé Connect names no profession of this person.")
    if not meant:
        raise RequesterUnknown("The situation d'exercice is none of this person's.")
    raise RequesterUnknown("This person has several situations d'exercice: the token has to be for one of them.")


def _read_rpps(userinfo: JsonObject) -> str:
    for name in ("SubjectNameID", "preferred_username"):
        if found := _NATIONAL_ID.fullmatch(read_text(userinfo.get(name))):
            return found[1]
    others = [item for item in _list(userinfo.get("otherIds")) if _member(item, "origine") == "RPPS"]
    numbers = {read_text(_member(item, "identifiant")).removeprefix("8")[-11:] for item in others}
    if len(numbers) == 1 and _RPPS.fullmatch(number := numbers.pop()):
        return number
    raise RequesterUnknown("Pro Santé Connect names no RPPS number of this person.")


def _read_finess(structure: str) -> str:
    """The national id of a structure is 1 and its FINESS number, where it has one."""
    return structure[1:] if re.fullmatch(r"1[0-9AB]{9}", structure) else ""


def _member(value: Json, name: str) -> Json:
    return value.get(name) if isinstance(value, dict) else None


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
