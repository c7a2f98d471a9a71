"""What a write brings: the resource out of the body, checked before anything is written."""

from __future__ import annotations

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import Category, FhirError, Issue, error
from fhir_dmp.reference import find_slots, is_conditional, may_be_conditional
from fhir_dmp.validation.validate import validate_structure

MAX_CONTENT = 15 * 1024 * 1024
"""Bytes of one stored resource: MongoDB's document limit of 16 MiB less the facts beside it."""

_SUBSETTED = ("http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "SUBSETTED")


def parse_resource(context: Context, request: Request) -> JsonObject:
    """Returns the resource that a request carries; raises FhirError with every issue found in it."""
    resource = parse_json_object(request.body) if request.resource is None else request.resource
    check_resource(context, resource, request.resource_type)
    if request.resource is not None or b"?" in request.body:
        refuse_conditional_references(context, resource)
    return resource


def check_resource(context: Context, resource: JsonObject, resource_type: str, at: str = "") -> None:
    """Raises FhirError where a resource cannot be stored as a `resource_type`; `at` is its place in a Bundle."""
    found = resource.get("resourceType")
    if found != resource_type:
        message = f"The resource is a {str(found)[:64]}, the URL says {resource_type}." if found else _NO_TYPE
        raise error(Category.MALFORMED, "resource-type", message, at or resource_type)
    issues = validate_structure(resource, context.schemas)
    if any(issue.severity in {"error", "fatal"} for issue in issues):
        raise FhirError(Category.MALFORMED, *(within(issue, resource_type, at) for issue in issues))
    tags = resource.get("meta", {}).get("tag", ())
    if any((tag.get("system"), tag.get("code")) == _SUBSETTED for tag in tags):
        message = "The resource is tagged SUBSETTED: it is part of a resource and would overwrite the whole."
        raise error(Category.UNPROCESSABLE, "resource-subsetted", message, f"{at or resource_type}.meta.tag")


_NO_TYPE = "The body is no resource: it has no resourceType."


def check_size(content: bytes, at: str) -> None:
    """Raises FhirError where a version is larger than the store can hold."""
    if len(content) > MAX_CONTENT:
        message = f"The resource has {len(content):,} bytes; a stored resource has at most {MAX_CONTENT:,}."
        raise error(Category.TOO_LARGE, "resource-too-large", message, at)


def within(issue: Issue, resource_type: str, at: str) -> Issue:
    """Returns an issue with its expression moved from the resource to its place `at` in a Bundle (empty: none)."""
    if not at:
        return issue
    expression = at + issue.expression.removeprefix(resource_type)
    return Issue(issue.severity, issue.code, issue.message, expression, issue.issue_type)


def refuse_conditional_references(context: Context, resource: JsonObject) -> None:
    """Raises FhirError where a resource that comes alone, or in a batch, refers to something by search criteria."""
    for slot in find_slots(resource, context.registry) if may_be_conditional(resource) else ():
        if is_conditional(slot):
            message = "A reference by search criteria can be resolved in a transaction only."
            raise error(Category.MALFORMED, "reference-conditional", message, slot.expression)
