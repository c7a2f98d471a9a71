"""The sections of a patient summary: which resources of a record each is made of.

http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips (1.1.0). Each resource is judged by itself: `belongs`,
whether it is for the section, and `fits`, whether it has what the guide's profile of it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fhir_dmp.json_text import JsonObject
from fhir_dmp.resource import Version

Test = Callable[[JsonObject], bool]
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


@dataclass(frozen=True, slots=True)
class Section:
    """`code` is that of LOINC; `absent` the code of absent-unknown-uv-ips where a section has to be there anyway.

    `is_newest_only` keeps the newest resource of each code.
    """

    code: str
    display: str
    title: str
    types: tuple[str, ...]
    belongs: Test
    fits: Test
    absent: str = ""
    is_newest_only: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A resource of the record, read."""

    version: Version
    resource: JsonObject


def _codes(resource: JsonObject, key: str) -> set[str]:
    """The codes of a CodeableConcept, or of several."""
    found = resource.get(key, [])
    concepts = found if isinstance(found, list) else [found]
    return {str(row.get("code")) for concept in concepts for row in concept.get("coding", ())}


def _kind(resource: JsonObject) -> set[str]:
    """What kind of thing it is: what two of a kind have in common."""
    return _codes(resource, "code") or _codes(resource, "procedureCode")


def _has(resource: JsonObject, *names: str) -> bool:
    """Tells whether a choice of types has a value: `onset` of `onsetDateTime`."""
    return all(any(key.lstrip("_").startswith(name) for key in resource) for name in names)


def _is_refuted(resource: JsonObject) -> bool:
    return not _codes(resource, "verificationStatus").isdisjoint({"refuted", "entered-in-error"})


def _is_taken(resource: JsonObject) -> bool:
    return resource.get("status") in {"active", "intended", "on-hold", "unknown"}


def _is_dated_if_statement(resource: JsonObject) -> bool:
    return resource["resourceType"] != "MedicationStatement" or _has(resource, "effective")


def _is_allergy(resource: JsonObject) -> bool:
    return not _is_refuted(resource) and _codes(resource, "clinicalStatus").isdisjoint({"resolved", "inactive"})


def _is_active(resource: JsonObject) -> bool:
    return not _is_refuted(resource) and _codes(resource, "clinicalStatus").isdisjoint(_OVER)


def _is_past(resource: JsonObject) -> bool:
    return not _is_refuted(resource) and not _codes(resource, "clinicalStatus").isdisjoint(_OVER)


_OVER = {"inactive", "remission", "resolved"}


def _is_condition(resource: JsonObject) -> bool:
    return "clinicalStatus" in resource and "code" in resource


def _is_of(category: str) -> Test:
    def belongs(resource: JsonObject) -> bool:
        rows = [row for concept in resource.get("category", ()) for row in concept.get("coding", ())]
        is_of = any((row.get("system"), row.get("code")) == (_CATEGORY, category) for row in rows)
        return is_of and resource.get("status") in {"final", "amended", "corrected"}

    return belongs


def _is_result(resource: JsonObject) -> bool:
    return resource.get("status") == "final" and _has(resource, "effective") and "subject" in resource


def _is_done(resource: JsonObject) -> bool:
    return resource.get("status") not in {"entered-in-error", "cancelled", "not-done", "preparation", "registered"}


SECTIONS = (
    Section("48765-2", "Allergies and adverse reactions Document", "Allergies et intolérances", ("AllergyIntolerance",),
            _is_allergy, lambda _: True, "no-allergy-info"),
    Section("11450-4", "Problem list - Reported", "Problèmes de santé", ("Condition",), _is_active, _is_condition,
            "no-problem-info"),
    Section("10160-0", "History of Medication use Narrative", "Traitements",
            ("MedicationStatement", "MedicationRequest"), _is_taken, _is_dated_if_statement, "no-medication-info"),
    Section("11369-6", "History of Immunization Narrative", "Vaccinations", ("Immunization",),
            lambda row: row.get("status") == "completed", lambda row: _has(row, "occurrence")),
    Section("47519-4", "History of Procedures Document", "Actes", ("Procedure",),
            lambda row: row.get("status") in {"completed", "in-progress"}, lambda row: _has(row, "performed", "code")),
    Section("30954-2", "Relevant diagnostic tests/laboratory data Narrative", "Résultats d'examens", ("Observation",),
            _is_of("laboratory"), _is_result, is_newest_only=True),
    Section("8716-3", "Vital signs", "Constantes", ("Observation",), _is_of("vital-signs"), _is_result,
            is_newest_only=True),
    Section("11348-0", "History of Past illness Narrative", "Antécédents", ("Condition",), _is_past, _is_condition),
)  # fmt: skip
"""In the order of the guide: what must be there first."""

TYPES = frozenset(name for section in SECTIONS for name in section.types)


EXAMS = Section(
    "47519-4", "History of Procedures Document", "Examens et actes déjà réalisés",
    ("DiagnosticReport", "ImagingStudy", "Procedure"), _is_done, lambda _: True, is_newest_only=True,
)  # fmt: skip
"""What was done already: no section of the guide, for whoever is about to prescribe it once more."""


def groups_of(section: Section, parts: Iterable[Part]) -> list[list[Part]]:
    """Returns the resources that are for a section, each alone or with those of its code, in the order that they have.

    Those of one code are together where the section keeps the newest of each only.
    """
    groups: dict[object, list[Part]] = {}
    for part in parts:
        if part.resource["resourceType"] in section.types and section.belongs(part.resource):
            codes = frozenset(_kind(part.resource)) if section.is_newest_only else None
            groups.setdefault(codes or part.version.identity, []).append(part)
    return list(groups.values())


def parts_of(section: Section, parts: Iterable[Part]) -> Sequence[Part]:
    """Returns the resources that a section has, newest first where they come so."""
    return [group[0] for group in groups_of(section, parts)]
