"""What most of these tests need: a house of their own, whose records each of them makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.access_http.house import House, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pymongo import MongoClient


@pytest.fixture(scope="module")
async def house(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[House]:
    """A guarded server with people who have roles in its records; one for each file."""
    async with open_house(mongodb_uri, mongodb_client) as opened:
        yield opened
