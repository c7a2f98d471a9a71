"""Search criteria in place of an id: https://hl7.org/fhir/R4/http.html#cond-update. Always strict, always filtered."""

from __future__ import annotations

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.joins import resolve_joins
from fhir_dmp.interactions.request import Parameters, Request, parse_query
from fhir_dmp.interactions.strict import parse_strictly
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Version
from fhir_dmp.search.query import SearchQuery
from fhir_dmp.store.port import Reader

_RESULT_PARAMETERS = frozenset({
    "_sort", "_count", "_include", "_revinclude", "_summary", "_total", "_elements", "_contained", "_containedType",
})  # fmt: skip


async def parse_criteria(
    context: Context, request: Request, resource_type: str, parameters: Parameters, *, count: int = 2
) -> SearchQuery:
    """Returns the query of a conditional interaction; two matches are enough to know that there are several.

    Criteria that ask for other resources are asked of these now, as the requester sees them.

    Raises FhirError where a parameter is unknown or about results, or has no value, or where there is none: criteria
    that were ignored would make the interaction meet every resource of the type.
    """
    for name, _ in parameters:
        if name.partition(":")[0] in _RESULT_PARAMETERS:
            message = f"{name} shapes a result and has no place among the criteria of a conditional interaction."
            raise error(Category.INVALID_PARAMETER, "criteria-result-parameter", message, f"http.{name}")
    query = parse_strictly(context, resource_type, [*parameters, ("_count", str(count))])
    if not any(value for _, value in parameters):
        message = "A conditional interaction needs search criteria."
        raise error(Category.PRECONDITION_FAILED, "criteria-missing", message)
    if len(query.used) != len(parameters) + 1:
        message = "Each criterion of a conditional interaction needs a value."
        raise error(Category.PRECONDITION_FAILED, "criteria-missing", message)
    return await resolve_joins(context, request, query)


def split_criteria(text: str) -> Parameters:
    """Returns the parameters of criteria as If-None-Exist and Bundle entries write them."""
    return parse_query(text.removeprefix("?"))


async def match_one(reader: Reader, query: SearchQuery, restriction: Restriction) -> Version | None:
    """Returns the one resource that matches, or None; raises FhirError (precondition failed) where several do."""
    page = await reader.search(query, restriction)
    if len(page.versions) > 1:
        message = "The criteria match several resources; a conditional interaction needs at most one."
        raise error(Category.PRECONDITION_FAILED, "criteria-multiple", message)
    return page.versions[0] if page.versions else None


def guard_key(resource_type: str, query: SearchQuery) -> str:
    """The key by which conditional interactions with the same criteria wait for one another."""
    return f"{resource_type}?{sorted(query.used)}"


def require_no_parameters(request: Request) -> None:
    """Raises FhirError where an interaction that takes no parameters got some."""
    if request.parameters:
        name = request.parameters[0][0][:64]
        message = f"This interaction has no parameter {name}."
        raise error(Category.INVALID_PARAMETER, "parameter-unknown", message, f"http.{name}")
