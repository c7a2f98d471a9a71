"""`python -m bench.latency [RESOURCES…]`: 30 shapes of search at several sizes, side by side, in milliseconds.

The store alone answers, one search at a time: what grows with the number of resources is MongoDB's. The documents are
put into it as the server would have written them, made of templates whose facts were found once. Each patient has 100
Observations, whatever the size.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import inf
from pathlib import Path
from random import Random
from statistics import median
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import uvloop
from rich.console import Console
from rich.table import Table

from bench.driver import make_context
from bench.record import build_observation
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.context import Context
from fhir_dmp.outcome import FhirError
from fhir_dmp.resource import Identity, build_version
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import Handling, SearchQuery
from fhir_dmp.store.mongo.document import build_current
from fhir_dmp.store.mongo.embedded.embedded_mongo import EmbeddedMongo
from fhir_dmp.store.mongo.indexes import RESOURCE
from fhir_dmp.store.mongo.store import MongoStore, connect

Document = dict[str, Any]

SIZES = (10_000, 1_000_000)
OF_A_PATIENT = 100
TIMES = 15
LONG = 0.5
"""Seconds: a search that takes longer is made three times only."""

_TEMPLATES = 4000
_BATCH = 5000
_ALL = Restriction.none()
_LOINC = "http://loinc.org%7C"
_TWO = f"{_LOINC}29463-7,{_LOINC}8867-4"

SHAPES = {
    "of a patient": "Observation?patient={p}",
    "their number": "Observation?patient={p}&_summary=count",
    "newest": "Observation?patient={p}&_sort=-date",
    "oldest": "Observation?patient={p}&_sort=date",
    "the last one": "Observation?patient={p}&_sort=-date&_count=1",
    "of a code": f"Observation?patient={{p}}&code={_LOINC}29463-7",
    "of a code, newest": f"Observation?patient={{p}}&code={_LOINC}29463-7&_sort=-date",
    "the last of a code": f"Observation?patient={{p}}&code={_LOINC}29463-7&_sort=-date&_count=1",
    "of two codes since, newest": f"Observation?patient={{p}}&code={_TWO}&date=ge2024-03&_sort=-date",
    "of a code in any system": "Observation?patient={p}&code=29463-7",
    "of a category": "Observation?patient={p}&category=vital-signs",
    "since": "Observation?patient={p}&date=ge2024-03",
    "of a month, newest": "Observation?patient={p}&date=2024-03&_sort=-date",
    "by status": "Observation?patient={p}&status=final",
    "by value": "Observation?patient={p}&code=29463-7&value-quantity=gt80",
    "by change": "Observation?patient={p}&_sort=-_lastUpdated",
    "several patients, newest": "Observation?patient={p},{q}&_sort=-date",
    "Patient by id": "Patient?_id={p}",
    "Patient by identifier": "Patient?identifier=urn:ins%7C{p}",
    "Patient by name and birth": "Patient?family=nom{p}&birthdate=1980-01-02",
    "Patient by beginning of name": "Patient?name=nom{p}",
    "Observation by identifier": "Observation?identifier=OBS-00000042&_count=5",
    "all: one page": "Observation?_count=50",
    "all: newest": "Observation?_sort=-date",
    "all: last changed": "Observation?_sort=-_lastUpdated",
    "all: of a code": f"Observation?code={_LOINC}29463-7",
    "all: of a code, newest": f"Observation?code={_LOINC}29463-7&_sort=-date",
    "all: of a day": "Observation?date=2024-03-11",
    "all: of an encounter": "Observation?encounter=Encounter/e-42",
    "all: estimated number": "Observation?code=29463-7&_count=1&_total=estimate",
}


@dataclass(frozen=True, slots=True)
class Latency:
    """The milliseconds of each shape; infinite where the search was refused as too costly."""

    size: int
    by_shape: dict[str, float]


async def measure(uri: str, sizes: list[int]) -> list[Latency]:
    """Fills databases, and asks each shape of all in turn."""
    client = connect(uri)
    context = make_context(uri)
    stores = {size: MongoStore(client, f"latency_{size}") for size in sizes}
    for size, store in stores.items():
        await _fill(context, store, size)
    found = {size: Latency(size, {}) for size in sizes}
    for name, shape in SHAPES.items():
        for size, seconds in (await _ask_in_turn(context, stores, shape)).items():
            found[size].by_shape[name] = seconds
    await client.close()
    return list(found.values())


async def _fill(context: Context, store: MongoStore, size: int) -> None:
    """Fills a database with so many resources."""
    began = time.perf_counter()
    documents = build_documents(context, size)
    while rows := list(islice(documents, _BATCH)):
        await store.database[RESOURCE].insert_many(rows, ordered=False)
    await store.prepare()
    sys.stderr.write(f"{size:,} resources stored and indexed in {time.perf_counter() - began:,.0f} s\n")


async def _ask_in_turn(context: Context, stores: dict[int, MongoStore], shape: str) -> dict[int, float]:
    """The milliseconds at each size: medians of rounds in which each has its turn, after one that is not counted."""
    chance = Random(shape)
    taken: dict[int, list[float]] = {size: [] for size in stores}
    rounds = 0
    while rounds < (4 if any(max(row, default=0) > LONG for row in taken.values()) else TIMES):
        for size, store in stores.items():
            one, other = (chance.randrange(size // OF_A_PATIENT) for _ in range(2))
            taken[size].append(await _time(context, store, shape.format(p=f"p{one}", q=f"p{other}")))
        rounds += 1
    return {size: median(row[1:]) * 1000 for size, row in taken.items()}


async def _time(context: Context, store: MongoStore, url: str) -> float:
    """The seconds of one search, infinite where it is refused as too costly."""
    query = _parse(context, url)
    began = time.perf_counter()
    try:
        await _ask(store, query)
    except FhirError:
        return inf
    return time.perf_counter() - began


async def _ask(store: MongoStore, query: SearchQuery) -> None:
    if query.count == 0:
        await store.count(query.clause, _ALL, 0)
        return
    await store.search(query, _ALL)
    if query.total:
        await store.estimate(query, _ALL)


def _parse(context: Context, url: str) -> SearchQuery:
    resource_type, _, written = url.partition("?")
    given = parse_qsl(written)
    pairs = given if any(name == "_count" for name, _ in given) else [*given, ("_count", "20")]
    return parse_search(resource_type, pairs, space=context.space, handling=Handling.STRICT, now=context.now())


def build_documents(context: Context, size: int) -> Iterator[Document]:
    """Builds the documents: a Patient for each hundred resources, and Observations of him."""
    chance = Random(20261128)
    templates = [_template(context, number) for number in range(min(size, _TEMPLATES))]
    for number in range(size):
        patient = f"p{number // OF_A_PATIENT}"
        if number % OF_A_PATIENT == 0:
            yield _patient(context, patient)
        else:
            yield _observation(templates[chance.randrange(len(templates))], chance, patient)


def _template(context: Context, number: int) -> Document:
    resource = {**build_observation(number), "subject": {"reference": "Patient/PPPP"}}
    return _store(context, Identity("Observation", "x"), resource, context.now() - number * 60_000)


def _observation(template: Document, chance: Random, patient: str) -> Document:
    identity = f"Observation/{UUID(int=chance.getrandbits(128), version=4)}"
    return {
        **template,
        "_id": identity,
        "lu": template["lu"] - chance.randrange(1000),
        "pt": patient,
        "t": [text.replace("PPPP", patient) for text in template["t"]],
        "b": template["b"].replace(b"PPPP", patient.encode()),
    }


def _patient(context: Context, patient: str) -> Document:
    resource = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:ins", "value": patient}],
        "name": [{"family": f"Nom{patient}", "given": ["Camille"]}],
        "birthDate": "1980-01-02",
    }
    return _store(context, Identity("Patient", patient), resource, context.now())


def _store(context: Context, identity: Identity, resource: Document, at: Milliseconds) -> Document:
    stamped, version = build_version(resource, identity, None, "POST", at)
    return build_current(version, context.indexer.facts(stamped))


def build_table(found: list[Latency]) -> Table:
    """Builds the table: a line for each shape, a column for each size, and the last in terms of the first."""
    table = Table(title="search, ms")
    for name in ("search", *(f"{row.size:,}" for row in found), "ratio"):
        table.add_column(name, justify="left" if name == "search" else "right")
    for name in SHAPES:
        taken = [row.by_shape[name] for row in found]
        told = ["too costly" if one == inf else f"{one:,.1f}" for one in taken]
        table.add_row(name, *told, f"{taken[-1] / taken[0]:.1f}")
    return table


def main(sizes: list[int]) -> None:
    """Measures and prints."""
    with (
        tempfile.TemporaryDirectory(prefix="fhir-dmp-bench-") as folder,
        EmbeddedMongo(Path(folder), cache_gb=2) as mongo,
    ):
        found = uvloop.run(measure(mongo.uri, sizes))
    Console(width=100).print(build_table(found))


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or list(SIZES))
