"""The public keys of an issuer: https://www.rfc-editor.org/rfc/rfc7517, fetched when needed and kept for a while.

fresh        as long as Cache-Control says, 10 minutes at most
unknown kid  fetched again, at most every 30 seconds
outage       the last good keys serve for an hour
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson

from fhir_dmp.authentication.algorithm import Algorithms, Key, find_key
from fhir_dmp.authentication.fault import IssuerUnreachable
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import Json, JsonObject

PLAIN = {"accept": "application/json", "accept-encoding": "identity"}
"""Asks for JSON as it is: compressed, a small answer may be a large one."""
LARGEST = 64 * 1024
IN_ALL = 5.0
"""Seconds that an answer may take as a whole: what comes byte by byte never stalls, and those behind it would wait."""
LONGEST_FRESH = 600_000
BACK_OFF = 30_000
LAST_GOOD = 3_600_000
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=\"?(\d{1,9})", re.IGNORECASE)
_UNCACHED = re.compile(r"(?:^|[,\s])no-(?:store|cache)\b", re.IGNORECASE)

logger = logging.getLogger("fhir_dmp.authentication")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A key set as it was had, and for how long it is fresh (in milliseconds)."""

    body: bytes
    fresh: Milliseconds


Fetch = Callable[[], Awaitable[Fetched]]
"""Gets a key set; raises OSError or httpx.HTTPError where it cannot be had, ValueError where it is not taken."""


class KeySet:
    """The keys of one issuer. Requests that need them at once share one fetch."""

    def __init__(self, fetch: Fetch, now: Callable[[], Milliseconds]) -> None:
        """Fetches nothing yet."""
        self._fetch = fetch
        self._now = now
        self._lock = asyncio.Lock()
        self._keys: list[JsonObject] = []
        self._imported: dict[tuple[str, str], Key] = {}
        self._fetched_at: Milliseconds | None = None
        self._tried_at: Milliseconds | None = None
        self._fresh_until: Milliseconds = 0

    async def find(self, kid: str, algorithm: str, accepted: Algorithms) -> Key | None:
        """Returns the key that a signature names, or None; raises IssuerUnreachable."""
        await self._refresh(lambda: self._now() >= self._fresh_until)
        if not self._holds(kid):
            await self._refresh(lambda: not self._holds(kid))
        key = self._imported.get((kid, algorithm)) or find_key(self._keys, kid, algorithm, accepted)
        if key is not None:
            self._imported[kid, algorithm] = key
        return key

    def _holds(self, kid: str) -> bool:
        return any(key.get("kid") == kid for key in self._keys)

    async def _refresh(self, is_needed: Callable[[], bool]) -> None:
        """Fetches where it is (still) needed when our turn comes, unless that was tried just now."""
        if is_needed():
            async with self._lock:
                if is_needed() and not self._was_tried_just_now():
                    await self._try()
        if self._fetched_at is None or self._now() - self._fetched_at > LAST_GOOD:
            raise IssuerUnreachable("no keys of the issuer are at hand")

    def _was_tried_just_now(self) -> bool:
        return self._tried_at is not None and self._now() - self._tried_at < BACK_OFF

    async def _try(self) -> None:
        self._tried_at = self._now()
        try:
            fetched = await self._fetch()
            self._keys, self._imported = parse_key_set(fetched.body), {}
        except (OSError, ValueError, httpx.HTTPError) as fault:
            logger.warning("the keys of an issuer cannot be had: %s", type(fault).__name__)
            return
        self._fetched_at = self._now()
        self._fresh_until = self._fetched_at + min(fetched.fresh, LONGEST_FRESH)


def parse_key_set(body: bytes) -> list[JsonObject]:
    """Returns the keys of a JWK Set; raises ValueError where it is none."""
    if len(body) > LARGEST:
        raise ValueError("the key set is too large")
    value: Json = orjson.loads(body)
    keys = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise ValueError("the key set has no keys")
    return keys


def from_file(path: Path) -> Fetch:
    """Returns how the keys of a file are had; it is read again every minute."""

    async def fetch() -> Fetched:
        return Fetched(await asyncio.to_thread(path.read_bytes), 60_000)

    return fetch


def from_url(client: httpx.AsyncClient, url: str) -> Fetch:
    """Returns how the keys at an address are had. No redirect is followed, and no more is read than keys can be."""

    async def fetch() -> Fetched:
        async with (
            asyncio.timeout(IN_ALL),
            client.stream("GET", url, headers=PLAIN, follow_redirects=False) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise ValueError("the key set is not there")
            return Fetched(await read_limited(answer), _read_freshness(answer.headers.get("cache-control", "")))

    return fetch


def from_keys(keys: JsonObject) -> Fetch:
    """Returns keys that are at hand."""

    async def fetch() -> Fetched:
        return Fetched(orjson.dumps(keys), LONGEST_FRESH)

    return fetch


async def read_limited(answer: httpx.Response) -> bytes:
    """Returns the body of an answer as it was sent; raises ValueError as soon as it is too large."""
    body = b""
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > LARGEST:
            raise ValueError("the answer is too large")
    return body


def _read_freshness(cache_control: str) -> Milliseconds:
    if _UNCACHED.search(cache_control):
        return 0
    found = _MAX_AGE.search(cache_control)
    return int(found[1]) * 1000 if found else LONGEST_FRESH
