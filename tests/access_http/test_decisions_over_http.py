"""The decision table that a lawyer can read (tests/cases/access/decisions.yaml), asked of the server.

Each row is a store of its own; each of its cells is asked twice: read by id, and searched in its record.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from pymongo import MongoClient

from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.resource import Identity
from tests.access.test_decisions import FACTS, FEWEST_CELLS, ITEMS, TABLE, TRAITS
from tests.access_http.sides import Side, open_sides
from tests.access_http.world import World, build_stored
from tests.strategies.access import DIRECTORY, consent, patient, reference, requester

Json = Any

STAY: Json = {
    "resourceType": "Encounter", "id": "sejour", "status": "finished", "class": {"code": "AMB"},
    "subject": reference("Patient/p"),
}  # fmt: skip


class Row(NamedTuple):
    """A row of a table: the requester, what is given, and the items with what is expected of each."""

    name: str
    items: tuple[tuple[str, str], ...]


def rows() -> Iterator[Any]:
    for number, table in enumerate(TABLE["tables"]):
        for name, answers in table["rows"].items():
            items = tuple(zip(table["items"], answers.split(), strict=True))
            yield pytest.param(Row(name, items), id=f"{number}: {name}")


@pytest.fixture(scope="module")
async def side(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Side]:
    async with open_sides(mongodb_uri, mongodb_client, tmp_path_factory.mktemp("table"), 1) as (opened,):
        yield opened


@pytest.mark.parametrize("row", list(rows()))
async def test_the_table_of_decisions_over_http(row: Row, side: Side) -> None:
    who, *given = [part.strip() for part in row.name.split(" + ")]
    await side.fill(build_stored(_world(given), side.context.indexer))
    asking = _requester(TABLE["people"][who])
    for item, expected in row.items:
        is_shown = expected.startswith("+")
        assert await _is_read(side, asking, item) == is_shown, f"{item}: read, {expected}"
        assert await _is_found(side, asking, item) == is_shown, f"{item}: searched, {expected}"


def test_the_table_is_long_enough() -> None:
    assert sum(len(row.values[0].items) for row in rows()) >= FEWEST_CELLS


def _world(given: list[str]) -> World:
    traits = {TRAITS[name]: True for name in given if name in TRAITS}
    # the other patient is not here: what a requester may do in that record is no question of this table
    people = [patient(**traits)]
    consents = [
        consent(f"consent-{number}", TABLE["consents"][name]) for number, name in enumerate(given) if name not in TRAITS
    ]
    stored = [
        *DIRECTORY,
        *people,
        STAY,
        *consents,
        *(row for row in ITEMS.values() if row["resourceType"] != "Patient"),
    ]
    unique = {Identity(row["resourceType"], row["id"]): [row] for row in stored}
    return World({**unique, **{Identity(row["resourceType"], row["id"]): [row] for row in DIRECTORY}})


def _requester(row: Json) -> Requester:
    made = requester(row)
    default = "" if made.kind in {Kind.EXCLUDED, Kind.SYSTEM} else "user/*.cruds"
    return replace(made, scopes=tuple(row.get("scopes", default).split()))


async def _is_read(side: Side, asking: Requester, item: str) -> bool:
    resource = ITEMS[item]
    answer = await side.ask(asking, "GET", f"{resource['resourceType']}/{resource['id']}")
    assert answer.status in {200, 403, 404}, answer.body
    return answer.status == 200


async def _is_found(side: Side, asking: Requester, item: str) -> bool:
    resource = ITEMS[item]
    kind, about = resource["resourceType"], FACTS[item].patient
    criteria = {"_id": resource["id"], **({"patient": about} if about and kind != "Patient" else {})}
    answer = await side.ask(asking, "GET", f"{kind}?{urlencode(criteria)}")
    assert answer.status in {200, 403}, answer.body
    found = json.loads(answer.body)
    assert answer.status == 403 or found["total"] == len(found.get("entry", []))
    return answer.status == 200 and found["total"] == 1
