"""$lastn: the most recent Observations of each code. https://hl7.org/fhir/R4/observation-operation-lastn.html."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from fhir_dmp.bundle import build_link
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed, open_gate
from fhir_dmp.interactions.joins import resolve_joins
from fhir_dmp.interactions.redaction import redact
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.interactions.value_sets import find_terms
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.operations.bundles import build_searchset
from fhir_dmp.operations.parameters import Given, Inputs, missing
from fhir_dmp.operations.patient_record import read_all
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Version
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import Handling, Sort

MOST_OBSERVATIONS = 5_000
"""How many Observations are looked through."""
_OF = frozenset({"patient", "subject"})
_WHAT = frozenset({"category", "code", "combo-code", "component-code", "code-value-concept", "code-value-quantity"})
_RESULT = frozenset({"_sort", "_count", "_include", "_revinclude", "_summary", "_total", "_elements", "_contained"})


@dataclass(frozen=True, slots=True)
class Dated:
    """An Observation with the time that it is of, None where it says none, and what its code is equal to others by."""

    version: Version
    at: Milliseconds | None
    keys: tuple[object, ...]


async def lastn(context: Context, request: Request) -> Result:
    """Returns of each group of equal codes the `max` most recent, with those as recent as the last of them."""
    check_exposed(context, request, "operation")
    most = _read_max(request)
    criteria = [(name, value) for name, value in request.parameters if name != "max"]
    _check_criteria([name for name, _ in criteria])
    query = parse_search(
        "Observation",
        criteria,
        space=context.space,
        handling=request.handling or Handling.LENIENT,
        now=context.now(),
        terms=await find_terms(context, request),
    )
    query = await resolve_joins(context, request, query)
    restriction = await open_gate(context, request, "search-type", query.clause)
    newest_first = (Sort("date", "date", descending=True, is_main=True),)
    found = await read_all(context, restriction, ["Observation"], query.clause, MOST_OBSERVATIONS, sort=newest_first)
    groups = group_by_code([_dated(context, version) for version in found])
    wanted = [row.version for group in groups for row in take_most_recent(group, most)]
    shown = await redact(context, request, wanted)
    links = [("self", build_link(context.base_url, request.path, request.parameters))]
    body = build_searchset(context.base_url, shown, links=links, total=len(shown))
    return Result(Status.OK, body=body, versions=shown)


def _read_max(request: Request) -> int:
    given = [pair for pair in request.parameters if pair[0] == "max"]
    most = Inputs([Given("max", "", value, "http.max", {}) for _, value in given]).number("max")
    if most == 0:
        raise error(Category.INVALID_PARAMETER, "parameter-value", "max takes a number from 1 on.", "http.max")
    return most or 1


def _check_criteria(names: Sequence[str]) -> None:
    """The definition asks for a subject, and for a category or a code."""
    bare = {name.partition(":")[0].partition(".")[0] for name in names}
    for wanted in (_OF, _WHAT):
        if bare.isdisjoint(wanted):
            raise missing(" or ".join(sorted(wanted)))
    for name in sorted(bare & _RESULT):
        message = f"$lastn has its own order and size: {name} has no place there."
        raise error(Category.INVALID_PARAMETER, "parameter-unknown", message, f"http.{name}")


def group_by_code(rows: Sequence[Dated]) -> list[list[Dated]]:
    """Returns Observations by equal codes, each group in the order given, groups in that of their first.

    Codings are equal by system and code; one Observation with two codings makes these equal for all. Without a coding
    it is the text that counts, without regard to case and to space around it.
    """
    leaders: dict[object, object] = {}

    def leader(key: object) -> object:
        while leaders.setdefault(key, key) != key:
            leaders[key] = key = leaders[leaders[key]]
        return key

    for row in rows:
        first, *others = row.keys
        for key in others:
            leaders[leader(key)] = leader(first)
    groups: dict[object, list[Dated]] = {}
    for row in rows:
        groups.setdefault(leader(row.keys[0]), []).append(row)
    return list(groups.values())


def take_most_recent(group: Sequence[Dated], most: int) -> list[Dated]:
    """Returns the first of a group, newest first, and those that are of the same time as the last of them."""
    rest = takewhile(lambda row: row.at == group[most - 1].at, group[most:])
    return [*group[:most], *rest]


def _dated(context: Context, version: Version) -> Dated:
    resource = parse_json_object(version.content or b"{}")
    date = context.indexer.facts(resource).date
    return Dated(version, date.low if date else None, tuple(_keys(resource.get("code", {}), version)))


def _keys(code: JsonObject, version: Version) -> Iterator[object]:
    codings = [(row.get("system"), row["code"]) for row in code.get("coding", ()) if "code" in row]
    if codings:
        yield from codings
    else:
        yield str(code["text"]).strip().casefold() if "text" in code else version.identity
