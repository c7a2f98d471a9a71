"""Addresses and answers, as far as they need no server."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.commands.connection import Connection, Reply, Target, parse_target, read_message
from fhir_dmp.commands.failure import CommandError, Exit


@pytest.mark.parametrize(
    ("url", "base", "root"),
    [
        ("http://127.0.0.1:8080/fhir", "http://127.0.0.1:8080/fhir", "http://127.0.0.1:8080"),
        ("https://dmp.example/a/fhir/", "https://dmp.example/a/fhir", "https://dmp.example/a"),
        ("http://[::1]:80/fhir//", "http://[::1]:80/fhir", "http://[::1]:80"),
    ],
)
def test_a_base_url_ends_without_slash(url: str, base: str, root: str) -> None:
    target = parse_target(url)
    assert (target.base_url, target.root_url) == (base, root)


@pytest.mark.parametrize(
    "url",
    ["", "fhir", "127.0.0.1:8080/fhir", "ftp://x/fhir", "http://", "http://x/fhir?a=1", "http://x/#a", "http://["],
)
def test_what_is_no_base_url_is_a_mistake(url: str) -> None:
    with pytest.raises(CommandError, match="--url takes the http or https URL of a FHIR base") as fault:
        parse_target(url)
    assert fault.value.code is Exit.USAGE


@pytest.mark.parametrize("token", ["a b", "é", "a\nb", "=a"])
def test_what_is_no_bearer_token_is_a_mistake(token: str) -> None:
    with pytest.raises(CommandError, match="--token takes a bearer token") as fault:
        parse_target("http://x/fhir", token)
    assert fault.value.code is Exit.USAGE


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Target("http://x/fhir", "secret"))


@pytest.mark.parametrize(
    ("issue", "message"),
    [
        ({"details": {"text": "told"}, "diagnostics": "longer"}, "told"),
        ({"details": {"coding": []}, "diagnostics": "longer"}, "longer"),
        ({"code": "invalid"}, "invalid"),
        ({"details": 3}, "no reason given"),
    ],
)
def test_an_issue_says_what_a_person_reads(issue: dict[str, Any], message: str) -> None:
    assert read_message(issue) == message


@pytest.mark.parametrize(
    "body", [{}, {"issue": []}, {"issue": "none"}, {"issue": ["none"]}, {"resourceType": "Bundle"}]
)
def test_an_answer_without_outcome_is_told_by_its_status(body: dict[str, Any]) -> None:
    assert [read_message(issue) for issue in Reply(502, body).issues] == ["the server answers 502 Bad Gateway"]
    assert [read_message(issue) for issue in Reply(599, body).issues] == ["the server answers 599"]


@pytest.mark.parametrize(("status", "expected"), [(199, False), (200, True), (204, True), (300, False), (404, False)])
def test_success_is_two_hundred_and_something(status: int, expected: bool) -> None:
    assert Reply(status, {}).is_success is expected


def test_a_server_that_stays_away_is_given_up() -> None:
    target = Target("http://127.0.0.1:9/fhir")
    with Connection(target, patience=(0.01, 0.01)) as connection, pytest.raises(CommandError) as fault:
        connection.post(b"{}")
    assert fault.value.code is Exit.ENVIRONMENT
    message = "http://127.0.0.1:9/fhir does not answer ([Errno 111] Connection refused): run the same command again"
    assert str(fault.value).startswith(message)


def test_who_has_ended_waits_no_longer() -> None:
    with Connection(Target("http://127.0.0.1:9/fhir"), patience=(3600,)) as connection:
        connection.end()
        with pytest.raises(CommandError):
            connection.get("Patient")
