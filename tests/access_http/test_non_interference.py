"""What is hidden has no effect: the answer is that of a server from whose database it was physically removed.

For random stores, requesters of every kind and mode, and sequences of requests over every channel: status, headers and
body are equal byte for byte. FHIR_DMP_LEAK_WORLDS sets how many stores are tried; each is asked 32 requests, and the
pages that follow.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from fhir_dmp.access.requester import OPEN
from tests.access_http.pair import REQUESTS, Pair, make_requester, open_pair
from tests.access_http.world import make_world

WORLDS = int(os.environ.get("FHIR_DMP_LEAK_WORLDS", "75"))
SHOWN = max(1, WORLDS // 8)
FEWEST_HIDDEN = 4
COUNTED: Counter[str] = Counter()
STATUSES = {f"status {number}" for number in (200, 201, 204, 304, 400, 403, 404, 405, 412, 422)}
tried = settings(
    deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate], derandomize=False
)


@pytest.fixture(scope="module")
async def pair(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pair]:
    async with open_pair(mongodb_uri, mongodb_client, tmp_path_factory.mktemp("leaks")) as opened:
        yield opened


@settings(tried, max_examples=WORLDS)
@given(seed=st.integers(0, 2**48))
async def test_what_is_hidden_has_no_effect_on_any_answer(seed: int, pair: Pair) -> None:
    COUNTED.update(await pair.compare(seed))


def test_the_worlds_had_something_to_hide_and_the_requests_met_every_answer() -> None:
    worlds = sum(count for name, count in COUNTED.items() if name.startswith("kind "))
    if not worlds:
        pytest.skip("nothing was compared in this process")
    # Hypothesis leaves out what it tried before
    assert worlds >= WORLDS * 0.8
    assert COUNTED["requests"] >= REQUESTS * 0.9 * worlds
    assert COUNTED["hidden"] >= FEWEST_HIDDEN * worlds
    assert COUNTED["status 200"] > COUNTED["requests"] // 5
    assert STATUSES - COUNTED.keys() == set()


@settings(tried, max_examples=SHOWN)
@given(seed=st.integers(0, 2**48))
async def test_each_version_is_shown_exactly_where_it_is_permitted(seed: int, pair: Pair) -> None:
    """The control of the above: what was not removed is there, and what was removed is there for who may see it."""
    random = Random(seed)
    world, who = make_world(random), make_requester(random)
    hidden, _ = await pair.prepare(world, who, random)
    for identity, versions in world.pasts.items():
        for number in range(1, len(versions) + 1):
            target = f"{identity}/_history/{number}"
            found = 200 if versions[number - 1] is not None else 410
            assert (await pair.whole.ask(OPEN, "GET", target)).status == found
            is_removed = identity in hidden.resources or (identity, number) in hidden.versions
            assert (await pair.without.ask(OPEN, "GET", target)).status == (404 if is_removed else found)
            if is_removed and identity.resource_type != "Binary":
                assert (await pair.whole.ask(who, "GET", target)).status in {403, 404}
