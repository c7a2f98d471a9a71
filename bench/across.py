"""`python -m bench.across [RESOURCES]`: a professional whom 1,000 patients' Consents name searches across them all.

Starts an embedded MongoDB, writes that many Observations (400,000 unless said) of a thousand patients straight into it,
as the server would store them, and takes the time of searches in this process, decided and traced: the first of all,
which reads every Consent, and the median of ten of each kind. Wanted: less than a second each.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median

import uvloop

from bench.access import DOCTOR, SYSTEM, build_consent
from bench.driver import make_context
from bench.processes import DATABASE
from bench.record import build_observation
from fhir_dmp.app import Sources, open_context
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.create import first_version
from fhir_dmp.interactions.request import Memory, Parameters, Request
from fhir_dmp.interactions.trace import run_traced
from fhir_dmp.json_text import JsonObject
from fhir_dmp.resource import Identity
from fhir_dmp.settings import read_settings
from fhir_dmp.store.mongo.document import Document, build_current
from fhir_dmp.store.mongo.embedded.embedded_mongo import EmbeddedMongo
from fhir_dmp.store.mongo.indexes import RESOURCE
from fhir_dmp.store.mongo.store import MongoStore, connect

RECORDS, RESOURCES = 1_000, 400_000
_TOGETHER, _TIMES = 1_000, 10
SEARCHES: dict[str, Parameters] = {
    "newest 20": (("_sort", "-date"), ("_count", "20"), ("_total", "none")),
    "20 of a code, newest first": (("code", "http://loinc.org|8867-4"), ("_sort", "-date"), ("_count", "20")),
    "20 of a code of a year": (("code", "http://loinc.org|8867-4"), ("date", "2024"), ("_count", "20")),
    "20, with their number": (("_count", "20"),),
}


def main(resources: int) -> int:
    with (
        tempfile.TemporaryDirectory(prefix="fhir-dmp-bench-") as folder,
        EmbeddedMongo(Path(folder), cache_gb=1) as mongo,
    ):
        return uvloop.run(_search_across(mongo.uri, resources))


async def _search_across(uri: str, resources: int) -> int:
    settings = {"MONGODB_URI": uri, "DATABASE": DATABASE, "BASE_URL": "http://127.0.0.1/fhir"}
    environ = {f"FHIR_DMP_{name}": value for name, value in settings.items()}
    began = time.perf_counter()
    await _load(uri, resources)
    print(f"{resources:,} Observations of {RECORDS:,} patients: loaded in {time.perf_counter() - began:,.0f} s")
    async with open_context(read_settings(environ), Sources()) as context:
        slowest = 0.0
        for name, parameters in SEARCHES.items():
            taken = [await _time(context, parameters) for _ in range(_TIMES + 1)]
            slowest = max(slowest, *taken)
            print(f"{name:28} first {taken[0] * 1000:7,.0f} ms   then {median(taken[1:]) * 1000:7,.0f} ms")
    return int(slowest > 1)


async def _time(context: Context, parameters: Parameters) -> float:
    request = Request(DOCTOR, "Observation", parameters=parameters, path="Observation", memory=Memory())
    route = context.routes.find("GET", "[type]", "Observation")
    began = time.perf_counter()
    result = await run_traced(route, context, request)
    if len(result.versions) != 20:
        raise RuntimeError("a search found less than 20")
    return time.perf_counter() - began


async def _load(uri: str, resources: int) -> None:
    """Writes before there are indexes, which are then made of all at once: that takes a third of the time."""
    client, context = connect(uri), make_context(uri)
    store = MongoStore(client, DATABASE)
    documents = (_document(context, resource) for resource in _resources(resources))
    while rows := list(islice(documents, _TOGETHER)):
        await store.database[RESOURCE].insert_many(rows, ordered=False)
    await store.prepare()
    await client.close()


def _resources(number: int) -> Iterator[JsonObject]:
    yield {
        "resourceType": "Practitioner",
        "id": "bench",
        "identifier": [{"system": SYSTEM["rpps"], "value": DOCTOR.rpps}],
    }
    for record in range(RECORDS):
        yield {"resourceType": "Patient", "id": f"p-{record}", "active": True}
        yield build_consent(record, 0)
    for row in range(number):
        patient = {"reference": f"Patient/p-{row % RECORDS}"}
        yield {**build_observation(row // RECORDS * 100 + row % 100), "id": f"o-{row}", "subject": patient}


def _document(context: Context, resource: JsonObject) -> Document:
    change = first_version(context, resource, Identity(resource["resourceType"], resource["id"]))
    if change.facts is None:
        raise RuntimeError("a resource has facts")
    return build_current(change.version, change.facts)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else RESOURCES))
