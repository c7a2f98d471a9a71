"""The stage of the stories: a guarded server, an open one behind it on the same database, people, and a clock.

Everyone acts over HTTP with a token of the local issuer:

    pharmacist = story.pharmacist("Mme Caron")
    answer = await pharmacist.post("Patient/$dmp-open", parameters(patient=identity, consent=True))
    patient = story.patient(reference_of(answer))
    await patient.sees(f"Patient/{patient.id}")

The stage is shared, so each story makes people of its own: `story.new_identity()` is someone who is not here yet.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

import httpx
from pymongo import MongoClient

from fhir_dmp.app import Sources, open_context
from fhir_dmp.interactions.context import Context
from fhir_dmp.jobs.worker import run_due
from fhir_dmp.settings import read_settings
from fhir_dmp.store.mongo.jobs import MongoJobs
from fhir_dmp.store.mongo.store import MongoStore
from tests.record.numbers import build_identity
from tests.rest.server import BASE_URL, FHIR_JSON, Server, run_both

Json = Any
DAY = 24 * 3_600_000
START = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""
RPPS, FINESS = "https://rpps.esante.gouv.fr", "https://finess.esante.gouv.fr"
RPPS_TYPE = {"coding": [{"system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203", "code": "RPPS"}]}
PROFESSIONALS = {
    "99900000022": "Petit", "99900000033": "Caron", "99900000044": "Blanc", "99900000055": "Leroy",
    "99900000066": "Moulin", "99900000077": "Noir",
}  # fmt: skip
"""Who is in the directory: RPPS numbers and family names of a physician, a pharmacist, a nurse, and of some more."""
_orders = itertools.count(1)


@dataclass(slots=True)
class Clock:
    """A clock that stands still until a story moves it."""

    now: int = START

    def __call__(self) -> int:
        return self.now


@dataclass(frozen=True, slots=True)
class Actor:
    """Someone who asks: a person, a professional, a system, with a fresh token each time.

    `id` is that of his Patient, where he is one.
    """

    client: httpx.AsyncClient
    sign: Callable[[], Mapping[str, str]]
    id: str = ""
    rpps: str = ""

    async def get(self, url: str) -> httpx.Response:
        return await self.client.get(url, headers=self.sign())

    async def post(self, url: str, body: Json) -> httpx.Response:
        return await self.client.post(url, json=body, headers={**self.sign(), "content-type": FHIR_JSON})

    async def put(self, url: str, body: Json) -> httpx.Response:
        return await self.client.put(url, json=body, headers={**self.sign(), "content-type": FHIR_JSON})

    async def sees(self, url: str) -> Json:
        """What he reads there; fails where he does not."""
        answer = await self.get(url)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def finds(self, url: str) -> list[Json]:
        """The resources that a search gives him."""
        return [entry["resource"] for entry in (await self.sees(url)).get("entry", ())]

    async def sees_nothing(self, url: str) -> None:
        """Fails unless the answer is that of a resource which was never here."""
        resource_type, _, name = url.partition("/")
        answer, absent = await self.get(url), await self.get(f"{resource_type}/never-was")
        assert answer.status_code == absent.status_code == 404
        assert answer.text.replace(name, "*") == absent.text.replace("never-was", "*")

    @property
    def by_number(self) -> Json:
        """A Reference to a professional by his RPPS number."""
        return {"identifier": {"system": RPPS, "value": self.rpps}}


@dataclass(slots=True)
class Story:
    """The stage. `behind` needs no tokens: what it is told, nobody decided about."""

    guarded: Server
    behind: Server
    clock: Clock
    context: Context

    def new_identity(self, born: str = "1955-08-12", **changed: Json) -> Json:
        """A Patient, a woman, with a qualified identity of her own."""
        order = next(_orders)
        family = f"LEFEBVRE {chr(65 + order // 26 % 26)}{chr(65 + order % 26)}"
        made = build_identity(f"2{born[2:4]}{born[5:7]}80021{order:03}", birthDate=born, **changed)
        for name in made["name"]:
            name["family"] = family
        return made

    def physician(self, rpps: str = "99900000022", **members: Any) -> Actor:
        return self._professional(rpps, "10", **members)

    def pharmacist(self, rpps: str = "99900000033", **members: Any) -> Actor:
        return self._professional(rpps, "21", **members)

    def dentist(self, rpps: str = "99900000055", **members: Any) -> Actor:
        return self._professional(rpps, "40", **members)

    def nurse(self, rpps: str = "99900000044", **members: Any) -> Actor:
        return self._professional(rpps, "60", **members)

    def patient(self, patient_id: str, **scope: str) -> Actor:
        return Actor(self.guarded.client, partial(self.guarded.tokens.patient, patient_id, **scope), patient_id)

    def representative(self, patient_id: str) -> Actor:
        return Actor(self.guarded.client, partial(self.guarded.tokens.representative, patient_id), patient_id)

    def hospital(self, finess: str = "990000010") -> Actor:
        return Actor(self.guarded.client, partial(self.guarded.tokens.hospital, finess))

    def insurance(self, number: str = "180035024") -> Actor:
        """The system account of the assurance maladie."""
        return Actor(self.guarded.client, partial(self.guarded.tokens.insurance, number))

    def helper(self, patient_id: str) -> Actor:
        return Actor(self.guarded.client, partial(self.guarded.tokens.helper, patient_id), patient_id)

    def auditor(self) -> Actor:
        return Actor(self.guarded.client, self.guarded.tokens.auditor)

    def fund(self) -> Actor:
        """An agent of the health insurance fund, by its system account."""
        return Actor(self.guarded.client, self.guarded.tokens.administrator)

    def server(self) -> Actor:
        return Actor(self.behind.client, dict)

    async def pass_days(self, days: float) -> None:
        """Moves the clock, and has the jobs done that became due."""
        self.clock.now += int(days * DAY)
        await self.work()

    async def work(self) -> int:
        """Does what is due, as a worker of one more server would."""
        return await run_due(self.context, MongoJobs(self.behind_store.database))

    @property
    def behind_store(self) -> MongoStore:
        """The store of the third server."""
        store = self.context.store
        assert isinstance(store, MongoStore)
        return store

    async def trace(self, **wanted: Json) -> list[Json]:
        """The AuditEvents that a search finds, as the server sees them."""
        query = "&".join(f"{name}={value}" for name, value in wanted.items())
        return await self.server().finds(f"AuditEvent?{query}&_count=100")

    def _professional(self, rpps: str, profession: str, **members: Any) -> Actor:
        sign = partial(self.guarded.tokens.practitioner, rpps, profession, **members)
        return Actor(self.guarded.client, sign, rpps=rpps)


def parameters(**values: Json) -> Json:
    """A Parameters resource: resources, References, booleans and texts, by name; a list repeats."""
    rows = [
        {"name": name, **_typed(value)}
        for name, given in values.items()
        for value in (given if isinstance(given, list) else [given])
    ]
    return {"resourceType": "Parameters"} | ({"parameter": rows} if rows else {"id": "none"})


def reference_of(answer: httpx.Response) -> str:
    """The id of the Patient that an act answers with."""
    rows = answer.json()["parameter"]
    return str(next(row["valueReference"]["reference"] for row in rows if row["name"] == "patient")).partition("/")[2]


def told(answer: httpx.Response) -> dict[str, Json]:
    """The values of an act's answer, by name."""
    return {
        row["name"]: next(value for key, value in row.items() if key != "name") for row in answer.json()["parameter"]
    }


