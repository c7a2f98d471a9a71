"""$validate: what there is to say of a resource, https://hl7.org/fhir/R4/resource-operation-validate.html.

The answer is an OperationOutcome with status 200 whenever there was something to validate, right or wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.interactions.validity import find_problems, mandatory_profiles
from fhir_dmp.json_position import Position, locate
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.operations.parameters import Inputs, answer, build_inputs, missing, read_body
from fhir_dmp.operations.stored import find_version, read_version
from fhir_dmp.outcome import Category, Issue, build_outcome, error
from fhir_dmp.resource import Identity, Version
from fhir_dmp.validation.validate import validate_structure

_KNOWN = ("resource", "mode", "profile")
_MODES = frozenset({"", "create", "update", "delete", "profile"})
_EXTENSION = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-"
_RIGHT = Issue("information", "structure-valid", "No issues were found.", issue_type="informational")
MOST_PROFILES = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """What to validate, and how. `text` is the body that the resource stands in, at the FHIRPath `at`.

    What is `stored` was read to be validated: the answer tells of it.
    """

    resource: JsonObject
    mode: str
    profiles: tuple[str, ...]
    text: bytes = b""
    at: str = ""
    stored: tuple[Version, ...] = ()


async def validate(context: Context, request: Request) -> Result:
    """Validates the resource in the body, or where that has none the stored one that the URL names."""
    check_exposed(context, request, "operation")
    body = read_body(request)
    is_wrapped = body is not None and body.get("resourceType") == "Parameters"
    inputs = build_inputs(context, request, body if is_wrapped else None, _KNOWN)
    mode = _read_mode(inputs)
    if mode == "delete":
        return await _answer_delete(context, request)
    asked = await _read_asked(context, request, body, inputs, mode)
    issues = [*_check_request(context, request, asked), *await _examine(context, request, asked)]
    return replace(_answer(issues, _locate(asked, issues) if asked.text else {}), versions=asked.stored)


def _read_mode(inputs: Inputs) -> str:
    mode = inputs.text("mode")
    if mode not in _MODES:
        message = "mode has to be create, update, delete or profile."
        raise error(Category.INVALID_PARAMETER, "parameter-value", message, "http.mode")
    return mode


async def _read_asked(context: Context, request: Request, body: JsonObject | None, inputs: Inputs, mode: str) -> Asked:
    profiles = tuple(dict.fromkeys(inputs.texts("profile")))
    if len(profiles) > MOST_PROFILES:
        message = f"At most {MOST_PROFILES} profiles are checked at once."
        raise error(Category.TOO_COSTLY, "parameter-many", message, "http.profile")
    if mode == "profile" and not profiles:
        raise missing("profile")
    text = b"" if request.is_translated else request.body
    wrapped = inputs.one("resource")
    if wrapped is not None:
        resource = inputs.resource("resource") or {}
        return Asked(resource, mode, profiles, text, f"{wrapped.at}.resource")
    if body is not None and body.get("resourceType") != "Parameters":
        return Asked(body, mode, profiles, text)
    if request.resource_id:
        version = await read_version(context, request)
        return Asked(parse_json_object(version.content or b"{}"), mode, profiles, stored=(version,))
    raise missing("resource")


def _check_request(context: Context, request: Request, asked: Asked) -> Iterator[Issue]:
    """What is wrong between the resource, the URL and the mode."""
    resource, wanted = asked.resource, request.resource_type
    found = str(resource.get("resourceType", ""))
    if wanted and found and found != wanted:
        yield Issue("error", "resource-type", f"The resource is a {found[:64]}, the URL says {wanted}.", found[:64])
    if asked.mode in {"create", "update"} and not context.capability.permits(found, asked.mode):
        message = f"The interaction {asked.mode} on {found[:64] or 'no type'} is not exposed."
        yield Issue("error", "interaction-unsupported", message, issue_type="not-supported")
    own = resource.get("id")
    if asked.mode == "update" and (own is None or request.resource_id not in {"", own}):
        message = "The id of the resource is absent, or not that of the URL."
        yield Issue("error", "id-mismatch", message, f"{found[:64]}.id", "value")


async def _examine(context: Context, request: Request, asked: Asked) -> list[Issue]:
    """What R4, the profiles that it claims and those that it has to meet say of the resource."""
    issues = validate_structure(asked.resource, context.schemas)
    if issues:
        return issues
    is_write = asked.mode in {"create", "update"}
    mandatory = mandatory_profiles(context, asked.resource) if is_write else ()
    wanted = tuple(dict.fromkeys((*asked.profiles, *mandatory)))
    faults = {canonical: _find_fault(context, canonical) for canonical in wanted}
    usable = [canonical for canonical, fault in faults.items() if fault is None]
    report = await find_problems(context, request, asked.resource, usable)
    return [*(fault for fault in faults.values() if fault), *report.issues]


def _find_fault(context: Context, canonical: str) -> Issue | None:
    """Why a profile that was asked for cannot be checked: then nothing may look valid."""
    profile = context.rules().profiles.profile(canonical)
    if profile is None:
        message = f"The profile {canonical[:200]} is not here: the resource was not checked against it."
        return Issue("error", "profile-unknown", message, issue_type="not-found")
    if profile.fault:
        message = f"The profile {canonical[:200]} cannot be used: {profile.fault}"
        return Issue("error", "profile-unusable", message, issue_type="processing")
    return None


async def _answer_delete(context: Context, request: Request) -> Result:
    if not request.resource_id:
        raise missing("id (in the URL)")
    version = await find_version(context, request)
    result = _answer(list(_check_delete(context, request, version)))
    return replace(result, versions=[version]) if version else result


def _check_delete(context: Context, request: Request, version: Version | None) -> Iterator[Issue]:
    if not context.capability.permits(request.resource_type, "delete"):
        message = f"The interaction delete on {request.resource_type} is not exposed."
        yield Issue("error", "interaction-unsupported", message, issue_type="not-supported")
    if version is None:
        message = f"There is no {Identity(request.resource_type, request.resource_id)} here."
        yield Issue("error", "resource-absent", message, issue_type="not-found")


def _locate(asked: Asked, issues: Iterable[Issue]) -> dict[str, Position]:
    """Where the text has the element of each issue, by the issue's expression."""
    inside = {issue.expression: _within(asked.at, issue.expression) for issue in issues}
    places = locate(asked.text.decode(), set(inside.values()))
    return {expression: places[whole] for expression, whole in inside.items()}


def _within(at: str, expression: str) -> str:
    """An expression as seen from the text: a resource's own begins with its type."""
    steps = expression.partition(".")[2]
    return f"{at}.{steps}" if at and steps else at or expression


def _answer(issues: list[Issue], places: dict[str, Position] | None = None) -> Result:
    outcome = build_outcome(issues or [_RIGHT], "invalid")
    for issue, row in zip(issues, outcome["issue"], strict=False):
        if places:
            place = places[issue.expression]
            named = (("line", place.line), ("col", place.column))
            row["extension"] = [{"url": _EXTENSION + name, "valueInteger": value} for name, value in named]
    return answer(outcome)
