"""What access control costs: the same reads and searches with and without it.

In one process without HTTP, decided and then traced too; and of two servers, one that needs tokens and one that does
not, as their callers see it. What runs in a process of its own returns that process's CPU time.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import uvloop
from pymongo import MongoClient

from bench.client import get
from bench.driver import cpu_seconds
from bench.measure import Comparison, Measure, Row, Sample, compare
from bench.processes import DATABASE, Target, over_http, run_server
from bench.record import OBSERVATIONS, PATIENTS
from bench.setting import Bench
from fhir_dmp.access.requester import OPEN, Kind, Requester
from fhir_dmp.app import Sources, open_context
from fhir_dmp.authentication.statement import Statement
from fhir_dmp.interactions.context import Context, Route
from fhir_dmp.interactions.read import read
from fhir_dmp.interactions.request import Memory, Request, Result
from fhir_dmp.interactions.trace import run_traced
from fhir_dmp.interactions.update import update
from fhir_dmp.issuer.grant import of_professional
from fhir_dmp.issuer.keys import SigningKeys, make_keys
from fhir_dmp.json_text import JsonObject, write_json
from fhir_dmp.outcome import FhirError
from fhir_dmp.settings import read_settings
from fhir_dmp.store.mongo.indexes import RECORDED

DOCTOR = Requester(
    Kind.PRACTITIONER,
    "bench",
    rpps="99900000777",
    profession="10",
    organization="990000777",
    purposes=frozenset({"TREAT"}),
    scopes=("user/*.rs",),
    token_id="bench",
)
_CONSENTS = 5
_ROUNDS = 3
"""Fewer than of other subjects: each turn opens a server's context of its own."""
ISSUER = "https://issuer.example"
SYSTEM = {"scope": "http://terminology.hl7.org/CodeSystem/consentscope", "rpps": "https://rpps.esante.gouv.fr"}


def access(bench: Bench) -> list[Row]:
    """Reads and searches of one patient, by a professional whom a Consent names, against the same by the server."""
    return _in_process(bench) + _over_http(bench)


def _in_process(bench: Bench) -> list[Row]:
    return [
        row
        for kind, name in (("read", "read by id"), ("search", "20 of one patient"))
        for connections in (1, 16)
        for row in compare(
            {"without access control": bench.driver(ask, kind, "open", connections)},
            [
                Comparison(
                    f"{name}, {connections} at once, decided",
                    bench.driver(ask, kind, "decided", connections),
                    "without access control",
                    0.87,
                ),
                Comparison(
                    f"{name}, {connections} at once, decided and traced",
                    bench.driver(ask, kind, "traced", connections),
                    "without access control",
                    0.74,
                ),
            ],
            _ROUNDS,
        )
    ]


def _over_http(bench: Bench) -> list[Row]:
    """The servers that need tokens decide about each request, and one traces it; the records are of `_in_process`."""
    keys = make_keys()
    with tempfile.TemporaryDirectory(prefix="fhir-dmp-bench-keys-") as folder:
        file = Path(folder) / "jwks.json"
        file.write_bytes(write_json(keys.public))
        issuers = write_json({ISSUER: {"jwks": str(file), "audience": ISSUER}}).decode()
        with run_server(bench.uri, issuers) as traced, run_server(bench.uri, issuers, is_traced=False) as untraced:
            servers = [(", decided, not traced", untraced, 0.87), (" and trace", traced, 0.74)]
            return [
                row
                for name, paths in (("read by id", _read_paths()), ("20 of one patient", _search_paths()))
                for connections in (1, 16)
                for row in _compare_servers(bench, servers, _sign(keys), (name, paths, connections))
            ]


def _compare_servers(
    bench: Bench, servers: list[tuple[str, Target, float]], token: str, asked: tuple[str, list[str], int]
) -> list[Row]:
    name, paths, connections = asked
    floor = bench.ours([get(path, bench.server.port) for path in paths], connections)
    # what the clerk of one turn still files must not cost the next, which is another server's
    floor = once_filed(bench.uri, floor)
    comparisons = []
    for what, server, wanted in servers:
        ours = over_http(bench.load, server, [get(path, server.port, token) for path in paths], connections)
        title = f"{name}, {connections} at once, over HTTP with token{what}"
        comparisons.append(Comparison(title, once_filed(bench.uri, ours), "open server", wanted))
    return compare({"open server": floor}, comparisons, _ROUNDS)


def once_filed(uri: str, measure: Measure) -> Measure:
    """Returns a measure that begins when no event waits to be filed."""

    def run(seconds: float) -> Sample:
        with MongoClient[dict[str, object]](uri) as client:
            while client[DATABASE][RECORDED].find_one({}, {"_id": 1}):
                time.sleep(0.05)
        return measure(seconds)

    return run


def _read_paths() -> list[str]:
    return [f"/fhir/Observation/o-{number}" for number in random.Random(1).sample(range(OBSERVATIONS), 2000)]


