"""Searches that are written down beforehand or decide what is written: nothing of them may be left aside."""

from __future__ import annotations

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Parameters
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import Handling, SearchQuery


def parse_strictly(context: Context, resource_type: str, parameters: Parameters) -> SearchQuery:
    """Returns the query of parameters on a type; raises FhirError as parse_search, of unknown ones too."""
    return parse_search(
        resource_type,
        parameters,
        space=context.space,
        handling=Handling.STRICT,
        now=context.now(),
        terms=context.rules().terminology,
    )
