"""The floors of what reaches the database: the bare driver, doing what the server asks of it, without a server.

Each function runs in a process of its own and returns that process's CPU time.
"""

from __future__ import annotations

import asyncio
import resource
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import cache
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

import uvloop
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern

from bench.measure import Sample
from bench.processes import DATABASE
from bench.record import build_observation
from fhir_dmp.app import Sources, build_context
from fhir_dmp.habilitation.source import MatrixSource
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.create import first_version
from fhir_dmp.loader import load_habilitation, load_registry
from fhir_dmp.packages.source import RulesSource
from fhir_dmp.resource import Identity
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import Everything, Handling
from fhir_dmp.settings import read_settings
from fhir_dmp.store.mongo.bulk import MongoExports
from fhir_dmp.store.mongo.document import PROJECTION, build_current
from fhir_dmp.store.mongo.habilitation import MongoMatrices
from fhir_dmp.store.mongo.indexes import RESOURCE, create_collections
from fhir_dmp.store.mongo.outbox import MongoOutbox
from fhir_dmp.store.mongo.packages import MongoPackages
from fhir_dmp.store.mongo.plan import SearchPlan, build_plan
from fhir_dmp.store.mongo.store import DURABLE, MAJORITY, MongoStore, connect
from fhir_dmp.validation.compiler import Schemas

Document = dict[str, Any]
Database = AsyncDatabase[Document]
Operation = Callable[[], Awaitable[object]]

FLOOR_DATABASE = "bench_floor"
_DOCUMENTS = 500
_AT_ONCE = 1000


def find(uri: str, queries: list[str], concurrency: int, seconds: float) -> Sample:
    """Runs the finds of searches (their URL's parameters): the same filter, order, projection and limit."""
    plans = [_plan(uri, text) for text in queries]
    turn = count()

    def prepare(client: AsyncMongoClient[Document]) -> Operation:
        resources = client.get_database(DATABASE, read_concern=MAJORITY)[RESOURCE]

        async def run() -> None:
            plan, limit = plans[next(turn) % len(plans)]
            rows = resources.find(plan.find_filter, plan.build_projection(PROJECTION)).sort(plan.order).limit(limit)
            if len(await rows.to_list()) != limit:
                raise RuntimeError(f"a search found less than {limit}")

        return run

    return uvloop.run(measure(uri, prepare, concurrency, seconds))


def insert(uri: str, concurrency: int, seconds: float) -> Sample:
    """Inserts the documents of Observations one by one, each durable before it counts."""
    documents, turn = _documents(uri), count()

    def prepare(client: AsyncMongoClient[Document]) -> Operation:
        resources = client.get_database(FLOOR_DATABASE, write_concern=DURABLE)[RESOURCE]

        async def run() -> None:
            await resources.insert_one(_fresh(documents[next(turn) % len(documents)]))

        return run

    return uvloop.run(measure(uri, prepare, concurrency, seconds))


def insert_many(uri: str, size: int, _: float) -> Sample:
    """Inserts so many documents of Observations, a thousand a command, each durable before it counts."""
    documents = _documents(uri)

    async def run() -> Sample:
        async with connect(uri) as client:
            resources = client.get_database(FLOOR_DATABASE, write_concern=DURABLE)[RESOURCE]
            await create_collections(client.get_database(FLOOR_DATABASE))
            fresh = [_fresh(documents[number % len(documents)]) for number in range(size)]
            began, start = cpu_seconds(), time.perf_counter()
            for first in range(0, size, _AT_ONCE):
                await resources.insert_many(fresh[first : first + _AT_ONCE], ordered=False)
            return Sample(size, time.perf_counter() - start, cpu_seconds() - began)

    return uvloop.run(run())


def scan(uri: str, seconds: float) -> Sample:
    """Reads the contents of all Observations, in the order of their ids, until the time is over."""

    async def run() -> Sample:
        async with connect(uri) as client:
            resources = client.get_database(DATABASE, read_concern=MAJORITY)[RESOURCE]
            done, began, start = 0, cpu_seconds(), time.perf_counter()
            while time.perf_counter() < start + seconds:
                rows = resources.find({"ty": "Observation"}, {"b": 1}).sort("_id").batch_size(_AT_ONCE)
                done += sum([len(row["b"]) > 0 async for row in rows])
            return Sample(done, time.perf_counter() - start, cpu_seconds() - began)

    return uvloop.run(run())


def insert_in_transactions(uri: str, size: int, concurrency: int, seconds: float) -> Sample:
    """Inserts the documents of Observations, so many at once in each transaction."""
    documents, turn = _documents(uri), count()

    def prepare(client: AsyncMongoClient[Document]) -> Operation:
        resources = client.get_database(FLOOR_DATABASE)[RESOURCE]

        async def run() -> None:
            start = next(turn) * size % len(documents)
            fresh = [_fresh(document) for document in documents[start : start + size]]

            async def work(session: AsyncClientSession) -> None:
                await resources.insert_many(fresh, session=session)

            async with client.start_session() as session:
                await session.with_transaction(work, read_concern=ReadConcern("snapshot"), write_concern=DURABLE)

        return run

    return uvloop.run(measure(uri, prepare, concurrency, seconds))


async def measure(
    uri: str, prepare: Callable[[AsyncMongoClient[Document]], Operation], concurrency: int, seconds: float
) -> Sample:
    async with connect(uri) as client:
        await create_collections(client.get_database(FLOOR_DATABASE))
        operation = prepare(client)
        await asyncio.gather(*(operation() for _ in range(concurrency)))
        done, began, start = 0, cpu_seconds(), time.perf_counter()

        async def repeat() -> None:
            nonlocal done
            while time.perf_counter() < start + seconds:
                await operation()
                done += 1

        await asyncio.gather(*(repeat() for _ in range(concurrency)))
        return Sample(done, time.perf_counter() - start, cpu_seconds() - began)


def cpu_seconds() -> float:
    """Returns the CPU time of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@cache
def make_context(uri: str) -> Context:
    """What the server itself reads searches and makes documents with; its store is not used."""
    settings = read_settings({"FHIR_DMP_MONGODB_URI": uri, "FHIR_DMP_BASE_URL": "http://127.0.0.1/fhir"})
    client = connect(uri)
    definitions = RulesSource(MongoPackages(client, FLOOR_DATABASE), Schemas(load_registry()))
    matrices = MatrixSource(MongoMatrices(client, FLOOR_DATABASE), load_habilitation())
    store = MongoStore(client, FLOOR_DATABASE)
    kept = MongoExports(store.database), MongoOutbox(store.database)
    return build_context(settings, Sources(), store, definitions, matrices, b"", *kept)


@cache
def _plan(uri: str, text: str) -> tuple[SearchPlan, int]:
    context = make_context(uri)
    query = parse_search(
        "Observation", parse_qsl(text), space=context.space, handling=Handling.STRICT, now=context.now()
    )
    return build_plan(query, Everything()), (query.count or 0) + 1


@cache
def _documents(uri: str) -> list[Document]:
    return [_document(make_context(uri), number) for number in range(_DOCUMENTS)]


def _document(context: Context, number: int) -> Document:
    change = first_version(context, build_observation(number), Identity("Observation", context.new_id()))
    if change.facts is None:
        raise RuntimeError("a resource has facts")
    return build_current(change.version, change.facts)


def _fresh(document: Document) -> Document:
    return {**document, "_id": f"Observation/{uuid.uuid4()}"}
