"""$subsumes: how two codes relate, https://hl7.org/fhir/R4/codesystem-operation-subsumes.html."""

from __future__ import annotations

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.definition import Definition, find_stored_definition
from fhir_dmp.operations.lookup import read_coding
from fhir_dmp.operations.parameters import Inputs, answer_parameters, missing, read_inputs
from fhir_dmp.outcome import Category, error

_KNOWN = ("codeA", "codeB", "system", "version", "codingA", "codingB")


async def subsumes(context: Context, request: Request) -> Result:
    """Tells whether code A is the same as, wider or narrower than code B, or neither."""
    check_exposed(context, request, "operation")
    inputs = read_inputs(context, request, _KNOWN)
    stored = await find_stored_definition(context, request, "CodeSystem") if request.resource_id else None
    system, version, left = _read(inputs, stored, "A")
    other, _, right = _read(inputs, stored, "B")
    if other != system:
        message = "The codes are of two code systems: they cannot be compared."
        raise error(Category.INVALID_PARAMETER, "parameter-conflict", message)
    if not system:
        raise missing("system")
    terminology = stored.terminology if stored else context.rules().terminology
    outcome = terminology.subsumes(system, left, right, version=version)
    row: JsonObject = {"name": "outcome", "valueCode": outcome}
    return answer_parameters([row])


def _read(inputs: Inputs, stored: Definition | None, letter: str) -> tuple[str, str, str]:
    system, version, code = read_coding(inputs, f"coding{letter}", f"code{letter}")
    if stored is None:
        return system, version, code
    url, _, own = stored.canonical.partition("|")
    if system not in {"", url}:
        message = f"The code is not one of {url[:200]}."
        raise error(Category.INVALID_PARAMETER, "parameter-conflict", message)
    return url, own, code
