"""MongoStore keeps what the port promises: https://hl7.org/fhir/R4/http.html#versions."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.resource import Identity, Method, Version, build_deletion, build_version
from fhir_dmp.search.facts import Facts, Mark, Security, TokenFact
from fhir_dmp.search.query import Everything, Has, Marked, SearchQuery, TokenValue, WithId
from fhir_dmp.store.mongo.embedded.mongod import find_mongod, mongod_environment
from fhir_dmp.store.mongo.embedded.replica_set import free_port
from fhir_dmp.store.mongo.facts import linked
from fhir_dmp.store.mongo.indexes import INDEXES
from fhir_dmp.store.mongo.predicate import AUTHORS
from fhir_dmp.store.mongo.store import MongoStore, StoreUnusable, connect
from fhir_dmp.store.port import Change, HistoryKey, HistoryQuery, Writer

ALL = Restriction(Everything())
ONE = Identity("Patient", "one")
TWO = Identity("Patient", "two")


@pytest.fixture
async def store(mongodb_uri: str, database_name: str) -> AsyncIterator[MongoStore]:
    client = connect(mongodb_uri)
    store = MongoStore(client, database_name)
    await store.prepare()
    yield store
    await client.close()


def change(identity: Identity, previous: Version | None = None, code: str = "a", now: int = 1000) -> Change:
    """The next version of a resource that is found by `_tag` with a code."""
    method: Method = "PUT" if previous else "POST"
    resource = {"resourceType": identity.resource_type, "language": code}
    _, version = build_version(resource, identity, previous, method, now)
    tokens = (TokenFact("_tag", "", code),)
    return Change(version, previous, Facts(identity.resource_type, identity.resource_id, version.last_updated, tokens))


def deletion(previous: Version) -> Change:
    return Change(build_deletion(previous, 5000), previous, None)


async def write(store: MongoStore, *changes: Change) -> None:
    async def work(writer: Writer) -> None:
        await writer.write(changes)

    await store.transact(work)


async def read(store: MongoStore, identity: Identity) -> Version | None:
    return (await store.read([identity], ALL)).get(identity)


def query(code: str) -> SearchQuery:
    return SearchQuery(("Patient",), Has("Patient", "_tag", (TokenValue(None, code),)), count=10)


async def found(store: MongoStore, code: str) -> list[Identity]:
    return [version.identity for version in (await store.search(query(code), ALL)).versions]


async def test_inserted_version_is_read_back_byte_for_byte(store: MongoStore) -> None:
    first = change(ONE)
    await store.insert(first)
    assert await read(store, ONE) == first.version
    assert await store.read_version(ONE, 1, ALL) == first.version
    assert await found(store, "a") == [ONE]


async def test_absent_resource_is_no_key_anywhere(store: MongoStore) -> None:
    assert await store.read([ONE], ALL) == {}
    assert await store.read_latest([ONE], ALL) == {}
    assert await store.read_version(ONE, 1, ALL) is None
    assert await store.history(HistoryQuery(10, identity=ONE), ALL) == []


async def test_superseded_version_leaves_the_search_and_stays_in_the_history(store: MongoStore) -> None:
    first = change(ONE)
    await store.insert(first)
    second = change(ONE, first.version, "b")
    await write(store, second)
    assert await found(store, "a") == []
    assert await found(store, "b") == [ONE]
    assert await store.read_version(ONE, 1, ALL) == first.version
    assert await store.history(HistoryQuery(10, identity=ONE), ALL) == [second.version, first.version]


def test_last_updated_grows_when_the_clock_stands_still() -> None:
    first = change(ONE, now=1000)
    second = change(ONE, first.version, now=900)
    assert second.version.last_updated == first.version.last_updated + 1


async def test_deleted_resource_is_gone_but_its_deletion_is_the_latest_version(store: MongoStore) -> None:
    first = change(ONE)
    await store.insert(first)
    gone = deletion(first.version)
    await write(store, gone)
    assert await read(store, ONE) is None
    assert await store.read_latest([ONE], ALL) == {ONE: gone.version}
    assert await found(store, "a") == []
    assert await store.count(query("a").clause, ALL, 0) == 0
    assert await store.history(HistoryQuery(10, identity=ONE), ALL) == [gone.version, first.version]


async def test_revived_resource_continues_its_versions(store: MongoStore) -> None:
    first = change(ONE)
    await store.insert(first)
    gone = deletion(first.version)
    await write(store, gone)
    revived = change(ONE, gone.version, "c")
    await write(store, revived)
    assert revived.version.version_id == 3
    assert await store.read_latest([ONE], ALL) == {ONE: revived.version}
    versions = await store.history(HistoryQuery(10, identity=ONE), ALL)
    assert [version.version_id for version in versions] == [3, 2, 1]


async def test_failed_transaction_leaves_nothing(store: MongoStore) -> None:
    async def work(writer: Writer) -> None:
        await writer.write([change(ONE), change(TWO)])
        raise RuntimeError("after the writes")

    with pytest.raises(RuntimeError, match="after the writes"):
        await store.transact(work)
    assert await store.read([ONE, TWO], ALL) == {}
    assert await store.count_history(HistoryQuery(10), ALL, 0) == 0


async def test_writer_sees_its_own_writes_and_others_do_not(store: MongoStore) -> None:
    async def work(writer: Writer) -> tuple[int, int]:
        await writer.write([change(ONE)])
        inside = await writer.search(query("a"), ALL)
        return len(inside.versions), len(await found(store, "a"))

    assert await store.transact(work) == (1, 0)


async def test_transaction_that_comes_second_runs_again_on_what_the_first_left(store: MongoStore) -> None:
    await store.insert(change(ONE))
    runs = 0

    async def increment() -> None:
        async def work(writer: Writer) -> None:
            nonlocal runs
            runs += 1
            current = (await writer.read_latest([ONE], ALL))[ONE]
            await asyncio.sleep(0.01)
            await writer.write([change(ONE, current)])

        await store.transact(work)

    await asyncio.gather(*(increment() for _ in range(8)))
    latest = await read(store, ONE)
    assert latest is not None
    assert latest.version_id == 9
    assert runs > 8
    versions = await store.history(HistoryQuery(20, identity=ONE), ALL)
    assert [version.version_id for version in versions] == list(range(9, 0, -1))


async def test_two_that_create_one_id_make_one_resource(store: MongoStore) -> None:
    async def create() -> int:
        async def work(writer: Writer) -> int:
            current = (await writer.read_latest([ONE], ALL)).get(ONE)
            await writer.write([change(ONE, current)])
            return 1 if current is None else 0

        return await store.transact(work)

    assert sum(await asyncio.gather(*(create() for _ in range(6)))) == 1


async def test_guarded_transactions_run_one_after_another(store: MongoStore) -> None:
    async def create_unless_found(number: int) -> bool:
        async def work(writer: Writer) -> bool:
            await writer.guard(["Patient?_tag=a"])
            if (await writer.search(query("a"), ALL)).versions:
                return False
            await writer.write([change(Identity("Patient", f"p{number}"))])
            return True

        return await store.transact(work)

    created = await asyncio.gather(*(create_unless_found(number) for number in range(10)))
    assert sum(created) == 1
    assert len(await found(store, "a")) == 1


async def test_concurrent_reads_get_each_their_own_resource(store: MongoStore) -> None:
    identities = [Identity("Patient", f"p{number}") for number in range(200)]
    await write(store, *(change(identity) for identity in identities))
    wanted = [*identities, Identity("Patient", "absent")]
    answers = await asyncio.gather(*(store.read([identity], ALL) for identity in wanted))
    assert [list(answer) for answer in answers] == [*([identity] for identity in identities), []]


class Finds(CommandListener):
    """Counts the queries that reach MongoDB."""

    def __init__(self) -> None:
        self.number = 0

    def started(self, event: CommandStartedEvent) -> None:
        self.number += event.command_name == "find"

    def succeeded(self, event: CommandSucceededEvent) -> None:
        del event

    def failed(self, event: CommandFailedEvent) -> None:
        del event


async def test_readers_that_come_again_and_again_share_their_queries(mongodb_uri: str, database_name: str) -> None:
    finds = Finds()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongodb_uri, event_listeners=[finds])
    store = MongoStore(client, database_name)
    await store.prepare()
    await store.insert(change(ONE))

    async def read_often() -> None:
        for _ in range(25):
            assert await read(store, ONE)

    await asyncio.gather(*(read_often() for _ in range(16)))
    await client.close()
    assert finds.number <= 2 * 25


async def test_restriction_hides_as_if_absent(store: MongoStore) -> None:
    await write(store, change(ONE, code="a"), change(TWO, code="b"))
    only_a = Restriction(query("a").clause)
    assert list(await store.read([ONE, TWO], only_a)) == [ONE]
    assert await store.count(Everything(), only_a, 0) == 1
    everything = SearchQuery(("Patient",), Everything(), count=10)
    assert [row.identity for row in (await store.search(everything, only_a)).versions] == [ONE]


async def test_restriction_by_id_widens_no_read(store: MongoStore) -> None:
    await write(store, change(ONE), change(TWO))
    only_two = Restriction(WithId("Patient", ("two",)))
    assert await store.read([ONE], only_two) == {}
    assert list(await store.read([ONE, TWO], only_two)) == [TWO]


async def test_history_pages_hold_each_version_once_in_order(store: MongoStore) -> None:
    versions = []
    for number in range(7):
        first = change(Identity("Patient", f"p{number % 3}-{number}"), now=1000 + number // 2)
        await store.insert(first)
        second = change(first.version.identity, first.version, now=1000 + number // 2)
        await write(store, second)
        versions += [first.version, second.version]
    walked: list[Version] = []
    after = None
    while page := await store.history(HistoryQuery(3, resource_types=("Patient",), after=after), ALL):
        walked += page
        after = HistoryKey(page[-1].last_updated, str(page[-1].identity), page[-1].version_id)
    assert sorted(walked, key=str) == sorted(versions, key=str)
    assert [row.last_updated for row in walked] == sorted((row.last_updated for row in walked), reverse=True)
    of_patients = HistoryQuery(3, resource_types=("Patient",))
    assert await store.count_history(of_patients, ALL, 0) == 14
    assert [await store.count_history(of_patients, ALL, limit) for limit in (1, 7, 9, 14, 15)] == [1, 7, 9, 14, 14]


@pytest.mark.parametrize(
    ("span", "numbers"), [((0, 999), []), ((1000, 1001), [1]), ((1500, 2500), [2, 1]), ((9000, 9001), [3])]
)
async def test_history_at_a_time_has_the_versions_current_then(
    store: MongoStore, span: tuple[int, int], numbers: list[int]
) -> None:
    first = change(ONE, now=1000)
    await store.insert(first)
    second = change(ONE, first.version, now=2000)
    await write(store, second)
    await write(store, change(ONE, second.version, now=3000))
    versions = await store.history(HistoryQuery(10, identity=ONE, at=span), ALL)
    assert [version.version_id for version in versions] == numbers


async def test_limited_count_stops_at_its_limit(store: MongoStore) -> None:
    await write(store, *(change(Identity("Patient", f"p{number}")) for number in range(20)))
    assert await store.count(query("a").clause, ALL, 5) == 5
    assert await store.count(query("a").clause, ALL, 0) == 20


async def test_too_large_resource_is_an_error_of_the_client(store: MongoStore) -> None:
    resource = {"resourceType": "Binary", "data": "x" * (17 * 1024 * 1024)}
    _, version = build_version(resource, Identity("Binary", "b"), None, "POST", 1)
    with pytest.raises(FhirError) as caught:
        await store.insert(Change(version, None, Facts("Binary", "b", 1)))
    assert caught.value.category is Category.TOO_LARGE


async def test_indexes_are_those_declared(
    store: MongoStore, mongodb_client: MongoClient[dict[str, Any]], database_name: str
) -> None:
    await store.prepare()
    database = mongodb_client[database_name]
    for collection, declared in INDEXES.items():
        names = set(database[collection].index_information()) - {"_id_"}
        assert names == {index.document["name"] for index in declared}


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[str]:
    """A mongod that is no replica set."""
    port = free_port(None)
    command = [str(find_mongod()), "--dbpath", str(tmp_path), "--port", str(port), "--bind_ip", "127.0.0.1", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=mongod_environment()) as mongod:
        yield f"mongodb://127.0.0.1:{port}/?directConnection=true&serverSelectionTimeoutMS=20000"
        mongod.kill()


async def test_standalone_mongod_is_refused_with_the_reason(standalone: str) -> None:
    client = connect(standalone)
    with pytest.raises(StoreUnusable, match="standalone server, which has no transactions"):
        await MongoStore(client, "none").prepare()
    await client.close()


async def test_database_that_is_not_there_is_said_so() -> None:
    client = connect("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200&directConnection=true")
    with pytest.raises(StoreUnusable, match="does not answer"):
        await MongoStore(client, "none").prepare()
    await client.close()


async def test_text_that_is_no_uri_is_said_so() -> None:
    with pytest.raises(StoreUnusable, match="FHIR_DMP_MONGODB_URI"):
        connect("postgres://x")


@pytest.mark.parametrize("count", [AUTHORS - 1, AUTHORS, AUTHORS + 1])
async def test_what_has_more_authors_than_are_read_is_not_decided_by_them(store: MongoStore, count: int) -> None:
    marks = tuple(Mark("author", f"Practitioner/{number}") for number in range(count))
    facts = Facts(*ONE, 1000, (TokenFact("_tag", "", "a"),), security=Security(marks, 3))
    await store.insert(replace(change(ONE), facts=facts))
    for name, shown in (("Practitioner/0", {ONE}), ("Practitioner/none", set[Identity]())):
        own = Restriction(Marked("author", (name,)))
        found = await store.read_each((ONE,), {"": own}.get)
        assert (found if found is None else found.keys()) == (shown if count < AUTHORS else None)
        assert (await store.read((ONE,), own)).keys() == shown


async def test_a_resource_that_is_revived_meanwhile_is_never_absent(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = change(ONE)
    gone = deletion(first.version)
    await write(store, first)
    await write(store, gone)
    revived, original = change(ONE, gone.version), store.read

    async def read_before_it(*asked: Any) -> Mapping[Identity, Version]:
        seen = await original(*asked)
        monkeypatch.setattr(store, "read", original)
        await write(store, revived)
        return seen

    monkeypatch.setattr(store, "read", read_before_it)
    assert (await store.read_latest([ONE], ALL))[ONE] == revived.version


async def test_reads_that_fail_leave_nothing_behind() -> None:
    client: AsyncMongoClient[Any] = AsyncMongoClient("mongodb://127.0.0.1:1/", serverSelectionTimeoutMS=50)
    store = MongoStore(client, "none")
    with pytest.raises(FhirError):
        await store.read([ONE], ALL)
    assert not vars(store)["_coalescers"]
    await client.close()


CITING = linked("DocumentReference.location", "Binary/b")
CITED: list[dict[str, Any]] = [
    {"_id": "Binary/b", "ty": "Binary", "au": "her"},
    {"_id": "DocumentReference/d", "ty": "DocumentReference", "au": "her", "pt": "one", "t": [CITING]},
]


@pytest.mark.parametrize(("owner", "is_kept"), [("her", True), ("another", False)])
async def test_a_binary_goes_with_its_record_whoever_else_cites_it(
    store: MongoStore, owner: str, *, is_kept: bool
) -> None:
    other = {"_id": "DocumentReference/o", "ty": "DocumentReference", "au": owner, "pt": "two", "t": [CITING]}
    await store.database["resource"].insert_many([*map(dict, CITED), other])
    await store.erase("one", 10)
    assert (await store.database["resource"].count_documents({"ty": "Binary"}) == 1) == is_kept


async def test_an_erasure_that_is_interrupted_leaves_no_binary_that_nothing_leads_to(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.database["resource"].insert_many([dict(row) for row in CITED])
    calls: list[list[str]] = []
    original = getattr(store, "_remove")  # noqa: B009

    async def interrupted(texts: list[str]) -> None:
        calls.append(texts)
        if len(calls) > 1:
            raise InterruptedError
        await original(texts)

    monkeypatch.setattr(store, "_remove", interrupted)
    with pytest.raises(InterruptedError):
        await store.erase("one", 10)
    assert calls[0] == ["Binary/b"]
    monkeypatch.setattr(store, "_remove", original)
    while await store.erase("one", 10):
        pass
    assert await store.database["resource"].count_documents({}) == 0


async def test_an_erasure_that_is_interrupted_between_versions_finds_the_rest_again(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was deleted is found by its deletion, which MongoDB comes to first: in the order of its index."""
    deleted = {"ty": "Observation", "r": "Observation/d", "pt": "one"}
    await store.database["history"].insert_many([
        {**deleted, "_id": "Observation/d/1", "v": 1, "m": "POST"},
        {**deleted, "_id": "Observation/d/2", "v": 2, "m": "PUT"},
        {**deleted, "_id": "Observation/d/3", "v": 3, "m": "DELETE"},
    ])  # fmt: skip

    async def killed_after_one(self: AsyncCollection[Any], wanted: Mapping[str, Any]) -> None:
        first = await self.find_one(wanted, {"_id": 1}, sort={"r": 1, "v": -1})
        if first:
            await self.delete_one(first)
            raise InterruptedError

    for _ in range(4):
        with monkeypatch.context() as patch, suppress(InterruptedError):
            patch.setattr(AsyncCollection, "delete_many", killed_after_one)
            await store.erase("one", 10)
    assert await store.erase("one", 10) == 0
    assert await store.database["history"].count_documents({}) == 0
