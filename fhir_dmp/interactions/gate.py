"""The gate: every interaction starts here. It refuses what is not exposed and returns what the requester may see."""

from __future__ import annotations

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Request
from fhir_dmp.outcome import Category, error


def open_gate(context: Context, request: Request, interaction: str) -> Restriction:
    """Returns the Restriction of this request; raises FhirError (not found, not allowed) where nothing is exposed.

    `interaction` is a code of http://hl7.org/fhir/restful-interaction.
    """
    resource_type = request.resource_type
    if resource_type and resource_type not in context.capability.types:
        known = (
            "a type of R4 that this server does not expose" if resource_type in context.registry.types else "unknown"
        )
        raise error(Category.NOT_FOUND, "type-unknown", f"The type {resource_type[:64]} is {known}.")
    if not context.capability.permits(resource_type, interaction):
        on = resource_type or "the whole system"
        raise error(
            Category.NOT_ALLOWED, "interaction-unsupported", f"The interaction {interaction} on {on} is not exposed."
        )
    return Restriction.none()
