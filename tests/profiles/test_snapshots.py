"""Snapshots of the shipped profiles beside those that were published.

differences.json has every difference from a published snapshot with its reason: all of them are in how the publisher
made the snapshot, none in what the differentials say, which is proved first.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import orjson
import pytest

from fhir_dmp.json_text import JsonObject
from fhir_dmp.snapshot import Snapshots
from tests.profiles.shipped import (
    EXTENSIONS,
    PUBLISHED,
    constraints,
    definition_table,
    package,
    published_table,
    shipped,
)
from tests.snapshot.published import Comparison, _compare_rows

LISTED = orjson.loads((Path(__file__).parent / "differences.json").read_bytes())
RESTATED = [(folder, definition) for folder in PUBLISHED for definition in shipped("StructureDefinition", folder)]
each_restated = pytest.mark.parametrize(("folder", "definition"), RESTATED, ids=[row["id"] for _, row in RESTATED])


@cache
def _generator(*, published: bool, folder: str) -> Snapshots:
    packages = (EXTENSIONS, PUBLISHED[folder]) if folder in PUBLISHED else (EXTENSIONS,)
    table = published_table(*packages) if published else definition_table(*packages)
    return Snapshots(lambda canonical: table.get(canonical.partition("|")[0]))


@cache
def _shipped_alone() -> Snapshots:
    table = definition_table()
    return Snapshots(lambda canonical: table.get(canonical.partition("|")[0]))


def _rows(definition: JsonObject, folder: str, *, published: bool = False) -> list[JsonObject]:
    generated = _generator(published=published, folder=folder).generate(definition)
    rows: list[JsonObject] = generated["snapshot"]["element"]
    return rows


def _differences(ours: list[JsonObject], theirs: list[JsonObject], canonical: str) -> set[tuple[str, str, str]]:
    result = Comparison()
    _compare_rows(canonical, ours, theirs, result)
    return result.differences


@each_restated
def test_restated_profile_differs_from_the_published_snapshot_only_as_listed(
    folder: str, definition: JsonObject
) -> None:
    published = package(PUBLISHED[folder])[definition["url"]]
    found = _differences(_rows(definition, folder), published["snapshot"]["element"], definition["url"])
    listed = {(row["canonical"], row["element"], row["field"]) for row in LISTED["differences"]}
    assert found == {row for row in listed if row[0] == definition["url"]}


@pytest.mark.parametrize("definition", shipped("StructureDefinition", "fr-core"), ids=lambda row: row["id"])
def test_fr_core_differential_says_what_the_published_one_says(definition: JsonObject) -> None:
    published = package(PUBLISHED["fr-core"])[definition["url"]]
    theirs = _rows(published, "fr-core", published=True)
    assert _differences(_rows(definition, "fr-core"), theirs, definition["url"]) == set()


@each_restated
def test_references_are_aggregated_as_in_the_published_snapshot(folder: str, definition: JsonObject) -> None:
    published = package(PUBLISHED[folder])[definition["url"]]
    assert _aggregations(_rows(definition, folder)) == _aggregations(published["snapshot"]["element"])


def _aggregations(rows: list[JsonObject]) -> dict[str, list[str]]:
    types = [(row["id"], item) for row in rows for item in row.get("type", ())]
    return {identifier: item["aggregation"] for identifier, item in types if "aggregation" in item}


def test_each_published_profile_of_fr_core_is_restated() -> None:
    published = {
        url for url, row in package(PUBLISHED["fr-core"]).items() if row["resourceType"] == "StructureDefinition"
    }
    assert {row["url"] for row in shipped("StructureDefinition", "fr-core")} == published


@each_restated
def test_constraints_have_the_published_severities(folder: str, definition: JsonObject) -> None:
    published = package(PUBLISHED[folder])[definition["url"]]
    assert _severities(definition) == _severities(published)


def _severities(definition: JsonObject) -> set[tuple[str, str, str, bool]]:
    return {(path, row["key"], row["severity"], "expression" in row) for path, row in constraints(definition)}


@each_restated
def test_extensions_are_allowed_where_the_published_ones_are(folder: str, definition: JsonObject) -> None:
    published = package(PUBLISHED[folder])[definition["url"]]
    fields = ("type", "kind", "abstract", "derivation", "context", "contextInvariant")
    assert [definition.get(name) for name in fields] == [published.get(name) for name in fields]


def test_each_listed_difference_has_a_reason() -> None:
    assert {row["reason"] for row in LISTED["differences"]} == LISTED["reasons"].keys()


@pytest.mark.parametrize("definition", shipped("StructureDefinition", "dmp"), ids=lambda row: row["id"])
def test_profile_of_ours_permits_no_more_than_its_base(definition: JsonObject) -> None:
    table = definition_table(EXTENSIONS)
    base = table[definition["baseDefinition"].partition("|")[0]]
    rows = {row["id"]: row for row in _rows(definition, "dmp")}
    for inherited in _rows(base, "dmp") if "differential" in base else base["snapshot"]["element"]:
        if inherited["id"] in rows:
            own = rows[inherited["id"]]
            assert own["min"] >= inherited["min"]
            assert own["max"] == inherited["max"] or inherited["max"] == "*" or int(own["max"]) <= int(inherited["max"])


@pytest.mark.parametrize("definition", shipped("StructureDefinition"), ids=lambda row: row["id"])
def test_snapshot_needs_nothing_but_r4_and_what_is_shipped(definition: JsonObject) -> None:
    rows = _shipped_alone().generate(definition)["snapshot"]["element"]
    identifiers = {row["id"] for row in rows}
    assert {row["id"] for row in definition["differential"]["element"]} <= identifiers


def test_audit_profile_asks_all_that_the_french_trace_profile_asks_but_its_two_agents() -> None:
    trace = "https://interop.esante.gouv.fr/ig/fhir/tde/StructureDefinition/tde-auditevent"
    published = package("ans.fhir.fr.tde-2.0.0")[trace]["snapshot"]["element"]
    ours = {definition["id"]: definition for definition in shipped("StructureDefinition", "dmp")}
    stored = {row["id"]: row for row in _rows(ours["dmp-audit-event"], "dmp")}
    exported = {row["id"]: row for row in _rows(ours["dmp-audit-event-export"], "dmp")}
    wider = [row["id"] for row in published if row["id"] in stored and _is_wider(stored[row["id"]], row)]
    assert wider == ["AuditEvent.agent"]
    assert [row["id"] for row in published if row["id"] in exported and _is_wider(exported[row["id"]], row)] == []


def _is_wider(ours: JsonObject, theirs: JsonObject) -> bool:
    targets = {target for item in theirs.get("type", ()) for target in item.get("targetProfile", ())}
    own = {target for item in ours.get("type", ()) for target in item.get("targetProfile", ())}
    narrower_max = theirs["max"] != "*" and (ours["max"] == "*" or int(ours["max"]) > int(theirs["max"]))
    unversioned = {target.partition("|")[0] for target in targets}
    return (
        ours["min"] < theirs["min"] or narrower_max or not {target.partition("|")[0] for target in own} <= unversioned
    )
