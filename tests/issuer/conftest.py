"""What tests of the local issuer share: the issuer itself, on a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.authentication.signing import Clock
from tests.issuer.server import Local, run_issuer


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until the test moves it."""
    return Clock()


@pytest.fixture
async def local(mongodb_uri: str, database_name: str, clock: Clock) -> AsyncIterator[Local]:
    """The local issuer, on an empty database."""
    async with run_issuer(mongodb_uri, database_name, clock) as running:
        yield running
