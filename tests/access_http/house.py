"""Two servers on one database: one without tokens, to fill it, and one that guards it, with real tokens.

A record is one patient's, with a Consent that lets Dr Petit read. In it, `…-open` is there for her, `…-mask` is masked,
and `…-none` never was: what she is told of the last two has to be the same.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from pymongo import MongoClient

from fhir_dmp.app import Sources
from tests.rest.server import FHIR_JSON, Server, run_both
from tests.strategies.access import NOW, RPPS, coding, concept, consent, reference

Json = Any
Headers = Mapping[str, str]

LOINC = "http://loinc.org"
REPORT = "34112-3"
PROFESSIONALS = {"petit": "10000000004", "auteur": "10000000003", "martin": "10000000001", "inconnu": "10000000009",
                 "regulateur": "10000000015"}  # fmt: skip
DROPPED = frozenset({"x-request-id", "date"})
_numbers = itertools.count(1)


@dataclass(slots=True)
class Clock:
    """A clock that stands still until a test moves it."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer tells: status, headers and body, with the ids that were asked for made alike."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str


def told(answer: httpx.Response, *names: str) -> Told:
    """Returns what an answer tells; each of `names` stands for the same."""

    def alike(text: str) -> str:
        for name in names:
            text = text.replace(name, "*")
        return text

    kept = sorted((key.lower(), alike(value)) for key, value in answer.headers.items() if key.lower() not in DROPPED)
    return Told(answer.status_code, tuple(kept), alike(answer.text))


def label(code: str) -> Json:
    system = "conf" if len(code) == 1 else "vis"
    return {"coding": [coding(f"{system}|{code}")]}


def document(name: str, patient: str, *labels: str, author: str = "Practitioner/auteur", **rest: Json) -> Json:
    """A document in a record."""
    made: Json = {
        "resourceType": "DocumentReference", "id": name, "status": "current",
        "subject": reference(f"Patient/{patient}"),
        "date": "2024-05-20T08:00:00Z", "author": [reference(author)], "type": concept(LOINC, REPORT),
        "description": name, "identifier": [{"system": "urn:x", "value": name}],
        "content": [{"attachment": {"contentType": "application/pdf", "title": name}}], **rest,
    }  # fmt: skip
    return {**made, "securityLabel": [label(code) for code in labels]} if labels else made


@dataclass(slots=True)
class Record:
    """One patient's record."""

    house: House
    patient: str

    @property
    def open(self) -> str:
        return f"{self.patient}-open"

    @property
    def masked(self) -> str:
        return f"{self.patient}-mask"

    @property
    def absent(self) -> str:
        return f"{self.patient}-none"

    async def permit(self, name: str = "consent", **changed: Json) -> None:
        """Stores a Consent that lets Dr Petit read, or what it is changed to."""
        rule = {"type": "permit", "actor": ["Practitioner/petit"], "purpose": ["TREAT"], **changed}
        await self.house.put(consent_of(f"{self.patient}-{name}", self.patient, rule))

    async def twins(self, who: Headers, method: str, template: str, **given: Any) -> Told:
        """Asks for what is masked and for what is absent; fails unless the same is told. `{}` stands for the id."""
        answers = []
        for name in (self.masked, self.absent):
            sent = {key: _filled(value, name) for key, value in given.items()}
            extra = dict(sent.pop("headers", {}))
            answer = await self.house.guarded.client.request(
                method, template.replace("{}", name), headers={**who, **extra}, **sent
            )
            answers.append(told(answer, name))
        assert answers[0] == answers[1]
        return answers[0]


def _filled(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, name) for key, item in value.items()}
    return value.replace("{}", name) if isinstance(value, str) else value


@dataclass(slots=True)
class House:
    """Both servers, and the clock they share."""

    behind: Server
    guarded: Server
    clock: Clock

    def petit(self, **members: Any) -> Headers:
        return self.guarded.tokens.practitioner(PROFESSIONALS["petit"], "10", **members)

    def someone(self, name: str, **members: Any) -> Headers:
        return self.guarded.tokens.practitioner(PROFESSIONALS[name], "10", **members)

    async def put(self, resource: Json) -> None:
        target = f"{resource['resourceType']}/{resource['id']}"
        answer = await self.behind.client.put(target, content=json.dumps(resource), headers={"content-type": FHIR_JSON})
        assert answer.status_code in {200, 201}, answer.text

    async def get(self, target: str, headers: Headers) -> httpx.Response:
        return await self.guarded.client.get(target, headers=headers)

    async def make_record(self, **patient: Json) -> Record:
        """Stores a new patient's record: he, his Consent, a document that is open and one that is masked."""
        record = Record(self, f"p{next(_numbers):03}")
        name = record.patient
        await self.put({
            "resourceType": "Patient", "id": name, "active": True, "birthDate": "1970-01-01",
            "name": [{"family": "Durand"}], "generalPractitioner": [reference("Practitioner/martin")], **patient,
        })  # fmt: skip
        await record.permit()
        await self.put(document(record.open, name))
        await self.put(document(record.masked, name, "MASQUE_PS"))
        return record


def consent_of(name: str, patient: str, rule: Json) -> Json:
    """A Consent of a patient's, from the short form of its provision."""
    made = consent(name, rule)
    extra = {"patient": reference(f"Patient/{patient}"), "category": [{"text": "x"}], "policy": [{"uri": "urn:x"}]}
    return {**made, **extra, "performer": [reference(f"Patient/{patient}")]}


@asynccontextmanager
async def open_house(uri: str, client: MongoClient[dict[str, Any]], **changed: str) -> AsyncIterator[House]:
    """Runs both servers, with the professionals in their directory."""
    clock = Clock()
    async with run_both(uri, client, Sources(now=clock), **{"VALIDATION": "off", **changed}) as (behind, guarded):
        house = House(behind, guarded, clock)
        for name, rpps in PROFESSIONALS.items():
            await house.put(
                {"resourceType": "Practitioner", "id": name, "identifier": [{"system": RPPS, "value": rpps}]}
            )
        yield house
