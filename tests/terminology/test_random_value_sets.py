"""Random code systems and value sets: the expansion lists what membership says, and both follow the specification."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.terminology.membership import Member
from tests.terminology.definitions import build_terminology

CODES = "abcdef"
SYSTEMS = ("urn:c0", "urn:c1")
VALUE_SETS = ("urn:v0", "urn:v1", "urn:v2")


@st.composite
def code_systems(draw: st.DrawFn, url: str) -> dict[str, Any]:
    """A tree of some codes, some of them with a property."""
    parents: dict[str, str | None] = {}
    for code in draw(st.lists(st.sampled_from(CODES), unique=True, min_size=1)):
        parents[code] = draw(st.sampled_from([None, *parents]))
    coloured = draw(st.sets(st.sampled_from([*parents])))
    return {
        "resourceType": "CodeSystem",
        "url": url,
        "content": "complete",
        "property": [{"code": "colour", "type": "string"}],
        "concept": _nest(None, parents, coloured),
    }


def _nest(parent: str | None, parents: dict[str, str | None], coloured: set[str]) -> list[dict[str, Any]]:
    rows = []
    for code in (code for code, above in parents.items() if above == parent):
        properties = [{"code": "colour", "valueString": "red"}] if code in coloured else []
        rows.append({"code": code, "property": properties, "concept": _nest(code, parents, coloured)})
    return rows


FILTERS = st.one_of(
    st.builds(
        lambda operator, value: {"property": "concept", "op": operator, "value": value},
        st.sampled_from(["is-a", "descendent-of", "is-not-a", "generalizes", "=", "in", "not-in", "regex"]),
        st.sampled_from(CODES),
    ),
    st.builds(
        lambda operator, value: {"property": "colour", "op": operator, "value": value},
        st.sampled_from(["=", "in", "not-in"]),
        st.sampled_from(["red", "blue"]),
    ),
    st.builds(lambda value: {"property": "colour", "op": "exists", "value": value}, st.sampled_from(["true", "false"])),
)


@st.composite
def includes(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """An include that imports only value sets of a higher number."""
    later = VALUE_SETS[number + 1 :]
    row: dict[str, Any] = {}
    if draw(st.booleans()) or not later:
        row["system"] = draw(st.sampled_from(SYSTEMS))
        kind = draw(st.sampled_from(["all", "concept", "filter"]))
        if kind == "concept":
            row["concept"] = [{"code": code} for code in draw(st.sets(st.sampled_from(CODES), min_size=1))]
        elif kind == "filter":
            row["filter"] = draw(st.lists(FILTERS, min_size=1, max_size=2))
    if later and ("system" not in row or draw(st.booleans())):
        row["valueSet"] = draw(st.lists(st.sampled_from(later), min_size=1, max_size=2))
    return row


@st.composite
def value_sets(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Three value sets of which the earlier may import the later."""
    return [
        {
            "resourceType": "ValueSet",
            "url": url,
            "status": "active",
            "compose": {
                "include": draw(st.lists(includes(number), min_size=1, max_size=3)),
                "exclude": draw(st.lists(includes(number), max_size=2)),
            },
        }
        for number, url in enumerate(VALUE_SETS)
    ]


class Reference:
    """What the specification says, computed the plain way; None where a code or a filter is of no sense here."""

    def __init__(self, systems: list[dict[str, Any]], sets: list[dict[str, Any]]) -> None:
        self.parents: dict[str, dict[str, str | None]] = {}
        self.coloured: dict[str, set[str]] = {}
        for system in systems:
            self.parents[system["url"]], self.coloured[system["url"]] = {}, set()
            self._read(system["url"], system["concept"], None)
        self.sets = {row["url"]: row["compose"] for row in sets}

    def _read(self, url: str, rows: list[dict[str, Any]], parent: str | None) -> None:
        for row in rows:
            self.parents[url][row["code"]] = parent
            if row["property"]:
                self.coloured[url].add(row["code"])
            self._read(url, row["concept"], row["code"])

    def member(self, url: str, system: str, code: str) -> bool | None:
        compose = self.sets[url]
        included = _any([self._included(row, system, code) for row in compose["include"]])
        excluded = _any([self._included(row, system, code, excluding=True) for row in compose["exclude"]])
        return _all([included, None if excluded is None else not excluded])

    def _included(self, row: dict[str, Any], system: str, code: str, *, excluding: bool = False) -> bool | None:
        answers = [self.member(url, system, code) for url in row.get("valueSet", ())]
        if "system" in row:
            answers.append(self._of_system(row, system, code, excluding=excluding))
        return _all(answers)

    def _of_system(self, row: dict[str, Any], system: str, code: str, *, excluding: bool) -> bool | None:
        exists = code in self.parents[system]
        if row["system"] != system:
            return False
        if "concept" in row:
            listed = any(concept["code"] == code for concept in row["concept"])
            return None if listed and not exists and not excluding else listed
        return exists and _all([self._passes(condition, system, code) for condition in row.get("filter", ())])

    def _above(self, system: str, code: str) -> set[str]:
        above = self.parents[system].get(code)
        return set() if above is None else {above} | self._above(system, above)

    def _passes(self, condition: dict[str, Any], system: str, code: str) -> bool | None:
        operator: str = condition["op"]
        value: str = condition["value"]
        if condition["property"] == "colour":
            has = code in self.coloured[system]
            if operator == "exists":
                return has == (value == "true")
            return (has and value == "red") != (operator == "not-in")
        if operator in {"=", "in", "regex", "not-in"}:
            return (code == value) != (operator == "not-in")
        if value not in self.parents[system]:
            return True if operator == "generalizes" and code == value else None
        is_a = code == value or value in self._above(system, code)
        return {
            "is-a": is_a,
            "descendent-of": is_a and code != value,
            "is-not-a": not is_a,
            "generalizes": code == value or code in self._above(system, value),
        }[operator]


def _any(answers: list[bool | None]) -> bool | None:
    return True if True in answers else None if None in answers else False


def _all(answers: list[bool | None]) -> bool | None:
    return False if False in answers else None if None in answers else True


ANSWER = {True: Member.YES, False: Member.NO, None: Member.UNKNOWN}


@given(systems=st.tuples(*map(code_systems, SYSTEMS)), sets=value_sets())
def test_membership_follows_the_specification(systems: tuple[dict[str, Any], ...], sets: list[dict[str, Any]]) -> None:
    terminology, reference = build_terminology([*systems, *sets]), Reference([*systems], sets)
    for url, system, code in product(VALUE_SETS, SYSTEMS, CODES):
        expected = ANSWER[reference.member(url, system, code)]
        assert terminology.membership(url, system, code).member is expected, (url, system, code)


@given(systems=st.tuples(*map(code_systems, SYSTEMS)), sets=value_sets())
def test_expansion_lists_what_membership_says(systems: tuple[dict[str, Any], ...], sets: list[dict[str, Any]]) -> None:
    terminology = build_terminology([*systems, *sets])
    for url in VALUE_SETS:
        answers = {
            (system, code): terminology.membership(url, system, code).member for system, code in product(SYSTEMS, CODES)
        }
        if Member.UNKNOWN in answers.values():
            continue
        expanded = terminology.expand(url, timestamp="2026-11-21")
        rows = [(row["system"], row["code"]) for row in expanded["expansion"].get("contains", ())]
        assert len(rows) == len(set(rows)) == expanded["expansion"]["total"]
        assert set(rows) == {pair for pair, member in answers.items() if member is Member.YES}
