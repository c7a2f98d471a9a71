"""`fhir-dmp verify` finds each thing that someone changed in the database behind the server's back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from bson import Decimal128
from pymongo import MongoClient
from pymongo.database import Database

from fhir_dmp.audit.chain import ORIGIN, Anchor, Head, build_anchor, hash_event
from fhir_dmp.cli import run
from fhir_dmp.json_text import FhirDecimal
from fhir_dmp.resource import Identity, Version, build_deletion, build_version
from fhir_dmp.store.mongo.audit import MongoAuditTrail, build_anchor_document, parse_anchor
from fhir_dmp.store.mongo.store import MongoStore, connect
from fhir_dmp.store.port import Change, Writer
from tests.audit.trail import NOW, event_of, indexer

Documents = Database[dict[str, Any]]
Tamper = Callable[[Documents], object]
Verify = Callable[..., tuple[int, str]]


def change(identity: Identity, previous: Version | None = None) -> Change:
    """The next version of a resource with some facts."""
    resource = {"resourceType": identity.resource_type, "language": "fr", "meta": {"tag": [{"code": "x"}]}}
    stamped, version = build_version(resource, identity, previous, "PUT" if previous else "POST", NOW)
    facts = indexer().facts(stamped)
    # the facts of a version differ from those of the next by its time alone, which is none of the fields compared
    return Change(version, previous, facts, facts if previous else None)


async def fill(store: MongoStore) -> None:
    """Basic/1 with three versions, Basic/2 deleted, Basic/3 revived, Basic/4 new; two writers' events."""
    steps: dict[str, list[Change]] = {}
    for name, count in (("1", 3), ("2", 2), ("3", 1), ("4", 1)):
        rows = steps.setdefault(name, [])
        for _ in range(count):
            rows.append(change(Identity("Basic", name), rows[-1].version if rows else None))
    for name in ("2", "3"):
        last = steps[name][-1].version
        steps[name].append(Change(build_deletion(last, NOW), last, None, steps[name][-1].facts))
    steps["3"].append(change(Identity("Basic", "3"), steps["3"][-1].version))
    for row in [row for rows in steps.values() for row in rows]:

        async def work(writer: Writer, row: Change = row) -> None:
            await writer.write([row])

        await store.transact(work)
    for _ in range(2):
        trail = MongoAuditTrail(store.database, indexer(), lambda: NOW)
        for number in range(3):
            await trail.record([event_of(number), event_of(number)])
        await trail.close()


@pytest.fixture
async def documents(mongodb_uri: str, database_name: str, mongodb_client: MongoClient[dict[str, Any]]) -> Documents:
    async with connect(mongodb_uri) as client:
        store = MongoStore(client, database_name)
        await store.prepare()
        await fill(store)
    return mongodb_client[database_name]


