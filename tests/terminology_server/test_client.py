"""The client against a server on this machine: answers, faults, and validation with both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fhir_dmp.conformance.profiles import Profiles
from fhir_dmp.conformance.validate import Report, validate_profiles
from fhir_dmp.conformance.visit import Environment
from fhir_dmp.loader import load_registry
from fhir_dmp.terminology.question import CodeQuestion
from fhir_dmp.terminology.terminology import Terminology
from fhir_dmp.terminology_server.client import TerminologyServer
from fhir_dmp.terminology_server.memory import FAILURE_KEPT_FOR, FAILURES, PAUSE
from tests.terminology_server.stand_in import StandIn, stand_in

LOINC, SET = "http://loinc.org", "http://example.org/vitals"
HEART, WRONG = CodeQuestion(SET, LOINC, "8867-4"), CodeQuestion(SET, LOINC, "nope")


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Returns the time that was set."""
        return self.now


@asynccontextmanager
async def _server(seconds: float = 5) -> AsyncIterator[tuple[StandIn, TerminologyServer, Clock]]:
    clock = Clock()
    async with stand_in() as other:
        client = TerminologyServer(f"{other.base_url}/", seconds, clock=clock)
        try:
            yield other, client, clock
        finally:
            await client.close()


async def test_answers_come_from_the_operation_and_are_kept() -> None:
    async with _server() as (other, client, _):
        for _ in range(2):
            assert await client.ask([HEART, WRONG]) == {HEART: True, WRONG: False}
        assert await client.ask([CodeQuestion("", LOINC, "8310-5")]) == {CodeQuestion("", LOINC, "8310-5"): True}
        assert await client.ask([CodeQuestion(SET, "", "8310-5")]) == {CodeQuestion(SET, "", "8310-5"): True}
        assert [target.partition("?")[0] for target in other.asked] == [
            "/fhir/ValueSet/$validate-code", "/fhir/ValueSet/$validate-code",
            "/fhir/CodeSystem/$validate-code", "/fhir/ValueSet/$validate-code",
        ]  # fmt: skip


async def test_one_request_is_made_however_many_ask() -> None:
    async with _server() as (other, client, _):
        other.faults["8867-4"] = "slow"
        asking = [asyncio.create_task(client.ask([HEART])) for _ in range(50)]
        await other.asked_once.wait()
        other.release.set()
        assert await asyncio.gather(*asking) == [{HEART: True}] * 50
        assert len(other.asked) == 1


async def test_slow_server_is_not_waited_for() -> None:
    async with _server(0.05) as (other, client, _):
        other.faults["8867-4"] = "slow"
        assert await client.ask([HEART, WRONG]) == {WRONG: False}


@pytest.mark.parametrize("fault", ["500 x", "404 x", "422 x", "garbage", "huge", "redirect", "cut"])
async def test_faulty_answer_is_no_answer_and_is_forgotten_soon(fault: str) -> None:
    async with _server() as (other, client, clock):
        other.faults["8867-4"] = fault
        assert await client.ask([HEART]) == {}
        other.faults.clear()
        asked = len(other.asked)
        assert await client.ask([HEART]) == {}
        assert len(other.asked) == asked
        clock.now = FAILURE_KEPT_FOR
        assert await client.ask([HEART]) == {HEART: True}
        assert not any("other" in target for target in other.asked)


async def test_server_that_fails_is_left_alone_for_a_while() -> None:
    async with _server() as (other, client, clock):
        questions = [CodeQuestion(SET, LOINC, f"c{row}") for row in range(50)]
        other.faults = {question.code: "500 x" for question in questions}
        assert await client.ask(questions) == {}
        assert FAILURES <= len(other.asked) < len(questions)
        asked = len(other.asked)
        assert await client.ask([HEART]) == {}
        assert len(other.asked) == asked
        clock.now = PAUSE
        assert await client.ask([HEART]) == {HEART: True}


async def test_absent_server_is_no_answer() -> None:
    client = TerminologyServer("http://127.0.0.1:9", 1)
    assert await client.ask([HEART]) == {}
    await client.close()


PROFILES = Profiles(
    {
        "http://example.org/p": {
            "resourceType": "StructureDefinition", "url": "http://example.org/p", "type": "Observation",
            "kind": "resource", "derivation": "constraint",
            "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation",
            "differential": {"element": [
                {"id": "Observation.code", "path": "Observation.code",
                 "binding": {"strength": "required", "valueSet": SET}},
                {"id": "Observation.method", "path": "Observation.method",
                 "binding": {"strength": "extensible", "valueSet": SET}},
            ]},
        }
    }.get,
    Terminology(lambda _: None),
    load_registry(),
)  # fmt: skip


def _validate(code: str, method: str, answers: dict[CodeQuestion, bool] | None) -> Report:
    resource = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "method": {"coding": [{"system": LOINC, "code": method}]},
    }
    return validate_profiles(resource, ["http://example.org/p"], PROFILES, Environment(answers=answers))


async def test_validation_asks_and_is_told() -> None:
    async with _server() as (_, client, _clock):
        for codes, expected in {
            ("8867-4", "8310-5"): [],
            ("nope", "8310-5"): [("error", "binding", "Observation.code")],
            ("8867-4", "nope"): [("warning", "binding", "Observation.method")],
        }.items():
            questions = _validate(*codes, {}).questions
            assert {question.code for question in questions} == set(codes)
            report = _validate(*codes, await client.ask(questions))
            assert [
                (row.severity, row.code, row.expression) for row in report.issues if row.code == "binding"
            ] == expected
            assert not report.questions


async def test_without_an_answer_validation_says_what_it_says_without_a_server() -> None:
    client = TerminologyServer("http://127.0.0.1:9", 1)
    answers = await client.ask(_validate("8867-4", "nope", {}).questions)
    assert _validate("8867-4", "nope", answers).issues == _validate("8867-4", "nope", None).issues
    await client.close()


def test_nothing_is_asked_where_no_server_is_configured() -> None:
    report = _validate("8867-4", "nope", None)
    assert report.questions == ()
    assert {(row.severity, row.code) for row in report.issues} == {("information", "not-checked")}
