"""Everything that a search finds, page by page: for what has to look at all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.search.query import SearchQuery
from fhir_dmp.store.port import Reader, SearchPage


async def walk(reader: Reader, query: SearchQuery, restriction: Restriction) -> AsyncIterator[SearchPage]:
    """Yields the pages of a search that says their size, the last of which has no `next_keys`."""
    while True:
        page = await reader.search(query, restriction)
        yield page
        if page.next_keys is None:
            return
        query = replace(query, after=page.next_keys)
