"""Is a SearchParameter one that this server can index: https://hl7.org/fhir/R4/searchparameter.html."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import FhirError, Issue
from fhir_dmp.search.space import INDEXED, SearchSpace, resolve
from fhir_dmp.spec.search_parameter import SearchParameter, parse_search_parameter

_CODE = re.compile(r"-?[A-Za-z][A-Za-z0-9-]{0,63}")
_AT = "SearchParameter"
_ADDABLE = INDEXED - {"composite", "special"}


def is_in_force(resource: JsonObject) -> bool:
    """Tells whether a SearchParameter says of itself that it is to be used."""
    return resource.get("status") == "active"


def read_own(resources: Sequence[JsonObject], space: SearchSpace) -> tuple[SearchParameter, ...]:
    """Returns the parameters, of stored definitions, that can be indexed; the others are left out."""
    usable = (row for row in resources if is_in_force(row) and not check_definition(row, space))
    return tuple(parse_search_parameter(row) for row in usable)


def check_definition(resource: JsonObject, space: SearchSpace) -> list[Issue]:
    """Returns what keeps a SearchParameter, whose structure is right, from being indexed. None in force has any."""
    if not is_in_force(resource):
        return []
    parameter = parse_search_parameter(resource)
    issues = [*_check_words(parameter), *_check_bases(parameter, space)]
    return issues or [*_check_code(parameter, space), *_check_expression(parameter, space)]


def _check_words(parameter: SearchParameter) -> Iterator[Issue]:
    if not _CODE.fullmatch(parameter.code):
        yield _wrong("code", "A code here is made of letters, digits and hyphens, and begins with a letter or hyphen.")
    if parameter.type not in _ADDABLE:
        yield _wrong(
            "type", f"Parameters of type {parameter.type} cannot be added here; {', '.join(sorted(_ADDABLE))} can."
        )
    if not parameter.expression:
        yield _wrong("expression", "A parameter needs an expression to be indexed by.")


def _check_bases(parameter: SearchParameter, space: SearchSpace) -> Iterator[Issue]:
    for index, base in enumerate(parameter.base):
        if base not in space.resource_types:
            yield _wrong(f"base[{index}]", f"{base} is no type that this server exposes.")


def _check_code(parameter: SearchParameter, space: SearchSpace) -> Iterator[Issue]:
    for base in parameter.base:
        others = [row for row in space.own.get(base, {}).values() if row.url != parameter.url]
        taken = {row.code.lower() for row in (*others, *space.registry.search_parameters(base).values())}
        if parameter.code.lower() in taken:
            yield _wrong("code", f"{base} has a parameter of that name, whatever its case: {parameter.code}.")


def _check_expression(parameter: SearchParameter, space: SearchSpace) -> Iterator[Issue]:
    for base in parameter.base:
        try:
            compile_expression(parameter.expression, model=space.registry, type_name=base)
        except FhirError as fault:
            yield _wrong("expression", f"The expression cannot be used: {fault}")
            return
        paths = resolve(parameter, base, space.registry).paths
        if not paths.routes and not paths.residue:
            yield _wrong("expression", f"The expression leads to nothing of {base}.")


def _wrong(element: str, message: str) -> Issue:
    return Issue("error", "search-parameter", message, f"{_AT}.{element}")
