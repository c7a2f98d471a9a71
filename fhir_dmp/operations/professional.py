"""Who an explanation is about: a professional by his RPPS number or by reference, as the directory has him.

A token is for one situation d'exercice, so is an explanation: of several the caller says which.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from fhir_dmp.access.closure import STRUCTURE_SYSTEMS
from fhir_dmp.access.requester import EXCLUDED_SPECIALTIES, Kind, Requester
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.audit.access import EMERGENCIES
from fhir_dmp.audit.code import PROFESSION, SPECIALTY, Mode
from fhir_dmp.interactions.context import Context
from fhir_dmp.json_text import Json, JsonObject, parse_json_object
from fhir_dmp.operations.parameters import Given, Inputs, missing
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.resource import Identity
from fhir_dmp.search.links import bare_link, split_reference
from fhir_dmp.search.query import Has, LinkValue, OfType, SearchQuery, TokenValue, all_of
from fhir_dmp.search.security import RPPS

KNOWN = ("professional", "profession", "organization", "mode", "reason", "regulator")
TREATMENT = "TREAT"
"""The purpose of use of the normal mode (v3-ActReason)."""
_RPPS_DIGITS = 11
_MANY = 100


class Situation(NamedTuple):
    """One situation d'exercice; `name` is the reference to its PractitionerRole."""

    name: str
    professions: frozenset[str]
    specialties: frozenset[str]
    organization: str


@dataclass(frozen=True, slots=True)
class Directory:
    """The professionals and structures, as far as who asks sees them."""

    context: Context
    restriction: Restriction

    async def read(self, reference: str) -> JsonObject | None:
        """Returns what a reference leads to, None where that is absent or hidden."""
        found = split_reference(reference, ("Practitioner", "PractitionerRole", "Organization"))
        if found is None:
            return None
        identity = Identity(found.resource_type, found.resource_id)
        version = (await self.context.reader.read((identity,), self.restriction)).get(identity)
        return parse_json_object(version.content) if version and version.content else None

    async def find(self, resource_type: str, parameter: str, value: TokenValue | LinkValue) -> list[JsonObject]:
        """Returns what has this value, and is not retired."""
        types = (resource_type,)
        query = SearchQuery(types, all_of([OfType(types), Has(resource_type, parameter, (value,))]), count=_MANY)
        page = await self.context.reader.search(query, self.restriction)
        rows = [parse_json_object(version.content) for version in page.versions if version.content]
        return [row for row in rows if row.get("active") is not False]

    async def situation(self, role: JsonObject) -> Situation:
        """Returns what a PractitionerRole says."""
        place = await self.read(self.link(role.get("organization")))
        codes = [code for concept in role.get("code", ()) for code in _codes(concept, PROFESSION)]
        specialties = [code for concept in role.get("specialty", ()) for code in _codes(concept, SPECIALTY)]
        name = f"PractitionerRole/{role['id']}"
        return Situation(name, frozenset(codes), frozenset(specialties), _number(place or {}, STRUCTURE_SYSTEMS))

    def link(self, value: Json) -> str:
        """Returns the text of a Reference, relative where it leads here."""
        text = value.get("reference") if isinstance(value, dict) else None
        return bare_link(self.context.base_url, text) if isinstance(text, str) else ""


async def read_professional(context: Context, restriction: Restriction, inputs: Inputs) -> Requester:
    """Returns the professional as he would ask; raises FhirError (invalid parameter) where it cannot be told who."""
    directory = Directory(context, restriction)
    rpps, situations = await _look_up(directory, inputs)
    situation = _choose(situations, inputs.text("profession"), inputs.text("organization"))
    mode = read_mode(inputs)
    regulates = inputs.boolean("regulator")
    return Requester(
        kind=Kind.PRACTITIONER if EXCLUDED_SPECIALTIES.isdisjoint(situation.specialties) else Kind.EXCLUDED,
        name=f"rpps:{rpps}",
        rpps=rpps,
        profession=next(iter(situation.professions)),
        organization=situation.organization,
        is_regulator=mode is Mode.REGULATION if regulates is None else regulates,
        purposes=frozenset({EMERGENCIES.get(mode, TREATMENT)}),
        reason=inputs.text("reason"),
        issued_at=context.now(),
    )


