"""A pair of servers, one without what is hidden, and the comparison of their answers for a seed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

from pymongo import MongoClient

from fhir_dmp.access.requester import Requester
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import Clause, Handling
from tests.access_http.asking import Ask, Asking
from tests.access_http.hiding import Hidden, build_judge, find_hidden
from tests.access_http.sides import Side, open_sides
from tests.access_http.world import World, build_stored, make_world
from tests.rest.server import Answer
from tests.strategies.access import NOW, requester
from tests.strategies.access_worlds import make_person

REQUESTS = 32
PAGES = 6
_SCOPES = ("user/*.cruds",) * 8 + (
    "user/Observation.rs user/*.r",
    "user/*.rs",
    "user/*.cruds patient/*.cruds",
    "user/Observation.cruds?status=final user/DocumentReference.cruds",
)


class Leak(AssertionError):
    """Two answers that differ although only what is hidden does."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The server with all, and the one without what is hidden."""

    whole: Side
    without: Side

    async def compare(self, seed: int, requests: int = REQUESTS, only: Sequence[str] = ()) -> Counter[str]:
        """Asks both the same; raises Leak at the first difference, and returns what was counted.

        `only` names the channels (Asking's methods), where not all are asked.
        """
        random = Random(seed)
        world, who = make_world(random), make_requester(random)
        hidden, asking = await self.prepare(world, who, random)
        asking.only = only
        counted = Counter({"hidden": len(hidden), f"kind {who.kind.value}": 1})
        asks = [asking.make() for _ in range(requests)]
        for number, ask in enumerate(asks):
            asked = ask
            for page in range(PAGES):
                answer = await self._ask_both(who, asked, number * PAGES + page, seed)
                counted.update({"requests": 1, f"status {answer.status}": 1})
                following = next_page(answer) if asked.method == "GET" else ""
                if not following:
                    break
                asked = Ask("GET", following)
        counted.update(asking.channels)
        return counted

    async def prepare(self, world: World, who: Requester, random: Random) -> tuple[Hidden, Asking]:
        """Fills both databases for a requester."""
        context = self.whole.context
        stored = build_stored(world, context.indexer)
        is_shown = build_judge(who, world, context.matrix, context.indexer.facts, self._search_clause)
        hidden = find_hidden(who, world, stored, is_shown)
        await self.whole.fill(stored)
        self.without.copy_without(self.whole, hidden)
        facts = [row.facts for rows in stored.values() for row in rows]
        return hidden, Asking(random, world, facts)

    async def _ask_both(self, who: Requester, ask: Ask, number: int, seed: int) -> Answer:
        answers = [
            await side.ask(who, ask.method, ask.target, ask.headers, ask.body, request=number)
            for side in (self.whole, self.without)
        ]
        if answers[0] != answers[1]:
            raise Leak(f"seed {seed}, {who}\n  {ask}\n  whole:   {_shown(answers[0])}\n  without: {_shown(answers[1])}")
        return answers[0]

    def _search_clause(self, resource_type: str, parameters: Sequence[tuple[str, str]]) -> Clause:
        space = self.whole.context.space
        return parse_search(resource_type, parameters, space=space, handling=Handling.STRICT, now=NOW).clause


def make_requester(random: Random) -> Requester:
    """Returns someone by chance, with a token that usually reaches everything."""
    row = make_person(random)
    return replace(requester(row), scopes=tuple(row.get("scopes", random.choice(_SCOPES)).split()))


def next_page(answer: Answer) -> str:
    """Returns the target of the next link of a Bundle, empty where there is none."""
    if answer.status != 200 or not answer.body.startswith(b"{"):
        return ""
    links = {row["relation"]: row["url"] for row in json.loads(answer.body).get("link", [])}
    if "next" not in links:
        return ""
    parts = urlsplit(links["next"])
    return f"{parts.path.removeprefix('/fhir').lstrip('/')}?{parts.query}"


def _shown(answer: Answer) -> str:
    return f"{answer.status} {answer.headers} {answer.body[:2500].decode()}"


@asynccontextmanager
async def open_pair(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]], folder: Path, **changed: str
) -> AsyncIterator[Pair]:
    """Runs both servers."""
    async with open_sides(mongodb_uri, mongodb_client, folder, 2, **changed) as (whole, without):
        yield Pair(whole, without)
