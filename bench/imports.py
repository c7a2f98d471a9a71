"""`python -m bench.imports [LINES]`: an ndjson with one bad line is imported, and the server killed in the middle.

Starts an embedded MongoDB and the server as `fhir-dmp serve` starts it (one worker, no tokens), uploads that many small
Observations with ids (a million unless said) to `$import`, kills the server (-9) after a third and starts another. Then
counts what is stored, and reads what was refused: all but the bad line has to be there once, and that line in the file
of errors. Exits with 1 where it is not so.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pymongo import MongoClient
from rich.progress import Progress, TaskID

from bench.client import ask
from bench.processes import DATABASE, Target, cpu_of, run_server
from fhir_dmp.json_text import JsonObject, write_json
from fhir_dmp.store.mongo.embedded.embedded_mongo import EmbeddedMongo
from fhir_dmp.store.mongo.indexes import HISTORY, RESOURCE

LINES = 1_000_000
PATIENTS = 10_000
_TOGETHER = 10_000
_POLL_SECONDS = 0.5


def main(lines: int) -> int:
    with (
        tempfile.TemporaryDirectory(prefix="fhir-dmp-bench-") as folder,
        EmbeddedMongo(Path(folder) / "mongo", cache_gb=1) as mongo,
        Progress() as progress,
    ):
        file = Path(folder) / "lines.ndjson"
        _write(file, lines)
        bar = progress.add_task("lines", total=lines)
        with run_server(mongo.uri) as server:
            url = _upload(file, server)
            _watch(url, server, progress, bar, until=lines // 3)
            os.kill(server.pid, signal.SIGKILL)
        killed = time.perf_counter()
        with run_server(mongo.uri) as server:
            reached = int(progress.tasks[bar].completed)
            _watch(url, server, progress, bar, until=reached + 1)
            print(f"went on {time.perf_counter() - killed:.0f} s after the kill")
            _watch(url, server, progress, bar, until=lines)
            return _check(mongo.uri, server, url, lines)


def _lines(number: int) -> Iterator[bytes]:
    """The line in the middle has a text for a number."""
    coding = {"system": "http://loinc.org", "code": "8867-4"}
    for row in range(number):
        value: object = "much" if row == number // 2 else 60 + row % 40
        quantity = {"value": value, "system": "http://unitsofmeasure.org", "code": "/min"}
        yield write_json({
            "resourceType": "Observation",
            "id": f"i-{row}",
            "status": "final",
            "code": {"coding": [coding]},
            "subject": {"reference": f"Patient/p-{row % PATIENTS}"},
            "effectiveDateTime": "2024-03-01T08:00:00+01:00",
            "valueQuantity": quantity,
        }) + b"\n"  # fmt: skip


def _write(file: Path, number: int) -> None:
    lines = _lines(number)
    with file.open("wb") as target:
        while part := b"".join(islice(lines, _TOGETHER)):
            target.write(part)


def _upload(file: Path, server: Target) -> str:
    """Returns the status's URL once the server has said that it has the file."""
    size, began = file.stat().st_size, time.perf_counter()
    headers = {"content-type": "application/fhir+ndjson", "prefer": "respond-async", "content-length": str(size)}
    with file.open("rb") as body:
        answer = ask(server.port, "POST", "/fhir/$import", body, headers)
    if answer.status != 202:
        raise RuntimeError(answer.read().decode())
    print(f"{size / 1e6:,.0f} MB were durable after {time.perf_counter() - began:.1f} s")
    url: str = answer.headers["content-location"]
    return url


def _watch(url: str, server: Target, progress: Progress, bar: TaskID, until: int) -> None:
    """Returns once so many lines are done with; prints what they cost."""
    began, cpu, start = time.perf_counter(), cpu_of(server.pid), int(progress.tasks[bar].completed)
    done = start
    while done < until:
        time.sleep(_POLL_SECONDS)
        answer = ask(server.port, "GET", url)
        done = int(answer.headers["x-progress"].split()[2]) if answer.status == 202 else until
        progress.update(bar, completed=done)
    seconds, used = time.perf_counter() - began, cpu_of(server.pid) - cpu
    rate, each = (done - start) / seconds, used / (done - start) * 1e6
    print(f"lines {start:,} to {done:,}: {rate:,.0f}/s, {each:,.0f} µs of CPU each, at most {_peak(server)} MB held")


def _peak(server: Target) -> int:
    status = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def _check(uri: str, server: Target, url: str, lines: int) -> int:
    manifest = json.loads(ask(server.port, "GET", url).read())
    (refused,) = manifest["error"]
    errors = ask(server.port, "GET", refused["url"]).read().splitlines()
    outcomes: list[JsonObject] = [json.loads(row) for row in errors]
    with MongoClient[dict[str, object]](uri) as client:
        database = client[DATABASE]
        stored = database[RESOURCE].count_documents({"ty": "Observation", "v": 1})
        again = database[HISTORY].count_documents({})
    print(f"stored {stored:,}, each once; superseded {again:,}; manifest {manifest['extension']}")
    for outcome in outcomes:
        print(f"refused: {outcome['id']}, {outcome['issue'][0]['details']['text']}")
    is_right = [row["id"] for row in outcomes] == [f"line-{lines // 2 + 1}"]
    return int(not (is_right and stored == lines - 1 and again == 0))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else LINES))