@pytest.fixture
def verify(
    mongodb_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Verify:
    """Runs the command in a thread, as it has an event loop of its own; returns exit code and output."""
    monkeypatch.setenv("FHIR_DMP_MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("FHIR_DMP_DATABASE", database_name)
    monkeypatch.setenv("FHIR_DMP_BASE_URL", "http://testserver/fhir")

    def verify(*options: str) -> tuple[int, str]:
        code = run(["verify", *options])
        return code, capsys.readouterr().out

    return verify


def events(documents: Documents) -> list[dict[str, Any]]:
    return list(documents["resource"].find({"ty": "AuditEvent"}).sort("_id"))


def anchors(documents: Documents) -> list[Anchor]:
    return [parse_anchor(row) for row in documents["audit_anchor"].find().sort("_id")]


def set_event(documents: Documents, place: int, **fields: object) -> None:
    documents["resource"].update_one({"_id": events(documents)[place]["_id"]}, {"$set": fields})


def remove_event(documents: Documents, place: int) -> None:
    documents["resource"].delete_one({"_id": events(documents)[place]["_id"]})


def swap_events(documents: Documents) -> None:
    first, second = events(documents)[1:3]
    for here, there in ((first, second), (second, first)):
        documents["resource"].replace_one({"_id": here["_id"]}, {**there, "_id": here["_id"]})


def alter_event(documents: Documents) -> None:
    content = events(documents)[2]["b"]
    set_event(documents, 2, b=content.replace(b"10100000007", b"10100000015"))


def rewrite_chain(documents: Documents) -> None:
    """Alters an event and makes all hashes of its chain right again."""
    alter_event(documents)
    rows = events(documents)[:6]
    before = next(row.hash for row in anchors(documents) if row.chain in rows[0]["_id"])
    for row in rows:
        before = hash_event(before, row["b"])
        documents["resource"].update_one({"_id": row["_id"]}, {"$set": {"h": before}})


def rewrite_everything(documents: Documents) -> None:
    """Makes the anchors right again, too."""
    rewrite_chain(documents)
    heads = {row["_id"]: row["h"] for row in events(documents)}
    previous = None
    for row in anchors(documents):
        head = heads.get(f"AuditEvent/{row.chain}-{row.events:012d}", ORIGIN)
        previous = build_anchor(previous, Head(row.chain, row.events, head), row.at)
        documents["audit_anchor"].replace_one({"_id": row.number}, build_anchor_document(previous))


def set_past(documents: Documents, reference: str, **fields: object) -> None:
    documents["history"].update_one({"_id": reference}, {"$set": fields})


def set_current(documents: Documents, reference: str, **fields: object) -> None:
    documents["resource"].update_one({"_id": reference}, {"$set": fields})


TAMPERINGS: dict[str, tuple[Tamper, str]] = {
    "event removed": (lambda documents: remove_event(documents, 2), r"chain \w+: event 3 is missing"),
    "first event removed": (lambda documents: remove_event(documents, 0), r"chain \w+: event 1 is missing"),
    "last event removed": (lambda documents: remove_event(documents, 5), r"chain \w+: event 6 is missing"),
    "all events removed": (
        lambda documents: documents["resource"].delete_many({"ty": "AuditEvent"}),
        r"chain \w+: events 1 to 6 are missing",
    ),
    "event altered": (alter_event, r"AuditEvent/\w+-0{11}3: it, or the event before it, was altered"),
    "event altered, and its hash": (
        lambda documents: set_event(documents, 2, h=bytes(32)),
        r"AuditEvent/\w+-0{11}3: it, or the event before it, was altered",
    ),
    "events reordered": (swap_events, r"AuditEvent/\w+-0{11}2: its content is that of another event"),
    "chain rewritten": (rewrite_chain, r"AuditEvent/\w+-0{11}6: anchor \d knows another event here"),
    "event put there": (
        lambda documents: documents["resource"].insert_one({**events(documents)[0], "_id": "AuditEvent/me"}),
        r"AuditEvent/me: no writer of the trace gives such an id",
    ),
    "event superseded": (
        lambda documents: documents["history"].insert_one(
            {**events(documents)[0], "_id": events(documents)[0]["_id"] + "/0", "r": events(documents)[0]["_id"]}
        ),
        r"AuditEvent/\S+: an AuditEvent never changes",
    ),
    "anchor removed": (
        lambda documents: documents["audit_anchor"].delete_one({"_id": 2}),
        r"anchors: anchor 2 is missing",
    ),
    "anchor altered": (
        lambda documents: documents["audit_anchor"].update_one({"_id": 2}, {"$set": {"n": 5}}),
        r"anchor 2: it, or the anchor before it, was altered",
    ),
    "version removed": (
        lambda documents: documents["history"].delete_one({"_id": "Basic/1/2"}),
        r"Basic/1: version 2 is missing",
    ),
    "current version removed": (
        lambda documents: documents["resource"].delete_one({"_id": "Basic/1"}),
        r"Basic/1: version 2 was superseded, but what followed it is missing",
    ),
    "deletion removed": (
        lambda documents: documents["history"].delete_one({"_id": "Basic/2/3"}),
        r"Basic/2: version 2 was superseded, but what followed it is missing",
    ),
    "older version made current": (
        lambda documents: set_current(documents, "Basic/1", v=2),
        r"Basic/1: version 2 stands after version 2",
    ),
    "time of supersession": (
        lambda documents: set_past(documents, "Basic/1/1", su=5),
        r"Basic/1: version 1 does not say when it was superseded",
    ),
    "time of a version": (
        lambda documents: set_past(documents, "Basic/1/2", lu=NOW),
        r"Basic/1: version 2 is not later than version 1",
    ),
    "method": (
        lambda documents: set_past(documents, "Basic/2/3", m="PUT"),
        r"Basic/2: version 3 is not what PUT makes",
    ),
    "content of another version": (
        lambda documents: set_current(
            documents,
            "Basic/1",
            b=documents["history"].find_one({"_id": "Basic/1/1"})["b"],  # type: ignore[index]  # it is there
        ),
        r"Basic/1: the content of version 3 is that of Basic/1, version 1",
    ),
    "content that is no JSON": (
        lambda documents: set_past(documents, "Basic/1/1", b=b"{"),
        r"Basic/1: the content of version 1 is no JSON object",
    ),
    "facts": (
        lambda documents: set_current(documents, "Basic/4", t=["Basic._tag=other"]),
        r"Basic/4: its facts are not those of its content \(field t\)",
    ),
    "facts of a past version": (
        lambda documents: set_past(documents, "Basic/1/1", t=["Basic._tag=other"]),
        r"Basic/1: the facts of version 1 are not those of its content \(field t\)",
    ),
    "facts of a deletion": (
        lambda documents: set_past(documents, "Basic/2/3", pt="someone-else"),
        r"Basic/2: the facts of version 3 are not those of its content \(field pt\)",
    ),
    "compartment": (
        lambda documents: set_event(documents, 0, pt="someone-else"),
        r"AuditEvent/\S+: its facts are not those of its content \(field pt\)",
    ),
    "old facts": (lambda documents: set_current(documents, "Basic/4", x=0), r"Basic/4: its facts are of extractor"),
}


async def test_database_that_was_left_alone_is_proved(documents: Documents, verify: Verify) -> None:
    code, output = await asyncio.to_thread(verify)
    last = anchors(documents)[-1]
    assert output.splitlines()[0] == "22 versions, 12 of them audit events: nothing is wrong"
    assert f"last anchor {last} " in output
    assert code == 0
    assert (await asyncio.to_thread(verify, "--anchor", str(last)))[0] == 0


async def test_a_number_is_the_same_however_it_is_written(
    mongodb_uri: str, database_name: str, documents: Documents, verify: Verify
) -> None:
    """A server that held a 1 before holds 1.0 as that 1."""
    resource = {"resourceType": "Observation", "valueQuantity": {"value": FhirDecimal("1.0"), "code": "g"}}
    stamped, version = build_version(resource, Identity("Observation", "1"), None, "POST", NOW)
    row = Change(version, None, indexer().facts(stamped))
    async with connect(mongodb_uri) as client:
        await MongoStore(client, database_name).transact(lambda writer: writer.write([row]))
    field = "q.$[].l"
    documents["resource"].update_one({"_id": "Observation/1"}, {"$set": {field: Decimal128("1.00")}})
    assert (await asyncio.to_thread(verify))[0] == 0
    documents["resource"].update_one({"_id": "Observation/1"}, {"$set": {field: Decimal128("1.01")}})
    assert (await asyncio.to_thread(verify))[0] == 1


async def test_a_database_that_does_not_answer_is_the_environments_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FHIR_DMP_MONGODB_URI", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100")
    assert await asyncio.to_thread(run, ["verify"]) == 3
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].startswith("fhir-dmp: the database does not answer: 127.0.0.1:1")


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_tampering_is_found(name: str, documents: Documents, verify: Verify) -> None:
    tamper, expected = TAMPERINGS[name]
    tamper(documents)
    code, output = await asyncio.to_thread(verify)
    assert re.search(f"^{expected}", output, re.MULTILINE), output
    assert code == 1


async def test_who_knows_an_anchor_finds_a_trace_that_was_written_anew(documents: Documents, verify: Verify) -> None:
    known = str(anchors(documents)[-1])
    rewrite_everything(documents)
    code, output = await asyncio.to_thread(verify)
    assert (code, [line for line in output.splitlines() if "anchor" in line][:-1]) == (1, []), "only the facts differ"
    code, output = await asyncio.to_thread(verify, "--anchor", known)
    assert "it is not the one that you know: the trace was rewritten" in output
    assert code == 1


async def test_anchor_that_is_none_is_a_matter_of_usage(verify: Verify) -> None:
    # the empty one is a script's variable that is not set: it would prove nothing
    for anchor in ("12", "", " "):
        assert (await asyncio.to_thread(verify, "--anchor", anchor))[0] == 2


async def test_empty_database_is_no_database(verify: Verify) -> None:
    assert (await asyncio.to_thread(verify))[0] == 3
