"""DocumentReferences of the DMP and their content: type, class, author, visibility, a Binary with a PDF or a text.

Types and classes are of JDV_J66 and JDV_J57, visibility of TRE_A07; hospitals publish as PDSm says, with what they
name contained: https://interop.esante.gouv.fr/ig/fhir/pdsm
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fhir_dmp.generation.chance import happens
from fhir_dmp.generation.codes import FR_CORE_CODES, HL7, IDENTIFIER_PRN, RPPS, coding, concept, nos
from fhir_dmp.generation.links import refer
from fhir_dmp.generation.narrative import narrate
from fhir_dmp.generation.paris import write_day, write_instant
from fhir_dmp.generation.patient import build_matricule
from fhir_dmp.generation.pdf import write_pdf
from fhir_dmp.generation.person import as_civil_name
from fhir_dmp.generation.professionals import Professional
from fhir_dmp.generation.record import Record
from fhir_dmp.json_text import JsonObject

_COMPREHENSIVE = {
    "profile": ["https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-comprehensive-document-reference"]
}
_CLASS = nos("TRE_A03-ClasseDocument")
_VISIBILITY = nos("TRE_A07-StatutVisibiliteDocument")
_FORMAT = nos("TRE_A11-IheFormatCode")
_PDF = ("application/pdf", coding(_FORMAT, "urn:ihe:iti:xds-sd:pdf:2008"))
_TEXT = ("text/plain; charset=UTF-8", coding(_FORMAT, "urn:ihe:iti:xds-sd:text:2008"))
_OWN_WORDS = concept(coding(nos("TRE_A00-ProducteurDocNonPS"), "EXP_PATIENT", "Expression personnelle du patient"))
_RESTRICTED = coding(f"{HL7}v3-Confidentiality", "R", "restricted")
NORMAL = [concept(coding(f"{HL7}v3-Confidentiality", "N", "normal"))]
_RPPS_TYPE = concept(coding(f"{FR_CORE_CODES}fr-core-cs-v2-0203", "RPPS"), IDENTIFIER_PRN)
_HIDDEN = ("MASQUE_PS", "Masqué aux professionnels de santé")
_WITHHELD = ("INVISIBLE_PATIENT", "Non visible par le patient")
_FROM_PARENTS = ("INVISIBLE_REPRESENTANTS_LEGAUX", "Non visible par les représentants légaux du patient")
_MONTH = timedelta(days=30)
_OWN_SECRETS = 12
_FIRST_YEAR = 2021


@dataclass(frozen=True, slots=True)
class Filing:
    """A document that is fed. `author` is None where it is the patient or insurer; `encounter` where there was none."""

    kind: str
    day: date
    minute: int
    title: str
    lines: Sequence[str]
    author: Professional | None = None
    encounter: JsonObject | None = None
    is_published: bool = False
    is_insurers: bool = False


def is_deposited(record: Record, kind: str, day: date) -> bool:
    """Tells whether a document of a kind, of a day, is fed: the share grows from year to year."""
    shares: list[float] = record.tables.care["deposits"][kind]
    return happens(record.chance, shares[min(max(day.year - _FIRST_YEAR, 0), len(shares) - 1)])


def add_document(record: Record, filing: Filing) -> JsonObject:
    """Adds a document and its content, and returns a reference to the DocumentReference."""
    document_id = record.new_id()
    content_type, form = _PDF if filing.author else _TEXT
    data = _write(record, filing)
    binary = record.add("Binary", {
        "contentType": content_type,
        "securityContext": refer(record.links, "DocumentReference", document_id),
        "data": b64encode(data).decode(),
    })  # fmt: skip
    body = _build_document(record, filing, document_id)
    body["content"] = [{"attachment": _build_attachment(filing, content_type, binary, data), "format": form}]
    reference = record.add("DocumentReference", body, document_id)
    record.documents.append({"reference": reference, "title": filing.title})
    return reference


def _build_document(record: Record, filing: Filing, document_id: str) -> JsonObject:
    system, code, display, text, class_code, class_display = record.tables.care["documents"][filing.kind]
    is_published = filing.is_published and bool(record.matricule)
    author = filing.author
    return {
        **({"meta": _COMPREHENSIVE} if is_published else {}),
        "text": narrate(f"{filing.title}, {author.name if author else record.person.name}."),
        **({"contained": _contain(record, author)} if is_published and author else {}),
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": _write_oid(document_id), "use": "usual"},
        "identifier": [{"use": "official", "system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{document_id}"}],
        "status": "current",
        "type": concept(coding(system, code, display), text=text),
        "category": [concept(coding(_CLASS, class_code, class_display))],
        **record.of_patient(),
        "date": write_instant(filing.day, filing.minute),
        "author": [_name_author(record, filing, is_contained=is_published)],
        "custodian": (author.structure if author else record.payer).reference,
        "securityLabel": _draw_visibility(record, filing.day),
        "content": [],
        "context": _build_context(filing, is_published=is_published),
    }


def _write(record: Record, filing: Filing) -> bytes:
    person = record.person
    born = f"{'né' if person.is_male else 'née'} le {write_day(person.birth)}"
    signed = filing.author.name if filing.author else record.payer.name if filing.is_insurers else person.name
    lines = [filing.title, "", f"Patient : {person.name}, {born}", "", *filing.lines, "", signed]
    return write_pdf(lines) if filing.author else "\n".join(lines).encode()


def _build_attachment(filing: Filing, content_type: str, binary: JsonObject, data: bytes) -> JsonObject:
    """Builds the attachment; its hash is SHA-1, as FHIR has it."""
    digest = hashlib.sha1(data, usedforsecurity=False).digest()
    return {
        "contentType": content_type,
        "language": "fr-FR",
        "url": binary["reference"],
        "size": len(data),
        "hash": b64encode(digest).decode(),
        "title": filing.title,
        "creation": write_instant(filing.day, filing.minute),
    }


def _build_context(filing: Filing, *, is_published: bool) -> JsonObject:
    structure = filing.author.structure if filing.author else None
    place = {
        "facilityType": structure.facility if structure else _OWN_WORDS,
        "practiceSetting": structure.setting if structure else _OWN_WORDS,
    }
    return {
        **({"encounter": [filing.encounter]} if filing.encounter else {}),
        "period": {"start": filing.day.isoformat()},
        **({} if filing.is_insurers else place),
        **({"sourcePatientInfo": {"reference": "#patient"}} if is_published else {}),
    }


def _name_author(record: Record, filing: Filing, *, is_contained: bool) -> JsonObject:
    author = filing.author
    if filing.is_insurers:
        return record.payer.reference
    if author is None:
        return record.guardians[0] if record.guardians else record.subject
    return {**author.author, "reference": "#auteur"} if is_contained else author.author


def _contain(record: Record, author: Professional) -> list[JsonObject]:
    person = record.person
    family, given = as_civil_name(person.family), as_civil_name(person.given[0])
    patient: JsonObject = {
        "resourceType": "Patient",
        "id": "patient",
        "text": narrate(f"{given} {family}, matricule INS de test {record.matricule}."),
        "identifier": [build_matricule(record.matricule)],
        "name": [{"use": "official", "family": family, "given": [given]}],
        "gender": "male" if person.is_male else "female",
        "birthDate": person.birth.isoformat(),
    }
    number: JsonObject = {"type": _RPPS_TYPE, "system": RPPS, "value": author.rpps}
    practitioner: JsonObject = {
        "resourceType": "Practitioner",
        "id": "auteur",
        "text": narrate(f"{author.name}, RPPS {author.rpps}."),
        "identifier": [number],
        "name": [{"family": author.family, "given": [author.given]}],
    }
    return [patient, practitioner]


def _draw_visibility(record: Record, day: date) -> list[JsonObject]:
    """Draws who sees a document: nearly always all; one not announced yet is recent."""
    chance, person = record.chance, record.person
    if happens(chance, record.share("consents", "hidden_document")):
        return _label(_HIDDEN)
    if day > record.until - _MONTH and happens(chance, record.share("consents", "withheld_document")):
        return _label(_WITHHELD)
    is_own = person.is_minor and person.age >= _OWN_SECRETS
    if is_own and happens(chance, record.share("consents", "hidden_from_parents")):
        return _label(_FROM_PARENTS)
    return NORMAL


def _label(visibility: tuple[str, str]) -> list[JsonObject]:
    return [concept(coding(_VISIBILITY, *visibility), _RESTRICTED)]


def _write_oid(document_id: str) -> str:
    """Returns a UUID as an OID, ITU-T X.667."""
    return f"urn:oid:2.25.{int(document_id.replace('-', ''), 16)}"
