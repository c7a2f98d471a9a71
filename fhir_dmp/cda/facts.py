"""What the header of a CDA document says, in FHIR's words: Header and its parts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Id:
    """An instance identifier (II): system and value as FHIR's Identifier has them."""

    system: str
    value: str


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value (CE): `text` is the name that the document gives it, "" of none."""

    system: str
    code: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Name:
    """A name of a person (PN)."""

    family: str = ""
    given: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Structure:
    """An organization: an author's, or the custodian."""

    ids: tuple[Id, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Party:
    """Who wrote or signed: a person by name, or a device by its model or software.

    `profession` is assignedAuthor/code (TRE_A02), `role` is functionCode.
    """

    ids: tuple[Id, ...]
    name: Name | None
    device: str
    profession: Code | None
    role: Code | None
    structure: Structure | None


@dataclass(frozen=True, slots=True)
class Person:
    """The patient as the document knows him: `ins` is the matricule, `ids` the others."""

    ins: Id
    ids: tuple[Id, ...]
    name: Name
    gender: str
    birth_date: str


@dataclass(frozen=True, slots=True)
class Header:
    """All that becomes metadata. Times are FHIR dateTimes, `created` an instant; `end`, `replaced` may be absent."""

    identifier: Id
    type: Code
    class_code: str
    title: str
    created: str
    confidentiality: str
    language: str
    format: tuple[str, str]
    patient: Person
    authors: tuple[Party, ...]
    authenticator: Party
    custodian: Structure
    events: tuple[Code, ...]
    start: str
    end: str
    facility: Code
    setting: Code
    replaced: Id | None
    orders: tuple[Id, ...]
