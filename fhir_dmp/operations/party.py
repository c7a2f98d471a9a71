"""A professional or a structure that a parameter names: by number (RPPS, FINESS, idNatSt…) or by reference.

It has to be in the directory: a choice about who is not there would be about nobody.
"""

from __future__ import annotations

import re
from dataclasses import replace

from fhir_dmp.access.closure import STRUCTURE_SYSTEMS
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import find_known_as, open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.parameters import Given, Inputs, missing
from fhir_dmp.operations.professional import Directory
from fhir_dmp.operations.record_act import as_server
from fhir_dmp.outcome import Category, error
from fhir_dmp.record.choices import Party
from fhir_dmp.record.lifecycle import PHYSICIAN
from fhir_dmp.search.links import bare_link
from fhir_dmp.search.query import LinkValue, TokenValue
from fhir_dmp.search.security import RPPS

NAME = "professional"
_TYPES = {"Practitioner": (RPPS,), "Organization": STRUCTURE_SYSTEMS}
_PERSONS = ("Practitioner",)
_RPPS = re.compile(r"[0-9]{11}")


async def read_party(context: Context, request: Request, inputs: Inputs, *, is_person: bool = False) -> Party:
    """Returns whom the parameter `professional` names; raises FhirError where it is nobody, or no professional."""
    given = inputs.one(NAME)
    if given is None:
        raise missing(NAME)
    directory = await open_directory(context, request)
    rows = await _find(directory, given, _PERSONS if is_person else tuple(_TYPES))
    if len(rows) != 1:
        message = "This is nobody of the directory: an RPPS number, SYSTEM|NUMBER of a structure, or a reference."
        raise error(Category.UNPROCESSABLE, "professional-unknown", message, given.at)
    return _build_party(rows[0], given.at)


async def with_all_names(context: Context, party: Party) -> Party:
    """Returns the party by all that Consents may name it by: a professional also by his roles."""
    return replace(party, texts=await find_known_as(context, party.texts))


async def open_directory(context: Context, request: Request) -> Directory:
    """Returns the directory as the server sees it: everyone does."""
    everyone = replace(as_server(request), resource_type="Practitioner", resource_id="")
    return Directory(context, await open_gate(context, everyone, "search-type"))


async def require_physician(directory: Directory, party: Party) -> None:
    """Raises FhirError where the directory has somebody in other professions than the physician's only."""
    link = LinkValue((str(party.reference["reference"]),))
    roles = await directory.find("PractitionerRole", "practitioner", link)
    professions = {code for role in roles for code in (await directory.situation(role)).professions}
    if professions and PHYSICIAN not in professions:
        raise error(Category.UNPROCESSABLE, "not-a-physician", "A médecin traitant is a physician.", party.at)


async def _find(directory: Directory, given: Given, types: tuple[str, ...]) -> list[JsonObject]:
    named = _identifier(given, types)
    if named:
        kind = "Practitioner" if named.system == RPPS else "Organization"
        return await directory.find(kind, "identifier", named) if kind in types else []
    link = bare_link(directory.context.base_url, _link(given))
    found = await directory.read(link) if link.partition("/")[0] in types else None
    return [found] if found and found.get("active") is not False else []


def _identifier(given: Given, types: tuple[str, ...]) -> TokenValue | None:
    """The number: an Identifier, in a Reference or alone, or the text `system|value`, or an RPPS number alone."""
    if isinstance(given.value, str):
        row = _read_number(given.value)
    else:
        row = given.value.get("identifier", {}) if given.type_name == "Reference" else given.value or {}
    known = {system for name in types for system in _TYPES[name]}
    return TokenValue(str(row["system"]), str(row.get("value", ""))) if row.get("system") in known else None


def _read_number(text: str) -> JsonObject:
    """The parts of `system|value`, or of an RPPS number alone; none of what is a link."""
    system, separator, value = text.partition("|")
    if separator:
        return {"system": system, "value": value}
    return {"system": RPPS, "value": text} if _RPPS.fullmatch(text) else {}


def _link(given: Given) -> str:
    return str(given.value.get("reference", "")) if isinstance(given.value, dict) else str(given.value)


def _build_party(row: JsonObject, at: str) -> Party:
    link = f"{row['resourceType']}/{row['id']}"
    systems = _TYPES[row["resourceType"]]
    numbers = [one for one in row.get("identifier", ()) if one.get("system") in systems and one.get("value")]
    texts = frozenset({link, *(f"{one['system']}|{one['value']}" for one in numbers)})
    named = {"identifier": {"system": numbers[0]["system"], "value": numbers[0]["value"]}} if numbers else {}
    return Party({"reference": link, **named}, texts, at)
