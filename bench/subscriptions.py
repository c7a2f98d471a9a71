"""Thousands of subscriptions: what they cost a write that concerns none of them, and one that concerns ten.

The endpoint is in the process that writes: a write is over when all its notices have come.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path

from bench.client import post, post_bundle
from bench.measure import Comparison, Measure, Row, Sample, compare
from bench.processes import Target, cpu_of, free_port, over_http, run_server, worker
from bench.record import build_observation
from fhir_dmp.json_text import write_json
from fhir_dmp.store.mongo.embedded.embedded_mongo import EmbeddedMongo

SUBSCRIPTIONS, PATIENTS = 2_000, 200
EACH = SUBSCRIPTIONS // PATIENTS
"""Subscriptions of a patient."""
_TOGETHER = 100
_LONGEST = 60.0
"""Seconds in which all notices of a write have to come."""
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def subscriptions() -> list[Row]:
    """Creates by a server that has none, and by one that has 2,000, on a MongoDB of their own."""
    with (
        tempfile.TemporaryDirectory(prefix="fhir-dmp-bench-") as folder,
        EmbeddedMongo(Path(folder), cache_gb=0.5) as mongo,
        run_server(mongo.uri, database="plain") as plain,
        run_server(mongo.uri, database="told", SUBSCRIPTION_HOSTS="127.0.0.1") as told,
        worker() as load,
    ):
        endpoint = free_port()
        seconds, cpu = subscribe(told, endpoint)
        print(f"{SUBSCRIPTIONS:,} subscribed in {seconds:.1f} s, {cpu / SUBSCRIPTIONS * 1e6:,.0f} µs of CPU each")

        def hear(seconds: float) -> Sample:
            before = cpu_of(told.pid)
            sample = load.submit(write_and_hear, told.port, endpoint, seconds).result()
            return Sample(sample.operations, sample.seconds, cpu_of(told.pid) - before, sample.errors)

        others = [post("/fhir/Observation", 0, _observe(number, f"other-{number}")) for number in range(500)]
        alone = [post("/fhir/Observation", 0, _observe(number, f"s-{number % PATIENTS}")) for number in range(500)]

        def unheard(target: Target, connections: int, requests: list[bytes]) -> Measure:
            return over_http(load, target, requests, connections)

        hear(0.1)  # by then the server listens for all of them
        return [
            *compare(
                {"create, nobody subscribed": unheard(plain, 8, others)},
                [
                    Comparison(
                        f"create, {SUBSCRIPTIONS:,} subscribed to others",
                        unheard(told, 8, others),
                        "create, nobody subscribed",
                    )
                ],
                rounds=3,
            ),
            *compare(
                {"create alone, 1 at a time": unheard(plain, 1, alone)},
                [Comparison(f"create and its {EACH} notices", hear, "create alone, 1 at a time")],
                rounds=3,
            ),
        ]


def subscribe(target: Target, endpoint: int) -> tuple[float, float]:
    """Stores the Subscriptions; returns the seconds, and the CPU of the server, until it has taken them in."""
    began, before = time.perf_counter(), cpu_of(target.pid)
    connection = HTTPConnection("127.0.0.1", target.port)
    for start in range(0, SUBSCRIPTIONS, _TOGETHER):
        entries = [
            {"resource": _subscription(number, endpoint), "request": {"method": "POST", "url": "Subscription"}}
            for number in range(start, start + _TOGETHER)
        ]
        bundle = write_json({"resourceType": "Bundle", "type": "transaction", "entry": entries})
        post_bundle(connection, bundle)
    connection.close()
    asyncio.run(_hear(target.port, endpoint, [_observe(0, f"s-{PATIENTS - 1}")]))
    return time.perf_counter() - began, cpu_of(target.pid) - before


def write_and_hear(port: int, endpoint: int, seconds: float) -> Sample:
    """Writes one after another, each when the notices of the one before have come."""
    bodies = [_observe(number, f"s-{number % PATIENTS}") for number in range(500)]
    began, deadline = time.perf_counter(), time.perf_counter() + seconds
    done = asyncio.run(_hear(port, endpoint, bodies, deadline))
    return Sample(done, time.perf_counter() - began, 0.0)


async def _hear(port: int, endpoint: int, bodies: list[bytes], deadline: float = 0.0) -> int:
    """Writes until the deadline, once at least; returns how often."""
    came: asyncio.Queue[None] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
        writer.write(_ANSWER)
        writer.close()
        came.put_nowait(None)

    done = 0
    async with await asyncio.start_server(take, "127.0.0.1", endpoint, family=socket.AF_INET):
        for body in cycle(bodies):
            await _post(port, body)
            async with asyncio.timeout(_LONGEST):
                for _ in range(EACH):
                    await came.get()
            done += 1
            if time.perf_counter() >= deadline:
                return done
    return done


async def _post(port: int, body: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post("/fhir/Observation", port, body))
    status = await reader.readline()
    writer.close()
    if b" 201 " not in status:
        raise RuntimeError(status.decode())


def _observe(number: int, patient: str) -> bytes:
    return write_json({**build_observation(number), "subject": {"reference": f"Patient/{patient}"}})


def _subscription(number: int, endpoint: int) -> dict[str, object]:
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "bench",
        "criteria": f"Observation?patient=Patient/s-{number % PATIENTS}&status=final",
        "channel": {
            "type": "rest-hook",
            "endpoint": f"http://127.0.0.1:{endpoint}/{number}",
            "payload": "application/fhir+json",
        },
    }
