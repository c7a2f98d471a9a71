"""`fhir-dmp serve --demo`: the records of examples/ into the server that is starting, each once.

A record is a transaction whose entries are created conditionally (ifNoneExist): the first of them tells whether the
record is here already. https://hl7.org/fhir/R4/http.html#ccreate
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qsl

import httpx
import orjson
import typer

from fhir_dmp.commands.connection import Connection, Target, read_message
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.json_text import JsonObject
from fhir_dmp.loader import data_folder

STEP_SECONDS = 0.1
READY_SECONDS = 300.0
"""How long a server may take to become ready: longer than a recovery of its database."""


@dataclass(frozen=True, slots=True)
class DemoRecord:
    """A record that was sent: its file, its resources, and why it was refused (empty where it was not)."""

    name: str
    resources: int
    refusal: str


def load_demo_when_ready(target: Target) -> Thread:
    """Starts a thread that loads the demo records as soon as the server answers, and ends with the process.

    What it does, it tells on stdout; an error is one line on stderr, and the server goes on.
    """
    thread = Thread(target=_load_or_tell, args=(target,), name="demo", daemon=True)
    thread.start()
    return thread


def load_demo(connection: Connection, folder: Path) -> Iterator[DemoRecord]:
    """Loads the records of a folder that are not here yet, in the order of their names, and yields each.

    Raises CommandError where the server does not answer.
    """
    for file in sorted(folder.glob("*.json")):
        data = file.read_bytes()
        bundle: JsonObject = orjson.loads(data)
        if not _is_here(connection, bundle):
            reply = connection.post(data)
            refusal = "" if reply.is_success else read_message(reply.issues[0])
            yield DemoRecord(file.name, len(bundle["entry"]), refusal)


def first_queries(connection: Connection) -> Iterator[str]:
    """Yields URLs that answer something to look at, for a first patient of this server."""
    base = connection.target.base_url
    patients = connection.get("Patient", [("_count", "1")]).body.get("entry", [])
    yield f"{base}/Patient?_count=5&_pretty=true"
    for entry in patients[:1]:
        patient_id = entry["resource"]["id"]
        yield f"{base}/Patient/{patient_id}?_pretty=true"
        yield f"{base}/Observation?patient={patient_id}&_sort=-date&_count=5&_pretty=true"
        yield f"{base}/Condition?patient={patient_id}&_pretty=true"
    yield f"{base}/metadata?_pretty=true"


def wait_until_ready(target: Target) -> None:
    """Returns when the server can read and write; raises CommandError (environment) where it takes too long."""
    deadline = time.monotonic() + READY_SECONDS
    with httpx.Client(trust_env=False, timeout=STEP_SECONDS * 50) as client:
        while time.monotonic() < deadline:
            if _is_ready(client, target):
                return
            time.sleep(STEP_SECONDS)
    raise CommandError(Exit.ENVIRONMENT, "the demo records are not loaded: the server did not become ready")


def _load_or_tell(target: Target) -> None:
    try:
        wait_until_ready(target)
        with Connection(target) as connection:
            for record in load_demo(connection, data_folder("examples")):
                _tell(record)
            typer.echo("\nTry:\n" + "\n".join(f"  curl '{url}'" for url in first_queries(connection)) + "\n")
    except CommandError as fault:
        typer.echo(f"fhir-dmp: {fault}", err=True)


def _tell(record: DemoRecord) -> None:
    if record.refusal:
        typer.echo(f"fhir-dmp: the demo record {record.name} is refused: {record.refusal}", err=True)
    else:
        typer.echo(f"demo: {record.name} loaded ({record.resources} resources)")


def _is_ready(client: httpx.Client, target: Target) -> bool:
    try:
        return client.get(f"{target.root_url}/health/ready").status_code == HTTPStatus.OK
    except httpx.TransportError:
        return False


def _is_here(connection: Connection, bundle: JsonObject) -> bool:
    """Tells whether the first conditional entry of a Bundle finds its resource."""
    for entry in bundle["entry"]:
        request = entry["request"]
        if "ifNoneExist" in request:
            criteria = parse_qsl(request["ifNoneExist"], keep_blank_values=True)
            reply = connection.get(request["url"], [*criteria, ("_summary", "count")])
            return bool(reply.body.get("total"))
    return False
