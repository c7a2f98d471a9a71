"""A Header → a DocumentReference, as PDSm's comprehensive profile has it: whoever stands in the header is contained.

https://interop.esante.gouv.fr/ig/fhir/pdsm, https://hl7.org/fhir/R4/documentreference.html#6.14.8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from fhir_dmp.cda.facts import Code, Header, Id, Name, Party, Person, Structure
from fhir_dmp.cda.systems import FINESS, PROFESSIONAL, STRUCTURE, URI
from fhir_dmp.json_text import JsonObject
from fhir_dmp.record.document_type import CLASS
from fhir_dmp.search.security import RPPS
from fhir_dmp.search.sensitivity import CONFIDENTIALITY, VISIBILITY

PROFILE = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-comprehensive-document-reference"
CONTENT_TYPE = "text/xml"
"""The MIME type of a CDA document in the DMP."""
_ORDER = "urn:ihe:iti:xds:2013:order"
_RPPS = re.compile(r"8(\d{11})", re.ASCII)
_FINESS = re.compile(r"1([0-9AB]{9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stored:
    """The document as it is stored: where, how large, its SHA-1 in base64, and when it is deposited (an instant)."""

    url: str
    size: int
    digest: str
    deposited: str


def build_document(header: Header, stored: Stored, visibility: Iterable[str] = ()) -> JsonObject:
    """Returns the DocumentReference of a document, with further labels of TRE_A07 where the depositor names some.

    Its subject is a conditional reference, by the INS. What it replaces is for the store to tell. Its date is that of
    the deposit, from which a hold-back counts (CSP R1111-53); when it was written is its content's.
    """
    contained = list(_contain(header))
    references: list[JsonObject] = [{"reference": f"#author-{index}"} for index, _ in enumerate(header.authors)]
    signed = next((index for index, row in enumerate(header.authors) if _is_same(row, header.authenticator)), None)
    return {
        "resourceType": "DocumentReference",
        "meta": {"profile": [PROFILE]},
        "contained": contained,
        "masterIdentifier": _identify(header.identifier),
        "status": "current",
        "type": _concept(header.type),
        "category": [{"coding": [{"system": CLASS, "code": header.class_code}]}],
        "subject": {"reference": f"Patient?identifier={header.patient.ins.system}|{header.patient.ins.value}"},
        "date": stored.deposited,
        "author": references,
        "authenticator": references[signed] if signed is not None else {"reference": "#authenticator"},
        "custodian": {"reference": "#custodian"},
        "securityLabel": list(_label(header, visibility)),
        "content": [{"attachment": _attach(header, stored), "format": _coding(*header.format)}],
        "context": _build_context(header),
    }


def _label(header: Header, visibility: Iterable[str]) -> Iterator[JsonObject]:
    yield {"coding": [_coding(CONFIDENTIALITY, header.confidentiality)]}
    for code in visibility:
        yield {"coding": [_coding(VISIBILITY, code)]}


def _attach(header: Header, stored: Stored) -> JsonObject:
    return {
        "contentType": CONTENT_TYPE,
        "language": header.language,
        "url": stored.url,
        "size": stored.size,
        "hash": stored.digest,
        "title": header.title,
        "creation": header.created,
    }


def _build_context(header: Header) -> JsonObject:
    orders: list[JsonObject] = [
        {"identifier": {"type": {"coding": [_coding(URI, _ORDER)]}, **_identify(order)}} for order in header.orders
    ]
    return {
        **({"event": [_concept(event) for event in header.events]} if header.events else {}),
        "period": {"start": header.start, **({"end": header.end} if header.end else {})},
        "facilityType": _concept(header.facility),
        "practiceSetting": _concept(header.setting),
        "sourcePatientInfo": {"reference": "#patient"},
        **({"related": orders} if orders else {}),
    }


def _contain(header: Header) -> Iterator[JsonObject]:
    yield _contain_patient(header.patient)
    yield _contain_structure(header.custodian, "custodian")
    for index, author in enumerate(header.authors):
        yield from _contain_party(author, f"author-{index}")
    if not any(_is_same(author, header.authenticator) for author in header.authors):
        yield from _contain_party(header.authenticator, "authenticator")


def _is_same(party: Party, other: Party) -> bool:
    """Who signed is the author where he has the same numbers: he is contained once."""
    return bool(party.ids) and set(party.ids) == set(other.ids)


def _contain_patient(person: Person) -> JsonObject:
    return {
        "resourceType": "Patient",
        "id": "patient",
        "identifier": [_identify(row) for row in (person.ins, *person.ids)],
        **_name(person.name),
        "gender": person.gender,
        **({"birthDate": person.birth_date} if person.birth_date else {}),
    }


def _contain_structure(structure: Structure, name: str) -> JsonObject:
    return {
        "resourceType": "Organization",
        "id": name,
        **_identifiers(structure.ids),
        **({"name": structure.name} if structure.name else {}),
    }


def _contain_party(party: Party, name: str) -> Iterator[JsonObject]:
    """A PractitionerRole of a Practitioner in an Organization, or a Device; the organization may be all there is."""
    organization = {"reference": f"#{name}-structure"}
    if party.structure:
        yield _contain_structure(party.structure, organization["reference"][1:])
    if party.name is None and party.device:
        owner = {"owner": organization} if party.structure else {}
        names = [{"name": party.device, "type": "model-name"}]
        yield {"resourceType": "Device", "id": name, **_identifiers(party.ids), "deviceName": names, **owner}
        return
    practitioner = {"reference": f"#{name}-person"}
    codes = [code for code in (party.profession, party.role) if code]
    if party.name:
        person = {"resourceType": "Practitioner", "id": practitioner["reference"][1:], **_identifiers(party.ids)}
        yield {**person, **_name(party.name)}
    yield {
        "resourceType": "PractitionerRole",
        "id": name,
        **({} if party.name else _identifiers(party.ids)),
        **({"practitioner": practitioner} if party.name else {}),
        **({"organization": organization} if party.structure else {}),
        **({"code": [_concept(code) for code in codes]} if codes else {}),
    }


def _name(name: Name) -> JsonObject:
    parts = {"family": name.family, "given": name.given, "prefix": name.prefix, "suffix": name.suffix}
    found = {key: value if isinstance(value, str) else list(value) for key, value in parts.items() if value}
    return {"name": [found]} if found else {}


def _identifiers(ids: Iterable[Id]) -> JsonObject:
    found = [_identify(row) for given in ids for row in _spell(given)]
    return {"identifier": found} if found else {}


def _spell(given: Id) -> Iterator[Id]:
    """A national identifier, and the number that it was made of, by which people and structures are known here."""
    yield given
    forms = {PROFESSIONAL: (_RPPS, RPPS), STRUCTURE: (_FINESS, FINESS)}
    form, system = forms.get(given.system, (None, ""))
    if form and (found := form.fullmatch(given.value)):
        yield replace(given, system=system, value=found[1])


def _identify(identifier: Id) -> JsonObject:
    return {"system": identifier.system, "value": identifier.value}


def _concept(code: Code) -> JsonObject:
    return {"coding": [_coding(code.system, code.code)], **({"text": code.text} if code.text else {})}


def _coding(system: str, code: str) -> JsonObject:
    return {"system": system, "code": code}
