"""Parameters of this server's own: a search by one is answered only where every resource has its facts.

That is asked of the documents themselves, in the snapshot in which they are searched: whichever server wrote them, and
whatever it knew then, a result is never of facts that are only in part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.search.query import Clause, Contains, Has, Sort
from fhir_dmp.search.space import mark_of
from fhir_dmp.spec.search_parameter import SearchParameter

Document = dict[str, Any]
Own = Mapping[str, Mapping[str, SearchParameter]]
"""By type and code."""
Asked = frozenset[tuple[str, SearchParameter]]


def no_own() -> Own:
    """Returns that there is none."""
    return {}


def find_asked(
    own: Callable[[], Own], clause: Clause, resource_types: tuple[str, ...], sort: tuple[Sort, ...]
) -> Asked:
    """Returns the own parameters, with the types, that a search needs the facts of."""
    known = own()
    if not known:
        return frozenset()
    named = [(has.resource_type, has.parameter) for has in _conditions(clause)]
    named += [(name, rule.parameter) for name in resource_types for rule in sort]
    return frozenset(
        (resource_type, parameter)
        for resource_type, name in named
        for code, parameter in known.get(resource_type, {}).items()
        if _is_of(name, code)
    )


def build_forms(resource_type: str) -> list[Document]:
    """Builds the aggregation of the forms that the facts of a type have: rows of `_id`, null without form."""
    return [{"$match": {"ty": resource_type}}, {"$sort": {"ty": 1, "f": 1}}, {"$group": {"_id": "$f"}}]


def lacks(forms: list[Document], parameter: SearchParameter) -> bool:
    """Tells whether some resource has no facts of a parameter, by the rows of `build_forms`."""
    return any(mark_of(parameter) not in (row["_id"] or "").split() for row in forms)


def not_ready(parameter: SearchParameter) -> FhirError:
    """The answer while resources are being indexed."""
    message = f"The search parameter {parameter.code} is being prepared: resources are still indexed. Ask again later."
    return error(Category.INVALID_PARAMETER, "parameter-not-ready", message, f"http.{parameter.code}")


def _is_of(name: str, code: str) -> bool:
    """Tells whether facts are a parameter's: of a modifier, its name goes on with what stands in no code."""
    rest = name.removeprefix(code)
    return name.startswith(code) and not (rest[:1].isalnum() or rest[:1] == "-")


def _conditions(value: Any) -> list[Has]:  # noqa: ANN401  a clause, or whatever is in one
    """All that a clause asks for by a parameter, wherever in it; what it asks of a value is no clause."""
    if isinstance(value, Has):
        return [value]
    found: list[Has] = []
    if isinstance(value, Contains) and value.way:
        found.append(Has(value.way.resource_type, value.way.parameter, ()))
    for item in value if type(value) is tuple else [getattr(value, name) for name in _members(value.__class__)]:
        if type(item) is tuple or _members(item.__class__):
            found += _conditions(item)
    return found


@cache
def _members(kind: type) -> tuple[str, ...]:
    return tuple(member.name for member in fields(kind)) if is_dataclass(kind) else ()
