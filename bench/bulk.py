"""In bulk: `fhir-dmp load` as it is run against the driver's insert_many, a file of $export against a bare cursor."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

from bench import driver
from bench.client import ask
from bench.measure import Comparison, Measure, Row, Sample, compare
from bench.processes import Target, cpu_of, run_server
from bench.record import OBSERVATIONS, build_observation
from bench.setting import Bench
from fhir_dmp.json_text import write_json

LOADED = 12_000
"""Resources of one load: the start of the command (0.6 s) is part of it, and not what is measured."""
_DIVIDED_SECONDS = 60
_NUMBERS = count()
_WORKERS = 2
"""Processes of a server that is to use more than one processor."""


def load(bench: Bench) -> list[Row]:
    """Loads files of new Observations with full validation, the command's start and end included."""
    floor = {"driver's insert_many": bench.driver(driver.insert_many, LOADED)}
    with run_server(bench.uri, workers=_WORKERS) as several:
        return compare(
            floor,
            [
                Comparison(f"fhir-dmp load of {LOADED:,}{what}", _loading(server), "driver's insert_many", 0.25)
                for what, server in (("", bench.server), (f", {_WORKERS} workers", several))
            ],
            rounds=3,
        )


def export(bench: Bench) -> list[Row]:
    """Fetches the file of all Observations again and again."""
    url = _begin(bench.server.port)
    floor = {"bare cursor": bench.driver(driver.scan)}
    return compare(floor, [Comparison("file of $export", _fetching(bench, url), "bare cursor", 0.5)], rounds=3)


def _loading(target: Target) -> Measure:
    program = shutil.which("fhir-dmp", path=str(Path(sys.executable).parent)) or "fhir-dmp"

    def measure(_: float) -> Sample:
        with tempfile.TemporaryDirectory(prefix="fhir-dmp-bench-") as folder:
            file = Path(folder) / "observations.ndjson"
            rows = [{**build_observation(number), "id": f"l-{next(_NUMBERS)}"} for number in range(LOADED)]
            file.write_bytes(b"".join(write_json(row) + b"\n" for row in rows))
            command = [program, "load", str(file), "--url", f"http://127.0.0.1:{target.port}/fhir"]
            before, began = cpu_of(target.pid), time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env={**os.environ, "XDG_STATE_HOME": folder})
            return Sample(LOADED, time.perf_counter() - began, cpu_of(target.pid) - before)

    return measure


def _fetching(bench: Bench, url: str) -> Measure:
    def measure(seconds: float) -> Sample:
        before = cpu_of(bench.server.pid)
        sample = bench.load.submit(fetch, bench.server.port, url, seconds).result()
        return Sample(sample.operations, sample.seconds, cpu_of(bench.server.pid) - before, sample.errors)

    return measure


def fetch(port: int, url: str, seconds: float) -> Sample:
    """Fetches a file until the time is over, and counts its lines."""
    lines, errors, began = 0, 0, time.perf_counter()
    while time.perf_counter() < began + seconds:
        answer = ask(port, "GET", url, headers={"accept": "application/fhir+ndjson"})
        found = 0
        while chunk := answer.read(1 << 20):
            found += chunk.count(b"\n")
        errors += found < OBSERVATIONS
        lines += found
    return Sample(lines, time.perf_counter() - began, 0.0, errors)


def _begin(port: int) -> str:
    """Asks for an export; returns the URL of its first file once it is divided."""
    asked = ask(port, "GET", "/fhir/$export?_type=Observation", headers={"prefer": "respond-async"})
    status = asked.headers["content-location"]
    deadline = time.monotonic() + _DIVIDED_SECONDS
    while time.monotonic() < deadline:
        answer = ask(port, "GET", status)
        if answer.status == 200:
            url: str = json.loads(answer.read())["output"][0]["url"]
            return url
        time.sleep(0.5)
    raise RuntimeError("the export is not divided")
