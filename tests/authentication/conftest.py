"""What tests of authentication share: a clock, a stand-in issuer, and a client that asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.authentication.signing import Clock
from tests.authentication.stand_in import StandIn, run_stand_in


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until the test moves it."""
    return Clock()


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """A server that stands in for an issuer."""
    with run_stand_in() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """The client that asks it."""
    async with httpx.AsyncClient(timeout=5) as client:
        yield client
