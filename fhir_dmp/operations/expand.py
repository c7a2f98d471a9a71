"""$expand: the codes of a value set, https://hl7.org/fhir/R4/valueset-operation-expand.html.

Expansions are flat and hold no post-coordinated codes: `excludeNested` and `excludePostCoordinated` change nothing.
"""

from __future__ import annotations

from fhir_dmp.instant import write_instant
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.definition import GIVEN, Definition, find_definition
from fhir_dmp.operations.parameters import Inputs, answer, read_inputs
from fhir_dmp.outcome import Category, error
from fhir_dmp.terminology.expansion import ExpansionParameters

_KNOWN = (
    "url", "valueSet", "valueSetVersion", "filter", "offset", "count", "includeDesignations", "includeDefinition",
    "activeOnly", "displayLanguage", "excludeNested", "excludePostCoordinated",
)  # fmt: skip
_FLAGS = ("includeDesignations", "includeDefinition", "excludeNested", "excludePostCoordinated")


async def expand(context: Context, request: Request) -> Result:
    """Returns the ValueSet with its expansion, or one page of it."""
    check_exposed(context, request, "operation")
    inputs = read_inputs(context, request, _KNOWN)
    found = await find_definition(context, request, inputs, "ValueSet", "valueSetVersion")
    parameters = _read_parameters(inputs)
    timestamp = write_instant(context.now())
    expanded = found.terminology.expand(found.canonical, timestamp=timestamp, parameters=parameters)
    return answer(_complete(context, expanded, found, inputs))


def _read_parameters(inputs: Inputs) -> ExpansionParameters:
    return ExpansionParameters(
        filter=inputs.text("filter") if "filter" in inputs else "",
        offset=inputs.number("offset") or 0,
        count=inputs.number("count"),
        language=inputs.text("displayLanguage"),
        active_only=bool(inputs.boolean("activeOnly")),
        designations=bool(inputs.boolean("includeDesignations")),
    )


def _complete(context: Context, expanded: JsonObject, found: Definition, inputs: Inputs) -> JsonObject:
    if expanded["resourceType"] != "ValueSet":
        message = f"{found.canonical[:200]} is a {expanded['resourceType']}, no value set."
        raise error(Category.NOT_FOUND, "value-set-absent", message)
    asked = [{"name": name, "valueBoolean": value} for name in _FLAGS if (value := inputs.boolean(name)) is not None]
    expansion = expanded["expansion"]
    parameter = [*expansion.get("parameter", ()), *asked]
    identified = {"identifier": f"urn:uuid:{context.new_id()}", **expansion}
    identified |= {"parameter": parameter} if parameter else {}
    definition = (found.resource or {}) if inputs.boolean("includeDefinition") else {}
    compose = {"compose": definition["compose"]} if "compose" in definition else {}
    whole = {**expanded, **compose, "expansion": identified}
    return {name: value for name, value in whole.items() if (name, value) != ("url", GIVEN)}
