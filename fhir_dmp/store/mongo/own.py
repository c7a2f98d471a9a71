"""Parameters of this server's own: a search by one is answered only where every resource has its facts.

That is asked of the documents themselves, in the snapshot in which they are searched: whichever server wrote them, and
whatever it knew then, a result is never of facts that are only in part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
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


def _conditions(value: object) -> Iterator[Has]:
    if isinstance(value, Has):
        yield value
    if isinstance(value, Contains) and value.way:
        yield Has(value.way.resource_type, value.way.parameter, ())
    if isinstance(value, tuple):
        for item in value:
            yield from _conditions(item)
    elif is_dataclass(value):
        for member in fields(value):
            yield from _conditions(getattr(value, member.name))
