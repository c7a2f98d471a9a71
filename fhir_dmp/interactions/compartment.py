"""Searches within a compartment, `Patient/23/Observation` and `Patient/23/*`: what its parameters tie to an instance.

The ties are those of the CompartmentDefinitions alone. Whether the instance itself is here, or is shown, is not asked:
a compartment of what is hidden is empty like that of what is absent.
https://hl7.org/fhir/R4/http.html#vsearch and https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fhir_dmp.access.requester import Kind
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Request, require_id
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Identity
from fhir_dmp.search.query import (
    AboutPatient,
    Clause,
    Contained,
    Has,
    LinkValue,
    OfType,
    SearchQuery,
    WithId,
    all_of,
    any_of,
)
from fhir_dmp.spec.compartment import COMPARTMENTS

_ITSELF = "{def}"


def check_compartment(context: Context, request: Request) -> None:
    """Raises FhirError (not found) where there is no such compartment, or the type is outside it."""
    owner = request.compartment
    if owner is None:
        return
    if owner.resource_type not in COMPARTMENTS or owner.resource_type not in context.capability.types:
        message = f"There is no compartment of {owner.resource_type[:64]}; there are {', '.join(COMPARTMENTS)}."
        raise error(Category.NOT_FOUND, "compartment-unknown", message)
    require_id(replace(request, resource_id=owner.resource_id))
    if request.resource_type and not list(_ties(context, owner, request.resource_type)):
        message = f"{request.resource_type} is outside the compartment of a {owner.resource_type}."
        raise error(Category.NOT_FOUND, "compartment-type", message)


def confine(context: Context, request: Request, query: SearchQuery) -> SearchQuery:
    """Returns a search confined to the compartment that the request names, if any. Raises FhirError (_contained)."""
    owner = request.compartment
    if owner is None:
        return query
    if query.contained is not Contained.LEFT_OUT:
        message = "What is contained is in no compartment of its own: search without one."
        raise error(Category.INVALID_PARAMETER, "parameter-value", message, "http._contained")
    ties = {kind: list(_ties(context, owner, kind)) for kind in query.resource_types}
    inside = tuple(kind for kind in query.resource_types if ties[kind])
    parts: list[Clause] = [OfType(inside), query.clause, any_of([tie for kind in inside for tie in ties[kind]])]
    if owner.resource_type == "Patient" and request.requester.kind is Kind.PRACTITIONER:
        # his decision is about this record: of what is in another's he is shown nothing by this way
        parts.append(AboutPatient((owner.resource_id,)))
    return replace(query, resource_types=inside, clause=all_of(parts))


def _ties(context: Context, owner: Identity, resource_type: str) -> Iterator[Clause]:
    """What ties resources of a type to the owner of a compartment, who is in it himself; nothing outside it."""
    if resource_type == owner.resource_type:
        yield WithId(resource_type, (owner.resource_id,))
    known, main = context.space.parameters(resource_type), context.space.main(resource_type)
    for code in context.registry.compartment(owner.resource_type).parameters.get(resource_type, ()):
        if owner.resource_type == "Patient" and code in main.patient_aliases:
            yield all_of([OfType((resource_type,)), AboutPatient((owner.resource_id,))])
        elif code != _ITSELF and code in known:
            yield Has(resource_type, code, (LinkValue((str(owner),)),))
