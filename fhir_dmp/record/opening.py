"""What an opening makes of an identity: an existing record, a new one, or a doubt that a person has to clear.

Homonyms and doubles are told by their grade (comparison.py) and never merged here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fhir_dmp.ins.ins_c import INS_C
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Issue
from fhir_dmp.record.comparison import Comparison, Grade, compare
from fhir_dmp.record.fr_core import BIRTH_PLACE, IDENTIFIER_TYPES, PATIENT, PATIENT_INS, rows, text
from fhir_dmp.record.identity import ins_c_of
from fhir_dmp.record.reliability import is_qualified
from fhir_dmp.record.traits import Traits, read_traits

_GIVEN = frozenset({
    "resourceType", "meta", "identifier", "name", "gender", "birthDate", "telecom", "address", "extension",
    "communication", "maritalStatus", "multipleBirthBoolean", "multipleBirthInteger",
})  # fmt: skip
"""What an opening takes of a Patient: who he is. Who reads his record, and its state, are decided apart."""
_TRAITS = ("https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-", BIRTH_PLACE)


@dataclass(frozen=True, slots=True)
class Known:
    """An identity that is here already."""

    patient_id: str
    traits: Traits
    is_open: bool
    is_qualified: bool
    is_replaced: bool
    """Whether another Patient took its place (Patient.link replaced-by)."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """An identity that may be the same person's, with its grade."""

    known: Known
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Finding:
    """`existing` is the one with the same matricule; `doubts` are those that may be the same, the likeliest first."""

    existing: Known | None
    doubts: tuple[Likeness, ...]
    is_contradictory: bool


def find_in(traits: Traits, known: Iterable[Known]) -> Finding:
    """Returns what an identity is among those that are here."""
    compared = [Likeness(one, compare(traits, one.traits)) for one in known if not one.is_replaced]
    same = [row.known for row in compared if row.comparison.grade is Grade.CERTAIN]
    doubts = [row for row in compared if row.comparison.grade in {Grade.PROBABLE, Grade.POSSIBLE}]
    is_contradictory = len(same) > 1 or any(row.comparison.is_contradictory for row in doubts)
    ordered = sorted(doubts, key=lambda row: (-row.comparison.score, row.known.patient_id))
    return Finding(same[0] if len(same) == 1 else None, tuple(ordered), is_contradictory)


def read_known(patient: JsonObject, *, is_open: bool) -> Known:
    """Returns the identity of a stored Patient."""
    links = [row for _, row in rows(patient.get("link"))]
    return Known(
        patient_id=text(patient, "id"),
        traits=read_traits(patient),
        is_open=is_open,
        is_qualified=is_qualified(patient),
        is_replaced=any(row.get("type") == "replaced-by" for row in links),
    )


def find_foreign_elements(patient: JsonObject) -> Iterator[Issue]:
    """Yields an issue for each element that an opening does not take: it would decide about access, or the record."""
    for name in sorted(patient.keys() - _GIVEN):
        yield _foreign(f"Patient.{name}")
    for place, extension in rows(patient.get("extension")):
        if not text(extension, "url").startswith(_TRAITS):
            yield _foreign(f"Patient.extension[{place}]")
    meta = patient.get("meta")
    for name in sorted(meta.keys() - {"profile"} if isinstance(meta, dict) else ()):
        yield _foreign(f"Patient.meta.{name}")


def open_patient(patient: JsonObject) -> JsonObject:
    """Returns the Patient with his record opened: active, under the profile of his identity, with his INS-C."""
    return with_computed(with_profile({**patient, "active": True}))


def with_profile(patient: JsonObject) -> JsonObject:
    """Returns the Patient with the profile that his identity has to meet."""
    meta = patient.get("meta") or {}
    wanted = PATIENT_INS if is_qualified(patient) else PATIENT
    others = [url for url in meta.get("profile", ()) if url.partition("|")[0] not in {PATIENT, PATIENT_INS}]
    return {**patient, "meta": {**meta, "profile": [wanted, *others]}}


def with_computed(patient: JsonObject) -> JsonObject:
    """Returns the Patient with the INS-C that his traits make, among his identifiers: so it is searched by."""
    computed, identifiers = ins_c_of(patient), [row for _, row in rows(patient.get("identifier"))]
    if not computed or any(row.get("system") == INS_C and row.get("value") == computed for row in identifiers):
        return patient
    added = {
        "use": "secondary",
        "type": {"coding": [{"system": IDENTIFIER_TYPES, "code": "INS-C", "display": _INS_C_DISPLAY}]},
        "system": INS_C,
        "value": computed,
    }
    return {**patient, "identifier": [*identifiers, added]}


_INS_C_DISPLAY = "Identifiant National de Santé Calculé"


def _foreign(at: str) -> Issue:
    return Issue("error", "opening-element", "An opening takes who the person is, and not this element.", at)
