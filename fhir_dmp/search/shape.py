"""Parameters that shape the result of a search: what they say goes into its draft. search/result.py reads their values.

https://hl7.org/fhir/R4/search.html#return
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_dmp.outcome import Issue
from fhir_dmp.search.draft import HINTS, SHOWN, Draft, expression_of, invalid, read_as, too_costly
from fhir_dmp.search.include import parse_include
from fhir_dmp.search.query import Contained, Sort
from fhir_dmp.search.result import INCLUSIONS, check_contained, parse_count, parse_sort, parse_summary, parse_total
from fhir_dmp.search.space import Main
from fhir_dmp.search.values import BadValue
from fhir_dmp.subset import Subset


def add_result(draft: Draft, name: str, value: str) -> None:
    """Adds one of RESULT_PARAMETERS. Raises FhirError where its value is not acceptable."""
    if any(name == other for other, _ in draft.used):
        raise invalid("parameter-repeated", f"{name} is given more than once.", name)
    if name == "_sort":
        _add_sort(draft, value)
    elif name == "_elements":
        _add_elements(draft, value)
    else:
        _set_result(draft, name, value)
        draft.used.append((name, str(draft.count) if name == "_count" else value))


def _set_result(draft: Draft, name: str, value: str) -> None:
    if name == "_summary":
        draft.summary = read_as(name, value, parse_summary)
    elif name == "_total":
        draft.total = read_as(name, value, parse_total)
    elif name == "_count":
        draft.count = read_as(name, value, lambda text: parse_count(text, draft.limits.count))
    else:
        read_as(name, value, lambda text: check_contained(name, text, draft.contained))


def _add_elements(draft: Draft, value: str) -> None:
    space = draft.reading.space
    types = space.resource_types if draft.contained is Contained.CONTAINERS else draft.resource_types
    known = {child.element.name for name in types for child in space.registry.group(name).properties.values()}
    named = dict.fromkeys(filter(None, (part.strip() for part in value.split(","))))
    for name in [name for name in named if name not in known][:HINTS]:
        message = f"_elements names {name[:SHOWN]}, which is no element at the root of what is searched."
        draft.unknown.append(Issue("error", "parameter-unknown", message, expression_of("_elements")))
    draft.elements = frozenset(named) & known
    if draft.elements:
        draft.used.append(("_elements", ",".join(name for name in named if name in known)))


def _add_sort(draft: Draft, value: str) -> None:
    # what is contained is in the order of its containers, which are of any type
    is_one_type = len(draft.resource_types) == 1 and draft.contained is Contained.LEFT_OUT
    main = draft.reading.space.main(draft.resource_types[0]) if is_one_type else Main()
    keys = list(parse_sort(value, draft.known if is_one_type else {}, main.date))
    if len(keys) > draft.limits.sort_keys:
        raise too_costly(f"_sort takes at most {draft.limits.sort_keys} keys.", "_sort")
    understood: dict[str, tuple[str, Sort]] = {}
    for written, sort in keys:
        if sort is None:
            message = f"_sort by {written.removeprefix('-')[:SHOWN]} is not supported here."
            draft.unknown.append(Issue("error", "parameter-unknown", message, expression_of("_sort")))
        else:
            understood.setdefault(sort.parameter, (written, sort))
    draft.sort = tuple(sort for _, sort in understood.values())
    if draft.sort:
        draft.used.append(("_sort", ",".join(written for written, _ in understood.values())))


def add_include(draft: Draft, name: str, value: str) -> None:
    """Adds an _include or _revinclude; one that is not known here is among what is unknown."""
    if len(draft.includes) >= draft.limits.includes:
        raise too_costly(f"A search takes at most {draft.limits.includes} includes.", name)
    try:
        draft.includes.append(parse_include(name, value, draft.reading.space))
        draft.used.append((name, value))
    except BadValue as fault:
        message = f"{name[:SHOWN]}={value[:SHOWN]} is not supported here: {fault}."
        draft.unknown.append(Issue("error", "parameter-unknown", message, expression_of(name)))


def subset_of(draft: Draft) -> Subset | None:
    """What to keep of each match: a summary, or else the elements that are named."""
    if draft.summary and draft.summary != "count":
        return Subset(draft.summary, frozenset())
    return Subset(None, draft.elements) if draft.elements else None


def refuse_text_of_included(parameters: Sequence[tuple[str, str]], summary: str | None) -> None:
    """R4: "_summary=text" goes with no inclusion, https://hl7.org/fhir/R4/search.html#summary."""
    included = next((name for name, value in parameters if value and name.partition(":")[0] in INCLUSIONS), "")
    if included and summary == "text":
        raise invalid("parameter-value", f"_summary=text does not go with {included[:SHOWN]}.", "_summary")
