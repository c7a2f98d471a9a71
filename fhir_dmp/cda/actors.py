"""Who stands in a header: patient, authors, who signed, custodian. CI-SIS, « Structuration minimale », en-tête."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import tzinfo

from fhir_dmp.cda.facts import Code, Id, Name, Party, Person, Structure
from fhir_dmp.cda.faults import Faults
from fhir_dmp.cda.node import Node
from fhir_dmp.cda.systems import INS, URI, system_of
from fhir_dmp.ins.matricule import parse_matricule

_OID = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_GENDERS = {"M": "male", "F": "female", "U": "unknown", "UN": "unknown"}
_DAY = len("2026-06-12")


def read_id(node: Node, faults: Faults) -> Id:
    """Returns an identifier: of a root alone, that as a URI; else the extension in the domain of the root."""
    root, extension = faults.need_value(node, "root"), node.value("extension")
    is_uuid = _UUID.fullmatch(root) is not None
    if root and not is_uuid and not _OID.fullmatch(root):
        faults.add(node, f"'{root[:64]}' is neither an OID nor a UUID")
    uri = f"urn:uuid:{root.lower()}" if is_uuid else f"urn:oid:{root}"
    return Id(uri, extension) if extension else Id(URI, uri)


def read_code(node: Node, faults: Faults) -> Code:
    """Returns a coded value; it has to have a code and its system."""
    code, system = faults.need_value(node, "code"), faults.need_value(node, "codeSystem")
    return Code(system_of(system), code, node.value("displayName"))


def read_patient(root: Node, faults: Faults, zone: tzinfo) -> Person:
    """Returns the one patient, who has one matricule INS."""
    targets = list(root.all("recordTarget"))
    if len(targets) > 1:
        faults.add(targets[1], "a document is about one patient")
    role = faults.need(root, "recordTarget/patientRole")
    ids = [(node, read_id(node, faults)) for node in role.all("id")]
    numbers = [(node, found) for node, found in ids if found.system in INS]
    if len(numbers) != 1:
        faults.add(role, f"<patientRole> has {len(numbers) or 'no'} matricule INS; it has one", "id", "required")
    for node, found in numbers:
        if parse_matricule(found.value) is None:
            faults.add(node, "a matricule INS is 13 characters and a key of two digits")
    person = faults.need(role, "patient")
    birth = person.first("birthTime")
    gender = person.first("administrativeGenderCode")
    return Person(
        ins=numbers[0][1] if numbers else Id("", ""),
        ids=tuple(found for _, found in ids if found.system not in INS),
        name=_read_name(faults.need(person, "name")),
        gender=_GENDERS.get(gender.value("code"), "unknown") if gender else "unknown",
        birth_date=faults.read_moment(birth, zone)[:_DAY] if birth else "",
    )


def read_authors(root: Node, faults: Faults) -> tuple[Party, ...]:
    """Returns the authors, one at least."""
    faults.need(root, "author")
    return tuple(
        _read_party(faults.need(author, "assignedAuthor"), author.first("functionCode"), faults)
        for author in root.all("author")
    )


def read_authenticator(root: Node, faults: Faults) -> Party:
    """Returns who is responsible by law."""
    return _read_party(faults.need(root, "legalAuthenticator/assignedEntity"), None, faults)


def read_custodian(root: Node, faults: Faults) -> Structure:
    """Returns the organization that keeps the document."""
    found = faults.need(root, "custodian/assignedCustodian/representedCustodianOrganization")
    faults.need(found, "id")
    return _read_structure(found, faults)


def _read_party(entity: Node, role: Node | None, faults: Faults) -> Party:
    faults.need(entity, "id")
    structure, code = entity.first("representedOrganization"), entity.first("code")
    name, device = entity.first("assignedPerson/name"), entity.first("assignedAuthoringDevice")
    if name is None and device is None and structure is None:
        faults.add(entity, f"<{entity.name}> is neither a person, nor a device, nor an organization", "", "required")
    return Party(
        ids=tuple(read_id(node, faults) for node in entity.all("id")),
        name=_read_name(name) if name else None,
        device=" ".join(_texts(device, "manufacturerModelName", "softwareName")) if device else "",
        profession=read_code(code, faults) if code else None,
        role=read_code(role, faults) if role and "nullFlavor" not in role.attributes else None,
        structure=_read_structure(structure, faults) if structure else None,
    )


def _read_structure(node: Node, faults: Faults) -> Structure:
    return Structure(tuple(read_id(row, faults) for row in node.all("id")), next(_texts(node, "name"), ""))


def _read_name(node: Node) -> Name:
    """A name; of several family names the one of birth (BR), which the matricule belongs to."""
    families = sorted(node.all("family"), key=lambda row: "BR" not in row.value("qualifier").split())
    given = sorted(node.all("given"), key=lambda row: "BR" not in row.value("qualifier").split())
    return Name(
        family=next((row.text for row in families if row.text), ""),
        given=tuple(row.text for row in given if row.text),
        prefix=tuple(_texts(node, "prefix")),
        suffix=tuple(_texts(node, "suffix")),
    )


def _texts(node: Node, *names: str) -> Iterator[str]:
    return (row.text for name in names for row in node.all(name) if row.text)
