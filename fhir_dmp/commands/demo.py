"""`fhir-dmp serve --demo`: its records before the server starts, and what to try once it has.

What there is to try are lines for a shell: the tokens of those who play in the demo as variables, and curl lines that
use them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from threading import Thread

import httpx
import typer

from fhir_dmp.commands.cast import HOURS, RECORD, sign_cast
from fhir_dmp.commands.connection import Target
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.loader import data_folder
from fhir_dmp.seed import SeededRecord, seed_records
from fhir_dmp.settings import Settings

STEP_SECONDS = 0.1
READY_SECONDS = 300.0
"""How long a server may take to become ready: longer than a recovery of its database."""


def load_demo(settings: Settings, folder: Path | None = None) -> str:
    """Loads the records that are not here yet, tells of each, and returns the id of the patient of RECORD.

    The id is empty where he is not here: a record that is refused is one line on stderr, and stops nothing.
    """
    return seed_records(settings, folder or data_folder("examples"), _tell).get(RECORD, "")


def tell_when_ready(target: Target, patient_id: str, token_base: str) -> Thread:
    """Starts a thread that says what to try as soon as the server answers, and ends with the process.

    `token_base` is the base URL that tokens are for; empty where none are needed. An error is one line on stderr, and
    the server goes on.
    """
    thread = Thread(target=_wait_and_tell, args=(target, patient_id, token_base), name="demo", daemon=True)
    thread.start()
    return thread


def build_lines(base_url: str, patient_id: str, token_base: str) -> Iterator[str]:
    """Yields what to paste, and where the guides are; raises CommandError."""
    if token_base and patient_id:
        yield f"Tokens, good for {HOURS} hours; paste them into a shell:\n"
        for role, token in sign_cast(patient_id, token_base).items():
            yield f"  # {role.who}\n  {role.variable}={token}"
        yield f"  GERARD={patient_id}\n\nTry:\n"
        yield from _guarded_lines(base_url)
    else:
        yield "Try:\n"
        yield f"  curl '{base_url}/Patient?_count=5&_pretty=true'"
        if patient_id:
            yield f"  curl '{base_url}/Observation?patient={patient_id}&_sort=-date&_count=5&_pretty=true'"
    yield f"  curl '{base_url}/metadata?_pretty=true'\n\nGuides, in French and English: {base_url.rpartition('/')[0]}/"


def _guarded_lines(base_url: str) -> Iterator[str]:
    documents = "DocumentReference?patient=$GERARD&_pretty=true"
    for variable, query in (
        ("MEDECIN", documents),
        ("INCONNU", documents),
        ("REGULATEUR", documents),
        ("PATIENT", documents),
        ("PATIENT", "AuditEvent?patient=$GERARD&_sort=-date&_count=5&_pretty=true"),
    ):
        yield f'  curl -H "Authorization: Bearer ${variable}" "{base_url}/{query}"'


def wait_until_ready(target: Target) -> None:
    """Returns when the server can read and write; raises CommandError (environment) where it takes too long."""
    deadline = time.monotonic() + READY_SECONDS
    with httpx.Client(trust_env=False, timeout=STEP_SECONDS * 50) as client:
        while time.monotonic() < deadline:
            if _is_ready(client, target):
                return
            time.sleep(STEP_SECONDS)
    raise CommandError(Exit.ENVIRONMENT, "the server did not become ready")


def _wait_and_tell(target: Target, patient_id: str, token_base: str) -> None:
    try:
        wait_until_ready(target)
        typer.echo("\n" + "\n".join(build_lines(target.base_url, patient_id, token_base)) + "\n")
    except CommandError as fault:
        typer.echo(f"fhir-dmp: {fault}", err=True)


def _tell(record: SeededRecord) -> None:
    if record.refusal:
        typer.echo(f"fhir-dmp: the demo record {record.name} is refused: {record.refusal}", err=True)
    else:
        typer.echo(f"demo: {record.name} loaded ({record.resources} resources)")


def _is_ready(client: httpx.Client, target: Target) -> bool:
    try:
        return client.get(f"{target.root_url}/health/ready").status_code == HTTPStatus.OK
    except httpx.TransportError:
        return False
