"""The subjects: what is measured, against which floor, and what is wanted of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from http.client import HTTPConnection

from bench import driver
from bench.access import access
from bench.audit import audit
from bench.bulk import export, load
from bench.client import get, post, post_bundle
from bench.measure import Comparison, Row, compare
from bench.processes import over_http
from bench.record import CODES, OBSERVATIONS, PATIENTS, build_observation, build_transaction
from bench.setting import Bench
from bench.validation import validate_observations
from fhir_dmp.json_text import write_json

SEED = 20261121


def read(bench: Bench) -> list[Row]:
    """Reads by id, at random among all Observations, against the constant answer."""
    numbers = random.Random(SEED).sample(range(OBSERVATIONS), OBSERVATIONS)
    requests = [get(f"/fhir/Observation/o-{number}", bench.server.port) for number in numbers]
    constant = [get("/", bench.constant.port)]
    return [
        row
        for connections in (16, 32)
        for row in compare(
            {"constant answer": over_http(bench.load, bench.constant, constant, connections)},
            [
                Comparison(
                    f"read by id, {connections} connections", bench.ours(requests, connections), "constant answer", 0.45
                )
            ],
        )
    ]


def search(bench: Bench) -> list[Row]:
    """Searches that fill a page of 20, against the driver's find of the same filter, order and projection."""
    patients = random.Random(SEED).sample(range(PATIENTS), PATIENTS)
    coded = [
        f"patient=Patient/p-{patient}&code=http://loinc.org%7C{code}&_count=20"
        for patient in patients
        for code in CODES
    ]
    dated = [f"patient=Patient/p-{patient}&date=ge2024-01-01&_sort=-date&_count=20" for patient in patients]
    return _search(bench, "patient and code", coded) + _search(bench, "patient and date, sorted", dated)


def _search(bench: Bench, name: str, queries: list[str], connections: int = 16) -> list[Row]:
    def requests(suffix: str) -> list[bytes]:
        return [get(f"/fhir/Observation?{text}{suffix}", bench.server.port) for text in queries]

    return compare(
        {"driver's find": bench.driver(driver.find, queries, connections)},
        [
            Comparison(
                f"20 by {name}, no total", bench.ours(requests("&_total=none"), connections), "driver's find", 0.5
            ),
            Comparison(f"20 by {name}, with total", bench.ours(requests(""), connections), "driver's find"),
        ],
    )


def create(bench: Bench) -> list[Row]:
    """Creates one by one, against the driver's insert_one of the same documents, as durable."""
    bodies = [write_json(build_observation(number)) for number in range(500)]
    requests = [post("/fhir/Observation", bench.server.port, body) for body in bodies]
    return [
        row
        for connections in (8, 16)
        for row in compare(
            {"driver's insert_one": bench.driver(driver.insert, connections)},
            [
                Comparison(
                    f"create, {connections} connections", bench.ours(requests, connections), "driver's insert_one"
                ),
                Comparison(
                    f"full validation alone, against {connections} writers",
                    lambda seconds: bench.load.submit(validate_observations, seconds).result(),
                    "driver's insert_one",
                    1.0,
                ),
            ],
        )
    ]


def transaction(bench: Bench) -> list[Row]:
    """Transactions of 100 creates, against the driver's insert_many of the same documents in one transaction."""
    bundles = [build_transaction(range(start, start + 100)) for start in range(0, 500, 100)]
    requests = [post("/fhir", bench.server.port, bundle) for bundle in bundles]
    return [
        row
        for connections in (1, 4)
        for row in compare(
            {"driver's insert_many": bench.driver(driver.insert_in_transactions, 100, connections)},
            [
                Comparison(
                    f"transaction of 100, {connections} at once",
                    bench.ours(requests, connections),
                    "driver's insert_many",
                    0.4,
                )
            ],
        )
    ]


def load_observations(port: int) -> None:
    """Stores the Observations that are read and searched for."""
    connection = HTTPConnection("127.0.0.1", port)
    for start in range(0, OBSERVATIONS, 100):
        bundle = build_transaction(range(start, start + 100), "o-")
        post_bundle(connection, bundle)
    connection.close()


SUBJECTS: dict[str, Callable[[Bench], list[Row]]] = {
    "read": read,
    "search": search,
    "create": create,
    "transaction": transaction,
    "access": access,
    "audit": audit,
    "load": load,
    "export": export,
}
