"""What the audit trail costs a request: to build its events, and to wait until they are durable; and, later, filing.

The floor is the driver's insert_one of the same documents, ready-made and as durable: what a trail without group commit
would wait for. Each function runs in a process of its own and returns that process's CPU time.
"""

from __future__ import annotations

import time
import uuid
from itertools import count

import uvloop
from pymongo import AsyncMongoClient

from bench.driver import FLOOR_DATABASE, Document, Operation, cpu_seconds, make_context, measure
from bench.measure import Comparison, Row, Sample, compare
from bench.setting import Bench
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.audit.access import Access, Item, Recorder
from fhir_dmp.audit.event import build_events
from fhir_dmp.resource import Identity, build_version
from fhir_dmp.store.mongo.audit import JOINED, MongoAuditTrail
from fhir_dmp.store.mongo.document import build_current
from fhir_dmp.store.mongo.indexes import RESOURCE
from fhir_dmp.store.mongo.recorded import EVERYTHING
from fhir_dmp.store.mongo.store import DURABLE, MAJORITY

_RECORDER = Recorder("http://127.0.0.1:8080/fhir")
_DOCTOR = Requester(
    Kind.PRACTITIONER,
    "899700000001",
    client="bench",
    display="Dr Jeanne Roy",
    rpps="10100000007",
    profession="10",
    organization="750000018",
    purposes=frozenset({"TREAT"}),
    token_id="bench",
)
_CONNECTIONS = (1, 16, 64)
_FILED_A_SECOND = 1000
"""About how many events are filed in a second, for a sample of about the length that is asked for."""


def audit(bench: Bench) -> list[Row]:
    """Records a read of one resource, and a search that gives 20 of one patient, against the driver's insert_one."""
    return [
        row
        for items, name in ((1, "read"), (20, "search of 20"))
        for connections in _CONNECTIONS
        for row in compare(
            {"driver's insert_one": bench.driver(insert, items, connections)},
            [
                Comparison(
                    f"audit of a {name}, {connections} at once",
                    bench.driver(record, items, connections),
                    "driver's insert_one",
                )
            ],
        )
    ] + [
        row
        for items, name in ((1, "read"), (20, "search of 20"))
        for row in compare(
            {"driver's insert_one": bench.driver(insert, items, 16)},
            [Comparison(f"the same of a {name} filed, later", bench.driver(file, items), "driver's insert_one")],
        )
    ]


def file(uri: str, items: int, seconds: float) -> Sample:
    """Files what was recorded, without a pause: what the clerk does while no requests come."""

    async def run() -> Sample:
        context = make_context(uri)
        async with AsyncMongoClient[Document](uri) as client:
            database = client.get_database(FLOOR_DATABASE, read_concern=MAJORITY, write_concern=DURABLE)
            trail = MongoAuditTrail(database, context.indexer, context.now)
            for _ in range(round(seconds * _FILED_A_SECOND / JOINED)):
                events = [event for turn in range(JOINED) for event in build_events(_access(turn, items), _RECORDER)]
                await trail.record(events)
            began, start = cpu_seconds(), time.perf_counter()
            done = await trail.filing.file(EVERYTHING)
            return Sample(done, time.perf_counter() - start, cpu_seconds() - began)

    return uvloop.run(run())


def record(uri: str, items: int, concurrency: int, seconds: float) -> Sample:
    """Records accesses as interactions do."""
    context, turn = make_context(uri), count()

    def prepare(client: AsyncMongoClient[Document]) -> Operation:
        database = client.get_database(FLOOR_DATABASE, read_concern=MAJORITY, write_concern=DURABLE)
        trail = MongoAuditTrail(database, context.indexer, context.now)

        async def run() -> None:
            await trail.record(build_events(_access(next(turn), items), _RECORDER))

        return run

    return uvloop.run(measure(uri, prepare, concurrency, seconds))


def insert(uri: str, items: int, concurrency: int, seconds: float) -> Sample:
    """Inserts the document of such an event, each by itself."""
    context = make_context(uri)
    event = build_events(_access(0, items), _RECORDER)[0]
    stamped, version = build_version(event, Identity("AuditEvent", "x"), None, "POST", context.now())
    document = build_current(version, context.indexer.facts(stamped))

    def prepare(client: AsyncMongoClient[Document]) -> Operation:
        resources = client.get_database(FLOOR_DATABASE, write_concern=DURABLE)[RESOURCE]

        async def run() -> None:
            await resources.insert_one({**document, "_id": f"AuditEvent/{uuid.uuid4()}"})

        return run

    return uvloop.run(measure(uri, prepare, concurrency, seconds))


def _access(number: int, items: int) -> Access:
    now = time.time_ns() // 1_000_000
    seen = [Item(Identity("Observation", f"o-{number}-{item}"), 1, f"p-{number % 100}") for item in range(items)]
    if items == 1:
        return Access(_DOCTOR, "read", f"request-{number}", "127.0.0.1", now, now, items=seen)
    query = f"Observation?patient=Patient/p-{number % 100}&_count={items}"
    return Access(_DOCTOR, "search-type", f"request-{number}", "127.0.0.1", now, now, query=query, items=seen)
