"""The value set or code system that a terminology operation is about: by canonical, in the call, or stored here."""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple
from zoneinfo import available_timezones

from fhir_dmp.conformance.rules import Rules
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.parameters import Inputs, missing
from fhir_dmp.operations.stored import read_stored
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.terminology.terminology import Terminology
from fhir_dmp.validation.validate import validate_structure

Kind = Literal["ValueSet", "CodeSystem"]
GIVEN = "urn:fhir-dmp:given"
"""Stands for the canonical of a definition that comes without one."""
MOST_STEPS = 500_000
"""Codes that the includes and filters of a value set that a client sends may look at: a second or two."""
_DECISIVE = ("url", "version", "content", "caseSensitive", "compose", "expansion", "concept", "property", "filter")


class Definition(NamedTuple):
    """A canonical, the terminology that knows it, and where it was found as such the resource."""

    terminology: Terminology
    canonical: str
    resource: JsonObject | None = None


async def find_definition(context: Context, request: Request, inputs: Inputs, kind: Kind, version: str) -> Definition:
    """Returns what the instance, the parameter `valueSet` or `codeSystem`, or the parameter `url` names.

    `version` is the name of the parameter with the version. Raises FhirError where none, or two, are named.
    """
    inline = f"{kind[0].lower()}{kind[1:]}"
    named = [name for name, is_there in _sources(request, inputs, inline).items() if is_there]
    if len(named) > 1:
        message = f"{' and '.join(named)} both name the {kind}: one will do."
        raise error(Category.INVALID_PARAMETER, "parameter-conflict", message)
    if request.resource_id:
        return await find_stored_definition(context, request, kind)
    rules = context.rules()
    given = inputs.resource(inline)
    if given is not None:
        return _read_given(context, rules, given, kind)
    url, wanted = inputs.text("url"), inputs.text(version)
    if not url:
        raise missing(f"url or {inline}")
    canonical = f"{url}|{wanted}" if wanted and "|" not in url else url
    return Definition(rules.terminology, canonical, rules.find(canonical))


async def find_stored_definition(context: Context, request: Request, kind: Kind) -> Definition:
    """Returns the stored definition that the URL names; raises FhirError (not found)."""
    return _read_given(context, context.rules(), await read_stored(context, request), kind)


def _sources(request: Request, inputs: Inputs, inline: str) -> dict[str, bool]:
    return {"the instance": bool(request.resource_id), inline: inline in inputs, "url": "url" in inputs}


def _read_given(context: Context, rules: Rules, resource: JsonObject, kind: Kind) -> Definition:
    if resource.get("resourceType") != kind:
        raise error(Category.MALFORMED, "resource-type", f"The definition has to be a {kind}.")
    issues = validate_structure(resource, context.schemas)
    if issues:
        raise FhirError(Category.MALFORMED, *issues)
    url, version = resource.get("url", GIVEN), resource.get("version")
    canonical = f"{url}|{version}" if version else url
    known = rules.find(canonical)
    if known and all(known.get(name) == resource.get(name) for name in _DECISIVE):
        return Definition(rules.terminology, canonical, resource)
    own = {**resource, "url": url}

    def look_up(wanted: str) -> JsonObject | None:
        return own if wanted in {url, canonical} else rules.find(wanted)

    return Definition(Terminology(look_up, time_zones=_time_zones(), most_steps=MOST_STEPS), canonical, own)


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())