def faults(answer: httpx.Response) -> list[str]:
    """What was wrong: codes, with the elements at fault."""
    return [
        " ".join([issue["details"]["coding"][0]["code"], *issue.get("expression", ())])
        for issue in answer.json()["issue"]
    ]


@asynccontextmanager
async def open_stage(mongodb_uri: str, client: MongoClient[dict[str, Any]], clock: Clock) -> AsyncIterator[Story]:
    """Sets up both servers with their directory, and the context of a third, which alone does the jobs.

    The servers have no workers: a job is done when the story says so.
    """
    sources = Sources(now=clock)
    async with AsyncExitStack() as stack:
        with patch("fhir_dmp.app.work_for_ever", _work_never):
            behind, guarded = await stack.enter_async_context(run_both(mongodb_uri, client, sources))
        await _store_directory(behind)
        with tempfile.TemporaryDirectory(prefix="fhir-dmp-") as folder:
            given = {"MONGODB_URI": mongodb_uri, "DATABASE": behind.database.name, "DATA_DIR": folder}
            environ = {f"FHIR_DMP_{key}": value for key, value in {**given, "BASE_URL": BASE_URL}.items()}
            async with open_context(read_settings(environ), sources) as context:
                yield Story(guarded, behind, clock, context)


async def _work_never(*_: object) -> None:
    """Stands for the worker of a server."""


async def _store_directory(behind: Server) -> None:
    """Stores the professionals of the stories."""
    for rpps, family in PROFESSIONALS.items():
        body = {"resourceType": "Practitioner", "identifier": [{"type": RPPS_TYPE, "system": RPPS, "value": rpps}]}
        answer = await behind.client.post("Practitioner", json={**body, "name": [{"family": family}]})
        assert answer.status_code == 201, answer.text


def _typed(value: Json) -> Json:
    match value:
        case bool():
            return {"valueBoolean": value}
        case str():
            return {"valueString": value}
        case {"resourceType": str()}:
            return {"resource": value}
        case {"valuePeriod": _}:
            return dict(value)
    return {"valueReference": value}
