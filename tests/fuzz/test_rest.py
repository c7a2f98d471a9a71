"""Whatever a client sends: no 5xx, an OperationOutcome for every refusal, nothing stored by halves.

FHIR_DMP_FUZZ_EXAMPLES sets how many requests each test makes.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from fhir_dmp.instant import write_instant
from fhir_dmp.json_text import parse_json_object
from fhir_dmp.loader import load_registry
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.validate import validate_structure
from tests.fuzz.strategies import (
    IDS,
    JSON_PATCH,
    RESOURCES,
    TYPES,
    bodies,
    bundles,
    headers,
    patches,
    paths,
    queries,
    resources,
)
from tests.rest.server import FHIR_JSON, Answer, Server, run_server

Json = Any

EXAMPLES = int(os.environ.get("FHIR_DMP_FUZZ_EXAMPLES", "200"))
FORM = "application/x-www-form-urlencoded"
SCHEMAS = Schemas(load_registry())
fuzz = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
async def fuzzed(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[Server]:
    """A server of these tests alone: at the end all that it holds is looked at."""
    async with run_server(mongodb_uri, mongodb_client, MAX_BODY="100000") as running:
        for name, rows in RESOURCES.items():
            for one in IDS[: len(IDS) - 1]:
                body = json.dumps({**rows[0], "id": one}).encode()
                stored = await running.exchange("PUT", f"/fhir/{name}/{one}", [("content-type", FHIR_JSON)], [body])
                assert stored.status == 201
        yield running


def _state(server: Server) -> tuple[int, int]:
    return server.count("resource"), server.count("history")


async def _send(server: Server, method: str, target: str, pairs: list[tuple[str, str]], body: bytes) -> Answer:
    """`exchange` checks the answer; what is refused, or only read, must have changed nothing."""
    before = _state(server)
    answer = await server.exchange(method, target, pairs, [body])
    assert answer.status < 500
    if answer.status >= 400 or method in {"GET", "HEAD", "OPTIONS"}:
        assert _state(server) == before
    return answer


@fuzz
@given(data=st.data())
async def test_any_read_is_answered(data: st.DataObject, fuzzed: Server) -> None:
    method = data.draw(st.sampled_from(["GET", "GET", "HEAD", "DELETE", "OPTIONS", "FROB"]))
    query = data.draw(queries())
    target = f"/fhir/{data.draw(paths())}" + (f"?{query}" if query else "")
    await _send(fuzzed, method, target, data.draw(headers("")), b"")


@fuzz
@given(data=st.data())
async def test_any_search_by_post_is_answered(data: st.DataObject, fuzzed: Server) -> None:
    path = data.draw(st.sampled_from(["_search", *(f"{name}/_search" for name in TYPES)]))
    body = data.draw(queries()).encode("latin-1")
    await _send(fuzzed, "POST", f"/fhir/{path}?{data.draw(queries())}", data.draw(headers(FORM)), body)


@fuzz
@given(data=st.data())
async def test_any_write_is_answered(data: st.DataObject, fuzzed: Server) -> None:
    resource = data.draw(resources())
    method = data.draw(st.sampled_from(["POST", "PUT", "PUT"]))
    name = resource.get("resourceType", "Patient")
    own = f"{name}/{resource.get('id', 'a')}" if method == "PUT" else f"{name}"
    usual = own.encode("utf8", "surrogatepass").decode("latin-1").partition("?")[0]
    criteria = f"{usual.partition('/')[0]}?{data.draw(queries())}"
    target = data.draw(st.sampled_from([*[usual] * 8, criteria, data.draw(paths())]))
    answer = await _send(fuzzed, method, f"/fhir/{target}", data.draw(headers(FHIR_JSON)), data.draw(bodies(resource)))
    if answer.status == 201:
        location = answer.headers["location"].removeprefix("http://testserver")
        assert (await fuzzed.exchange("GET", location)).status == 200


@fuzz
@given(data=st.data())
async def test_any_patch_is_answered(data: st.DataObject, fuzzed: Server) -> None:
    name, one = data.draw(st.sampled_from(TYPES)), data.draw(st.sampled_from(IDS))
    target = data.draw(st.sampled_from([f"{name}/{one}", f"{name}/{one}", f"{name}?identifier=a"]))
    pairs, body = data.draw(headers(JSON_PATCH)), data.draw(bodies(data.draw(patches())))
    await _send(fuzzed, "PATCH", f"/fhir/{target}", pairs, body)


@fuzz
@given(data=st.data())
async def test_any_bundle_is_answered(data: st.DataObject, fuzzed: Server) -> None:
    pairs, body = data.draw(headers(FHIR_JSON)), data.draw(bodies(data.draw(bundles())))
    await _send(fuzzed, "POST", "/fhir", pairs, body)


async def test_what_was_stored_is_whole(fuzzed: Server) -> None:
    """Runs last: every version of every resource is there once, says what it is, and is valid."""
    versions: dict[str, list[int]] = {}
    for collection in ("resource", "history"):
        for row in fuzzed.database[collection].find({}):
            reference = row.get("r", row["_id"])
            versions.setdefault(reference, []).append(row["v"])
            if row.get("b") is not None:
                _check_content(reference, row)
            else:
                assert (collection, row["m"]) == ("history", "DELETE")
    assert len(versions) > 3
    for reference, found in versions.items():
        assert sorted(found) == list(range(1, len(found) + 1)), reference
    for reference in versions:
        current = fuzzed.database["resource"].find_one({"_id": reference})
        last = fuzzed.database["history"].find_one({"r": reference}, sort=[("v", -1)])
        assert current is not None or (last is not None and last["m"] == "DELETE" and last.get("su") is None)


def _check_content(reference: str, row: dict[str, Any]) -> None:
    resource = parse_json_object(row["b"])
    name, _, one = reference.partition("/")
    assert (resource["resourceType"], resource["id"], row["ty"]) == (name, one, name)
    assert resource["meta"]["versionId"] == str(row["v"])
    assert resource["meta"]["lastUpdated"] == write_instant(row["lu"])
    assert validate_structure(resource, SCHEMAS) == [], reference
