"""Security facts: what access control has to know of one version of a resource, beside what search knows.

Marks are exact texts by kind:

    label      system|code of a security label, with the broader ones; without confidentiality, which is `rank`
    class      what Consent.provision.class may name: profiles, media types, formats, document types
    document   the code of a document's type
    code       system|code of every Coding of the content (https://hl7.org/fhir/R4/consent-definitions.html)
    author     who is responsible: references, and identifiers as system|value, also of contained resources; of a
               Subscription who subscribed
    recipient  of a Communication: to whom it is sent, in the same form
    actor      of a Consent: whom it names, in the same form, in whatever depth of its exceptions; of a Patient: whom
               extensions make his médecin traitant or administrator
    reference  every resource it refers to
    flag       several-patients

https://hl7.org/fhir/R4/security-labels.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.search.facts import DateFact, Mark, Security
from fhir_dmp.search.links import bare_link, patient_id, reference_texts
from fhir_dmp.search.sensitivity import (
    ACT_CODE,
    CONFIDENTIALITY,
    HIDDEN_FROM_PATIENT,
    NORMAL,
    VISIBILITY,
    broader,
    computed_label,
    rank_of,
    read_label,
)
from fhir_dmp.search.span import Span, parse_span

RPPS, NATIONAL_ID = "https://rpps.esante.gouv.fr", "urn:oid:1.2.250.1.71.4.2.1"
PROFILE, MEDIA_TYPE = "urn:ietf:rfc:3986", "urn:ietf:bcp:13"
SEVERAL_PATIENTS = "several-patients"
SUBSCRIBER = "https://fhir-dmp.fr/StructureDefinition/dmp-subscriber"
"""The extension that says whose a Subscription is; the server writes it."""

ATTENDING = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition/dmp-medecin-traitant"
ADMINISTRATOR = "https://fhir-dmp.fr/StructureDefinition/dmp-administrator"
"""A professional to whom the patient gave the rights of a médecin traitant."""

AUTHORS = {
    "AllergyIntolerance": ("recorder", "asserter"),
    "Appointment": (),
    "CarePlan": ("author",),
    "Claim": ("provider", "enterer"),
    "ClinicalImpression": ("assessor",),
    "Communication": ("sender",),
    "CommunicationRequest": ("requester",),
    "Composition": ("author",),
    "Condition": ("recorder", "asserter"),
    "DetectedIssue": ("author",),
    "DeviceRequest": ("requester",),
    "DiagnosticReport": ("performer", "resultsInterpreter"),
    "DocumentManifest": ("author",),
    "DocumentReference": ("author",),
    "Encounter": ("participant.individual",),
    "EpisodeOfCare": ("careManager",),
    "ExplanationOfBenefit": ("insurer",),
    "Flag": ("author",),
    "Goal": ("expressedBy",),
    "ImagingStudy": ("interpreter",),
    "Immunization": ("performer.actor",),
    "List": ("source",),
    "Media": ("operator",),
    "MedicationAdministration": ("performer.actor",),
    "MedicationDispense": ("performer.actor",),
    "MedicationRequest": ("requester",),
    "MedicationStatement": ("informationSource",),
    "NutritionOrder": ("orderer",),
    "Observation": ("performer",),
    "Procedure": ("performer.actor",),
    "Provenance": ("agent.who",),
    "QuestionnaireResponse": ("author",),
    "RiskAssessment": ("performer",),
    "ServiceRequest": ("requester",),
    "Specimen": ("collection.collector",),
    "Task": ("requester",),
    "VisionPrescription": ("prescriber",),
}
"""The elements that say who answers for a resource, by type."""
DEPOSIT = {"DocumentReference": "date", "DiagnosticReport": "issued", "Observation": "issued"}
"""The element that says when a resource was deposited, where one does; an update does not move it."""
_PATIENT_KEYS = ("patient", "subject", "for")
_NOT_CONTENT = frozenset({"meta", "extension", "modifierExtension", "identifier", "securityLabel", "text"})
_ADMINISTRATIVE_DATES = frozenset({"birthdate", "death-date"})

TextsOf = Callable[[str], tuple[str, ...]]


@dataclass(slots=True)
class Noticed:
    """What one walk over the JSON finds, in the order in which it is met."""

    codes: dict[Mark, None] = field(default_factory=dict)
    sensitivities: dict[str, None] = field(default_factory=dict)
    """What these codes alone make of the resource: see computed_label."""
    references: dict[str, None] = field(default_factory=dict)
    media_types: dict[str, None] = field(default_factory=dict)

    def add(self, other: Noticed) -> None:
        """Adds what was noticed elsewhere in the resource."""
        if other.codes:
            self.codes |= other.codes
            self.sensitivities |= other.sensitivities
        if other.references:
            self.references |= other.references
        if other.media_types:
            self.media_types |= other.media_types


def notice(name: str, value: Json, noticed: Noticed) -> None:
    """Adds what a property of a resource holds."""
    if type(value) is dict or type(value) is list:
        _visit(value, noticed, is_content=name not in _NOT_CONTENT)


def find_security(  # noqa: PLR0913  what is found once is not found twice
    resource: JsonObject,
    noticed: Noticed,
    *,
    patient: str | None,
    dates: Collection[DateFact],
    deposit: Milliseconds,
    base_url: str,
    resource_types: frozenset[str],
    zone: tzinfo,
) -> Security:
    """Returns the security facts of a resource, with what was noticed in its properties; `deposit` is when it came.

    What is not as its type asks has none.
    """

    def texts_of(reference: str) -> tuple[str, ...]:
        return reference_texts(reference, base_url, resource_types)

    references = dict.fromkeys(text for reference in noticed.references for text in texts_of(reference))
    labels, rank = _labels(resource, noticed)
    marks = [
        *(Mark("label", f"{system}|{code}") for system, code in labels),
        *(Mark("class", text) for text in _classes(resource, noticed)),
        *(Mark("document", code) for _, code in _codings(resource, "type") if _is_document(resource)),
        *noticed.codes,
        *(Mark("author", text) for text in _authors(resource, texts_of)),
        *(Mark("recipient", text) for text in _recipients(resource, texts_of)),
        *(Mark("actor", text) for text in _actors(resource, texts_of)),
        *(Mark("reference", text) for text in references),
        *([Mark("flag", SEVERAL_PATIENTS)] if _has_others(resource, references, patient) else []),
    ]
    is_held_back = (VISIBILITY, HIDDEN_FROM_PATIENT) in labels
    return Security(
        tuple(dict.fromkeys(marks)),
        rank,
        _hull(resource, dates, zone),
        a_month_after(deposit) if is_held_back else None,
    )


def outside_patient(resource: JsonObject, base_url: str) -> str | None:
    """Returns the patient of a resource whose type is outside the compartment but names one (Device, Task)."""
    for key in _PATIENT_KEYS:
        value = resource.get(key)
        text = value.get("reference") if type(value) is dict else None
        link = bare_link(base_url, text) if type(text) is str else ""
        if found := patient_id(link):
            return found
    return None


def a_month_after(at: Milliseconds) -> Milliseconds:
    """Returns the same time on the same day of the next month, or on its last day."""
    start = datetime.fromtimestamp(at / 1000, UTC)
    month = start.month % 12 + 1
    year = start.year + (month == 1)
    first_after = datetime(year + (month == 12), month % 12 + 1, 1, tzinfo=UTC)  # noqa: PLR2004  December
    day = min(start.day, (first_after - timedelta(days=1)).day)
    return at + (start.replace(year=year, month=month, day=day) - start) // timedelta(milliseconds=1)


def _visit(value: Json, noticed: Noticed, *, is_content: bool) -> None:
    if type(value) is list:
        for item in value:
            _visit(item, noticed, is_content=is_content)
    elif type(value) is dict:
        _note(value, noticed, is_content=is_content)
        for key, item in value.items():
            if type(item) is dict or type(item) is list:
                _visit(item, noticed, is_content=is_content and key not in _NOT_CONTENT)


def _note(value: JsonObject, noticed: Noticed, *, is_content: bool) -> None:
    reference, media_type = value.get("reference"), value.get("contentType")
    if type(reference) is str:
        noticed.references[reference] = None
    if type(media_type) is str:
        noticed.media_types[media_type.partition(";")[0].strip().lower()] = None
    code = value.get("code")
    # a Quantity has a code too: that of its unit
    if is_content and type(code) is str and "value" not in value and "unit" not in value:
        system = value.get("system")
        if type(system) is str:
            noticed.codes[Mark("code", f"{system}|{code}")] = None
            if label := computed_label(system, code):
                noticed.sensitivities[label] = None


def _labels(resource: JsonObject, noticed: Noticed) -> tuple[list[tuple[str, str]], int]:
    meta = resource.get("meta")
    written = [*_codings_of(meta.get("security") if type(meta) is dict else None), *_codings(resource, "securityLabel")]
    confidentiality = resource.get("confidentiality")
    if type(confidentiality) is str and resource["resourceType"] == "Composition":
        written.append((CONFIDENTIALITY, confidentiality))
    found = [read_label(system, code) for system, code in written]
    ranks = [rank_of(code) for system, code in found if system == CONFIDENTIALITY]
    found += [(ACT_CODE, label) for label in noticed.sensitivities]
    labels = [(system, above) for system, code in found if system != CONFIDENTIALITY for above in broader(system, code)]
    return labels, max(ranks, default=NORMAL)


def _classes(resource: JsonObject, noticed: Noticed) -> Iterator[str]:
    meta = resource.get("meta")
    profiles = meta.get("profile") if type(meta) is dict else None
    for profile in profiles if type(profiles) is list else ():
        if type(profile) is str:
            yield f"{PROFILE}|{profile.partition('|')[0]}"
    yield from (f"{MEDIA_TYPE}|{name}" for name in noticed.media_types)
    if _is_document(resource):
        both = [*_codings(resource, "type"), *_codings(resource, "category")]
        yield from (f"{system}|{code}" for system, code in both)
    for content in _objects(resource.get("content")):
        yield from (f"{system}|{code}" for system, code in _codings_of(content.get("format")))


def _is_document(resource: JsonObject) -> bool:
    return resource["resourceType"] in {"DocumentReference", "Composition", "DocumentManifest"}


def _authors(resource: JsonObject, texts_of: TextsOf) -> Iterator[str]:
    if resource["resourceType"] == "Subscription":
        own = [row for row in _objects(resource.get("extension")) if row.get("url") == SUBSCRIBER]
        yield from (f"{SUBSCRIBER}|{row.get('valueString')}" for row in own)
    named = ((item.get("id"), item) for item in _objects(resource.get("contained")))
    contained: dict[Json, JsonObject] = {name: item for name, item in named if type(name) is str}
    for path in AUTHORS.get(resource["resourceType"], ()):
        values: list[Any] = [resource]
        for key in path.split("."):
            values = [item for value in values for item in _objects(value.get(key))]
        for value in values:
            yield from _author_texts(value, contained, texts_of, depth=2)


def _recipients(resource: JsonObject, texts_of: TextsOf) -> Iterator[str]:
    if resource["resourceType"] == "Communication":
        for value in _objects(resource.get("recipient")):
            yield from _author_texts(value, {}, texts_of, depth=0)


def _actors(resource: JsonObject, texts_of: TextsOf) -> Iterator[str]:
    values: list[JsonObject] = []
    if resource["resourceType"] == "Consent":
        values = [value for row in _provisions(resource) for value in _references(row)]
    elif resource["resourceType"] == "Patient":
        named = [row for row in _objects(resource.get("extension")) if row.get("url") in (ATTENDING, ADMINISTRATOR)]
        values = [value for row in named for value in _objects(row.get("valueReference"))]
    for value in values:
        yield from _author_texts(value, {}, texts_of, depth=0)


def _references(provision: JsonObject) -> Iterator[JsonObject]:
    for actor in _objects(provision.get("actor")):
        yield from _objects(actor.get("reference"))


def _provisions(consent: JsonObject) -> Iterator[JsonObject]:
    """The root and all exceptions."""
    pending = list(_objects(consent.get("provision")))
    while pending:
        provision = pending.pop()
        yield provision
        pending += _objects(provision.get("provision"))


def _author_texts(
    value: JsonObject, contained: dict[Json, JsonObject], texts_of: TextsOf, *, depth: int
) -> Iterator[str]:
    """The texts of a Reference to an author; of a contained PractitionerRole also those of its practitioner."""
    yield from _identifiers(value.get("identifier"))
    reference = value.get("reference")
    if type(reference) is not str:
        return
    yield from texts_of(reference)
    inside = contained.get(reference[1:]) if reference.startswith("#") else None
    if inside and depth:
        yield from _identifiers(inside.get("identifier"))
        for key in ("practitioner", "organization"):
            for further in _objects(inside.get(key)):
                yield from _author_texts(further, contained, texts_of, depth=depth - 1)


def _identifiers(value: Json) -> Iterator[str]:
    for identifier in _objects(value):
        system, number = identifier.get("system"), identifier.get("value")
        if type(system) is str and type(number) is str:
            yield f"{system}|{number}"
            if system == NATIONAL_ID and number.startswith("8"):
                yield f"{RPPS}|{number[1:]}"


def _has_others(resource: JsonObject, references: Collection[str], patient: str | None) -> bool:
    """Tells whether it refers to a patient other than its own; to his other records a Patient may link."""
    if resource["resourceType"] == "Patient":
        return False
    return any(found not in {"", patient} for found in map(patient_id, references))


def _hull(resource: JsonObject, dates: Collection[DateFact], zone: tzinfo) -> tuple[Milliseconds, Milliseconds] | None:
    """The time that the content is about: of a document, and of a reimbursement, the care, where that is said."""
    if resource["resourceType"] == "ExplanationOfBenefit" and (care := list(_spans_of_care(resource, zone))):
        return min(low for low, _ in care), max(high for _, high in care)
    clinical = [date for date in dates if date.parameter not in _ADMINISTRATIVE_DATES]
    if resource["resourceType"] == "DocumentReference":
        clinical = [date for date in clinical if date.parameter == "period"] or clinical
    if not clinical:
        return None
    return min(date.low for date in clinical), max(date.high for date in clinical)


def _spans_of_care(benefit: JsonObject, zone: tzinfo) -> Iterator[Span]:
    """When the acts of an ExplanationOfBenefit were done; no search parameter tells it."""
    items = list(_objects(benefit.get("item")))
    periods = [benefit.get("billablePeriod"), *(item.get("servicedPeriod") for item in items)]
    written = [row.get(key) for period in periods for row in _objects(period) for key in ("start", "end")]
    for text in (*written, *(item.get("servicedDate") for item in items)):
        if type(text) is str and (span := parse_span(text, zone)):
            yield span


def _codings(resource: JsonObject, key: str) -> Iterator[tuple[str, str]]:
    """The codings of the CodeableConcepts under a key."""
    for concept in _objects(resource.get(key)):
        yield from _codings_of(concept.get("coding"))


def _codings_of(value: Json) -> Iterator[tuple[str, str]]:
    for coding in _objects(value):
        code, system = coding.get("code"), coding.get("system")
        if type(code) is str:
            yield system if type(system) is str else "", code


def _objects(value: Json) -> Iterator[JsonObject]:
    for item in value if type(value) is list else (value,):
        if type(item) is dict:
            yield item
