"""Whom a person lets read when his record is opened: the parameter `authorized`, References to who gives care.

A professional records consent for himself and his structure (CSP L1111-17 II); the holder and the fund for anyone.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.access.closure import STRUCTURE_SYSTEMS
from fhir_dmp.access.requester import Kind
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import inquire, open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.parameters import Given, Inputs
from fhir_dmp.operations.professional import Directory
from fhir_dmp.operations.record_act import as_server
from fhir_dmp.outcome import Category, error
from fhir_dmp.search.links import relative_to
from fhir_dmp.search.query import TokenValue
from fhir_dmp.search.security import RPPS

MOST = 20
"""How many may be let in at once."""
_TYPES = ("Practitioner/", "PractitionerRole/", "Organization/")


async def read_authorised(context: Context, request: Request, inputs: Inputs) -> list[tuple[JsonObject, str]]:
    """Returns the References with their places in the body; raises FhirError where one is not for him to name.

    Who is in the directory is named by reference beside his number: by both, what is open to him is found.
    """
    given = inputs.all("authorized")
    if len(given) > MOST:
        raise error(Category.INVALID_PARAMETER, "parameter-repeated", f"authorized may appear {MOST} times.")
    if not given:
        return []
    directory = replace(as_server(request), resource_type="Practitioner", resource_id="")
    restriction = await open_gate(context, directory, "search-type")
    found = [(await _read(context, Directory(context, restriction), one), one.at) for one in given]
    await _check(context, request, found)
    return found


async def _check(context: Context, request: Request, found: list[tuple[JsonObject, str]]) -> None:
    if request.requester.kind is not Kind.PRACTITIONER:
        return
    party = (await inquire(context, request, "create")).closure
    for reference, at in found:
        if _texts(reference).isdisjoint(party.own | party.organizations):
            message = "A professional records the consent for himself and his structure only."
            raise error(Category.FORBIDDEN, "not-allowed", message, at)


async def _read(context: Context, directory: Directory, given: Given) -> JsonObject:
    value = given.value if given.type_name == "Reference" else {}
    link = relative_to(context.base_url, str(value.get("reference", "")))
    identifier = value.get("identifier") or {}
    system, number = identifier.get("system"), identifier.get("value")
    if link.startswith(_TYPES) and link.count("/") == 1:
        return {"reference": link}
    if not link and number and system in (RPPS, *STRUCTURE_SYSTEMS):
        kind = "Practitioner" if system == RPPS else "Organization"
        rows = await directory.find(kind, "identifier", TokenValue(system, number))
        named = {"reference": f"{kind}/{rows[0]['id']}"} if len(rows) == 1 else {"type": kind}
        return {**named, "identifier": {"system": system, "value": number}}
    message = "authorized has to be a Reference to a Practitioner, PractitionerRole or Organization, or its number."
    raise error(Category.INVALID_PARAMETER, "parameter-value", message, given.at)


def _texts(reference: JsonObject) -> frozenset[str]:
    """The texts by which someone is known: what he is compared by is his number, where it is given."""
    identifier = reference.get("identifier")
    if identifier:
        return frozenset({f"{identifier['system']}|{identifier['value']}"})
    return frozenset({reference["reference"]})
