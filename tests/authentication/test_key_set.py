"""The keys of an issuer, on a stand-in over HTTP: freshness, rotation, outage, and what is no key set."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_dmp.authentication import key_set
from fhir_dmp.authentication.algorithm import ACCESS_TOKENS, Key
from fhir_dmp.authentication.fault import IssuerUnreachable
from fhir_dmp.authentication.key_set import KeySet, from_file, from_url, read_limited
from tests.authentication.signing import Clock, pair
from tests.authentication.stand_in import StandIn, Told, tell

ONE, TWO, EC = pair("one", "RS256"), pair("two", "RS256"), pair("ec", "ES256")
HOUR = 3600


class Issuer:
    """An issuer whose answer a test changes, and what is kept of it."""

    def __init__(self, stand_in: StandIn, http: httpx.AsyncClient, clock: Clock) -> None:
        self.answer = tell({"keys": [ONE.public()]}, cache_control="max-age=60")
        self.clock = clock
        self.stand_in = stand_in
        stand_in.answers["/jwks"] = lambda _: self.answer
        self.keys = KeySet(from_url(http, f"{stand_in.url}/jwks"), clock)

    async def find(self, kid: str, algorithm: str = "RS256") -> Key | None:
        return await self.keys.find(kid, algorithm, ACCESS_TOKENS)

    @property
    def fetches(self) -> int:
        return self.stand_in.count("/jwks")


@pytest.fixture
def issuer(stand_in: StandIn, http: httpx.AsyncClient, clock: Clock) -> Issuer:
    """An issuer with one key that is fresh for a minute."""
    return Issuer(stand_in, http, clock)


async def test_nothing_is_fetched_before_it_is_needed(issuer: Issuer) -> None:
    assert issuer.fetches == 0


@pytest.mark.parametrize(
    ("cache_control", "fresh"),
    [
        ("max-age=60", 60),
        ("public, max-age=120, must-revalidate", 120),
        ("MAX-AGE=90", 90),
        ('max-age="90"', 90),
        ("max-age=86400", 600),
        ("", 600),
        ("s-maxage=5", 600),
        ("max-age=banana", 600),
    ],
)
async def test_keys_are_fresh_as_long_as_the_issuer_says_but_not_above_ten_minutes(
    issuer: Issuer, cache_control: str, fresh: int
) -> None:
    keys = {"keys": [ONE.public()]}
    issuer.answer = tell(keys, cache_control=cache_control) if cache_control else tell(keys)
    await issuer.find("one")
    issuer.clock.pass_seconds(fresh - 1)
    await issuer.find("one")
    assert issuer.fetches == 1
    issuer.clock.pass_seconds(1)
    await issuer.find("one")
    assert issuer.fetches == 2


@pytest.mark.parametrize("cache_control", ["no-store", "no-cache, max-age=300"])
async def test_keys_that_may_not_be_cached_are_fetched_every_thirty_seconds(issuer: Issuer, cache_control: str) -> None:
    issuer.answer = tell({"keys": [ONE.public()]}, cache_control=cache_control)
    for _ in range(61):
        assert await issuer.find("one")
        issuer.clock.pass_seconds(1)
    assert issuer.fetches == 3


async def test_unknown_kid_is_looked_for_at_most_every_thirty_seconds(issuer: Issuer) -> None:
    await issuer.find("one")
    issuer.answer = tell({"keys": [ONE.public(), TWO.public()]}, cache_control="max-age=600")
    issuer.clock.pass_seconds(29)
    assert await issuer.find("two") is None
    assert issuer.fetches == 1
    issuer.clock.pass_seconds(1)
    assert await issuer.find("two")
    assert issuer.fetches == 2
    for _ in range(100):
        assert await issuer.find("three") is None
    assert issuer.fetches == 2


async def test_key_that_an_issuer_withdrew_is_gone_after_the_next_fetch(issuer: Issuer) -> None:
    assert await issuer.find("one")
    issuer.answer = tell({"keys": [TWO.public()]})
    issuer.clock.pass_seconds(60)
    assert await issuer.find("one") is None
    assert await issuer.find("two")


async def test_those_who_ask_at_once_share_one_fetch(issuer: Issuer) -> None:
    found = await asyncio.gather(*(issuer.find("one") for _ in range(50)))
    assert all(found)
    assert issuer.fetches == 1


async def test_last_good_keys_serve_for_an_hour_of_outage(issuer: Issuer) -> None:
    await issuer.find("one")
    issuer.answer = tell({}, 503)
    issuer.clock.pass_seconds(HOUR)
    assert await issuer.find("one")
    issuer.clock.pass_seconds(31)
    with pytest.raises(IssuerUnreachable):
        await issuer.find("one")
    issuer.answer = tell({"keys": [ONE.public()]})
    issuer.clock.pass_seconds(30)
    assert await issuer.find("one")


async def test_outage_is_not_answered_with_a_storm(issuer: Issuer) -> None:
    issuer.answer = tell({}, 503)
    for _ in range(20):
        with pytest.raises(IssuerUnreachable):
            await issuer.find("one")
    assert issuer.fetches == 1


@pytest.mark.parametrize(
    "answer",
    [
        tell({}, 404),
        tell({}, 302, location="/elsewhere"),
        tell([]),
        tell({"keys": {}}),
        tell({"keys": ["one"]}),
        Told(b"\xff"),
        Told(gzip.compress(json.dumps({"keys": [ONE.public()]}).encode()), 200, {"content-encoding": "gzip"}),
        Told(json.dumps({"keys": [ONE.public()], "pad": "x" * 65_536}).encode()),
    ],
    ids=["404", "redirect", "list", "object", "text", "no UTF-8", "compressed", "huge"],
)
async def test_what_is_no_key_set_is_not_taken(issuer: Issuer, answer: Told) -> None:
    issuer.stand_in.answers["/elsewhere"] = lambda _: tell({"keys": [ONE.public()]})
    issuer.answer = answer
    with pytest.raises(IssuerUnreachable):
        await issuer.find("one")
    assert issuer.stand_in.count("/elsewhere") == 0


async def test_no_more_is_read_than_keys_can_be() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 1024

    with pytest.raises(ValueError, match="too large"):
        await read_limited(httpx.Response(200, content=endless()))
    assert sent == 65


async def test_issuer_that_answers_byte_by_byte_is_given_up_and_its_last_good_keys_serve(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await issuer.find("one")
    monkeypatch.setattr(key_set, "IN_ALL", 0.1)
    issuer.answer = replace(tell({"keys": [TWO.public()]}), pause=0.01)
    issuer.clock.pass_seconds(60)
    async with asyncio.timeout(2):
        assert await issuer.find("one") is not None


@pytest.mark.parametrize(
    "key",
    [
        ONE.public(use="enc"),
        ONE.public(alg="RS384"),
        ONE.public(alg=7),
        ONE.public(key_ops=["encrypt"]),
        ONE.public(key_ops=7),
        ONE.public(kty="EC"),
        ONE.public(kty="oct", k="c2VjcmV0"),
        ONE.public(n=None),
        ONE.public(n="!"),
        ONE.public(n=7),
        ONE.public(kid=None),
        EC.public(kid="one"),
        {"kid": "one"},
    ],
    ids=count(),
)
async def test_key_that_is_not_meant_for_the_signature_is_not_used(issuer: Issuer, key: dict[str, Any]) -> None:
    issuer.answer = tell({"keys": [key]})
    assert await issuer.find("one") is None


@pytest.mark.parametrize("absent", ["use", "alg"])
async def test_key_need_not_say_what_it_is_for(issuer: Issuer, absent: str) -> None:
    issuer.answer = tell({"keys": [ONE.public(**{absent: None})]})
    assert await issuer.find("one")


async def test_kid_of_two_keys_is_that_of_none(issuer: Issuer) -> None:
    issuer.answer = tell({"keys": [ONE.public(), TWO.public(kid="one")]})
    assert await issuer.find("one") is None


@pytest.mark.filterwarnings("ignore:Key size should be:joserfc.errors.SecurityWarning")
async def test_short_rsa_key_is_not_used(issuer: Issuer) -> None:
    short = {"kty": "RSA", "kid": "one", "e": "AQAB", "n": "w" + "A" * 169 + "Q"}
    issuer.answer = tell({"keys": [short]})
    assert await issuer.find("one") is None


async def test_curve_has_to_be_that_of_the_algorithm(issuer: Issuer) -> None:
    issuer.answer = tell({"keys": [EC.public(alg=None)]})
    assert await issuer.find("ec", "ES256")
    assert await issuer.find("ec", "ES384") is None


async def test_file_is_read_again_after_a_minute(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "keys.json"
    keys = KeySet(from_file(file), clock)
    with pytest.raises(IssuerUnreachable):
        await keys.find("one", "RS256", ACCESS_TOKENS)
    file.write_text(json.dumps({"keys": [ONE.public()]}))
    clock.pass_seconds(30)
    assert await keys.find("one", "RS256", ACCESS_TOKENS)
    file.write_text(json.dumps({"keys": [TWO.public()]}))
    clock.pass_seconds(60)
    assert await keys.find("one", "RS256", ACCESS_TOKENS) is None