def _search_paths() -> list[str]:
    patients = random.Random(1).sample(range(PATIENTS), PATIENTS)
    return [f"/fhir/Observation?patient=Patient/p-{number}&_count=20&_total=none" for number in patients]


def _sign(keys: SigningKeys) -> str:
    said = Statement(
        DOCTOR.name,
        professions=(DOCTOR.profession,),
        organization=DOCTOR.organization,
        rpps=DOCTOR.rpps,
        purposes=tuple(DOCTOR.purposes),
    )
    grant = of_professional(said, "bench", DOCTOR.scopes)
    return keys.sign(grant.build_claims(ISSUER, ISSUER, DOCTOR.token_id, time.time_ns() // 1_000_000, 3600))


def ask(uri: str, kind: str, mode: str, concurrency: int, seconds: float) -> Sample:
    """Reads or searches as interactions do, at random among the patients."""
    return uvloop.run(_ask(uri, kind, mode, concurrency, seconds))


async def _ask(uri: str, kind: str, mode: str, concurrency: int, seconds: float) -> Sample:
    settings = {"MONGODB_URI": uri, "DATABASE": DATABASE, "BASE_URL": "http://127.0.0.1/fhir"}
    environ = {f"FHIR_DMP_{name}": value for name, value in settings.items()}
    async with open_context(read_settings(environ), Sources()) as context:
        await _store_records(context)
        run = run_traced if mode == "traced" else _run_untraced
        requests = _requests(kind, OPEN if mode == "open" else DOCTOR)
        shape, turn = ("[type]/[id]" if kind == "read" else "[type]"), count()
        route = context.routes.find("GET", shape, "Observation")
        while not context.cache.is_told():  # noqa: ASYNC110  the vigil begins when it is first asked for
            await asyncio.sleep(0.01)
        for request in _each_patient(kind, requests[0].requester):
            await run(route, context, request)
        done, began, start = 0, cpu_seconds(), time.perf_counter()

        async def repeat() -> None:
            nonlocal done
            while time.perf_counter() < start + seconds:
                await run(route, context, replace(requests[next(turn) % len(requests)], memory=Memory()))
                done += 1

        await asyncio.gather(*(repeat() for _ in range(concurrency)))
        return Sample(done, time.perf_counter() - start, cpu_seconds() - began)


async def _run_untraced(route: Route, context: Context, request: Request) -> Result:
    return await route.run(context, request)


def _each_patient(kind: str, requester: Requester) -> list[Request]:
    """A request about each patient: what is measured is a server that keeps vigil and has seen them before."""
    if kind == "search":
        return _requests(kind, requester)
    return [Request(requester, "Observation", f"o-{row}", path=f"Observation/o-{row}") for row in range(PATIENTS)]


def _requests(kind: str, requester: Requester) -> list[Request]:
    draw = random.Random(1)
    if kind == "read":
        numbers = draw.sample(range(OBSERVATIONS), 2000)
        return [Request(requester, "Observation", f"o-{number}", path=f"Observation/o-{number}") for number in numbers]
    patients = draw.sample(range(PATIENTS), PATIENTS)
    parameters = [(("patient", f"Patient/p-{number}"), ("_count", "20"), ("_total", "none")) for number in patients]
    return [Request(requester, "Observation", parameters=row, path="Observation") for row in parameters]


async def _store_records(context: Context) -> None:
    """The Patients of the Observations, each with a Consent that names the professional, and four that do not."""
    with contextlib.suppress(FhirError):
        await read(context, Request(OPEN, "Consent", build_consent(PATIENTS - 1, _CONSENTS - 1)["id"]))
        return
    for number in range(PATIENTS):
        patient = {"resourceType": "Patient", "id": f"p-{number}", "active": True}
        rows = [patient, *(build_consent(number, position) for position in range(_CONSENTS))]
        for row in rows:
            request = Request(OPEN, row["resourceType"], row["id"], body=write_json(row), path="")
            await update(context, request)


def build_consent(number: int, position: int) -> JsonObject:
    role = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]}
    rpps = DOCTOR.rpps if position == 0 else f"9990000{position}{number:03}"
    actor = {"role": role, "reference": {"identifier": {"system": SYSTEM["rpps"], "value": rpps}}}
    return {
        "resourceType": "Consent",
        "id": f"p-{number}-{position}",
        "status": "active",
        "scope": {"coding": [{"system": SYSTEM["scope"], "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/p-{number}"},
        "dateTime": "2026-01-01",
        "performer": [{"reference": f"Patient/p-{number}"}],
        "organization": [{"reference": "Organization/dmp"}],
        "policy": [{"uri": "https://www.legifrance.gouv.fr/codes/id/LEGISCTA000006196074"}],
        "provision": {"type": "permit", "actor": [actor]},
    }
