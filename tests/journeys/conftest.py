"""A stage for each story: time passes on it, ten years in one of them, and no other story is to notice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import MongoClient

from tests.journeys.story import Clock, Story, open_stage


@pytest.fixture(scope="module")
async def story(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[Story]:
    """The stage that the tests of a module share."""
    async with open_stage(mongodb_uri, mongodb_client, Clock()) as stage:
        yield stage
