"""What of an export its requester may see now, and the query of each of its files.

The gate is asked for every page anew: a Consent that was revoked since counts for what is not sent yet.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from fhir_dmp.access.clauses import every
from fhir_dmp.access.requester import Kind
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.bulk.asked import Asked
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import inquire, open_gate
from fhir_dmp.interactions.joins import resolve_joins
from fhir_dmp.interactions.request import Memory, Request, parse_query
from fhir_dmp.interactions.strict import parse_strictly
from fhir_dmp.outcome import Category, error
from fhir_dmp.search.query import (
    AboutPatient,
    Clause,
    DateValue,
    LastUpdated,
    OfType,
    SearchQuery,
    all_of,
    any_of,
)

BEYOND = 2**53
"""Milliseconds later than any resource was written."""
_BETWEEN = re.compile(r",(?=[A-Z][A-Za-z]+\?)")


def anew(request: Request) -> Request:
    """Returns the request as one of the whole system that nothing has been read for yet."""
    return replace(request, resource_type="", resource_id="", compartment=None, parameters=(), memory=Memory())


async def open_export(context: Context, request: Request, asked: Asked) -> Restriction:
    """Returns what the requester may see now, by the scopes of both search and read; raises FhirError as the gate."""
    whole = anew(request)
    clause = AboutPatient(asked.patients) if asked.patients is not None else OfType(asked.types)
    restriction = await open_gate(context, whole, "search-system", clause)
    if request.requester.kind is Kind.SYSTEM:
        return restriction
    reading = await inquire(context, whole, "read")
    return Restriction(every([restriction.clause, reading.scope]))


async def build_query(
    context: Context, request: Request, asked: Asked, resource_type: str, count: int, after: str
) -> SearchQuery:
    """Returns the query of the resources of a type, `count` a page, in the order of their ids.

    It begins beyond the reference `after`, "" for the first: what the store has of other types is not looked at.
    """
    clauses: list[Clause] = [OfType((resource_type,))]
    if asked.patients is not None:
        clauses.append(AboutPatient(asked.patients))
    if asked.since is not None:
        clauses.append(LastUpdated((DateValue("ge", asked.since, BEYOND),)))
    wanted = [row for row in asked.filters if row.partition("?")[0] == resource_type]
    if wanted:
        parsed = [await _resolve(context, request, parse_filter(context, row)) for row in wanted]
        clauses.append(any_of([query.clause for query in parsed]))
    return SearchQuery((resource_type,), all_of(clauses), count=count, after=(after or f"{resource_type}/",))


async def _resolve(context: Context, request: Request, query: SearchQuery) -> SearchQuery:
    part = replace(anew(request), resource_type=query.resource_types[0])
    return await resolve_joins(context, part, query)


def split_filters(texts: Sequence[str]) -> list[str]:
    """Returns the queries of `_typeFilter`, which repeats and may list several, each as `Type?parameters`."""
    return [row for text in texts for row in _BETWEEN.split(text)]


def parse_filter(context: Context, text: str) -> SearchQuery:
    """Returns the query of a filter; raises FhirError where it cannot be one."""
    resource_type, mark, parameters = text.partition("?")
    if not mark or resource_type not in context.capability.types:
        raise _refuse("_typeFilter takes queries of exposed types, such as Condition?clinical-status=active.")
    query = parse_strictly(context, resource_type, parse_query(parameters))
    if query.is_shaped:
        raise _refuse("_typeFilter says which resources, not how they are shown: _sort, _include… have no place in it.")
    return query


def _refuse(message: str) -> Exception:
    return error(Category.INVALID_PARAMETER, "parameter-value", message, "http._typeFilter")