def read_mode(inputs: Inputs) -> Mode:
    """Returns how the record is opened."""
    text = inputs.text("mode") or Mode.NORMAL.value
    try:
        return Mode(text)
    except ValueError:
        known = ", ".join(mode.value for mode in Mode)
        raise error(Category.INVALID_PARAMETER, "parameter-value", f"mode has to be one of {known}.") from None


def read_reference(context: Context, given: Given) -> str:
    """Returns a reference in a parameter, relative where it leads here: a Reference, or its text."""
    value = given.value.get("reference") if given.type_name == "Reference" else given.value
    if not isinstance(value, str) or not value:
        message = f"{given.name[:64]} has to be a reference such as Type/id."
        raise error(Category.INVALID_PARAMETER, "parameter-value", message, given.at)
    return bare_link(context.base_url, value)


async def _look_up(directory: Directory, inputs: Inputs) -> tuple[str, list[Situation]]:
    """His RPPS number, and his situations d'exercice: of a PractitionerRole this one."""
    given = inputs.one("professional")
    if given is None:
        raise missing("professional")
    text = _identifier(given) or read_reference(directory.context, given)
    if text.isascii() and text.isdigit() and len(text) == _RPPS_DIGITS:
        persons = await directory.find("Practitioner", "identifier", TokenValue(RPPS, text))
        return text, await _situations(directory, persons)
    resource = await directory.read(text) or {}
    is_role = resource.get("resourceType") == "PractitionerRole"
    person = (await directory.read(directory.link(resource.get("practitioner"))) or {}) if is_role else resource
    rpps = _number(person, (RPPS,)) if person.get("resourceType") == "Practitioner" else ""
    if not rpps:
        message = "professional has to be an RPPS number of 11 digits, or lead to a professional who has one here."
        raise error(Category.INVALID_PARAMETER, "professional-unknown", message, given.at)
    return rpps, [await directory.situation(resource)] if is_role else await _situations(directory, [person])


def _identifier(given: Given) -> str:
    """An RPPS number that is an Identifier, or in a logical reference."""
    row = given.value.get("identifier") if given.type_name == "Reference" else given.value
    is_rpps = isinstance(row, dict) and row.get("system") == RPPS
    return str(row.get("value", "")) if is_rpps else ""


async def _situations(directory: Directory, persons: Iterable[JsonObject]) -> list[Situation]:
    links = tuple(f"Practitioner/{person['id']}" for person in persons)
    roles = await directory.find("PractitionerRole", "practitioner", LinkValue(links)) if links else []
    return [await directory.situation(role) for role in roles]


def _choose(situations: Iterable[Situation], profession: str, organization: str) -> Situation:
    """The one situation that is meant. What is given goes before what the directory has."""
    found = [row for row in situations if organization in {"", row.organization}]
    found = [row for row in found if not profession or profession in row.professions]
    if profession and (organization or not found):
        specialties = frozenset(code for row in found for code in row.specialties)
        return Situation("", frozenset({profession}), specialties, organization)
    distinct = {(row.professions, row.organization): row for row in found}
    if len(distinct) > 1:
        raise _ambiguous(found)
    chosen = next(iter(distinct.values()), None)
    professions = frozenset({profession}) if profession else chosen.professions if chosen else frozenset()
    if chosen is None or len(professions) != 1:
        raise missing("profession")
    return chosen._replace(professions=professions)


def _ambiguous(found: Iterable[Situation]) -> FhirError:
    names = ", ".join(sorted(row.name for row in found))
    message = (
        f"This professional has several situations d'exercice: name one of {names}, or profession and organization."
    )
    return error(Category.INVALID_PARAMETER, "professional-ambiguous", message)


def _codes(concept: Json, system: str) -> list[str]:
    rows = concept.get("coding", ()) if isinstance(concept, dict) else ()
    return [row["code"] for row in rows if row.get("system") == system and "code" in row]


def _number(resource: JsonObject, systems: tuple[str, ...]) -> str:
    rows = resource.get("identifier", ())
    return next((row["value"] for row in rows if row.get("system") in systems and "value" in row), "")
