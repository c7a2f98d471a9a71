"""Lines → the entries of transactions: as many at a time as fit one, none of which is about the resource of another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple
from urllib.parse import quote

import orjson

from fhir_dmp.bulk.lines import Line
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import Category, error

BATCH = 100
"""Lines that one transaction stores, at most."""
_BYTES = 4_000_000


class Row(NamedTuple):
    """A line that holds something. `url` is the resource that it names, "" where it names none."""

    line: Line
    url: str


async def gather(lines: AsyncIterator[Line]) -> AsyncIterator[Sequence[Row]]:
    """Yields the lines that are not blank, some at a time and in their order."""
    rows: list[Row] = []
    urls: set[str] = set()
    size = 0
    async for line in lines:
        if line.text is not None and not line.text.strip():
            continue
        row = Row(line, _find_url(line))
        if rows and (len(rows) >= BATCH or size >= _BYTES or row.url in urls):
            yield rows
            rows, urls, size = [], set(), 0
        rows.append(row)
        urls |= {row.url} - {""}
        size += len(line.text or b"")
    if rows:
        yield rows


def build_bundle(rows: Sequence[Row]) -> JsonObject:
    """Builds the transaction of some lines; raises FhirError where one holds no resource.

    A resource with an id is stored under it, one without under a new one.
    """
    return {"resourceType": "Bundle", "type": "transaction", "entry": [_build_entry(row) for row in rows]}


def _build_entry(row: Row) -> JsonObject:
    if row.line.text is None:
        raise error(Category.TOO_LARGE, "resource-too-large", "The line is longer than any resource can be.")
    resource = parse_json_object(row.line.text)
    name = resource.get("resourceType")
    if not isinstance(name, str) or not name:
        raise error(Category.MALFORMED, "resource-type", "The line is no resource: it has no resourceType.")
    request = {"method": "PUT", "url": row.url} if "id" in resource else {"method": "POST", "url": name}
    return {"resource": resource, "request": request}


def _find_url(line: Line) -> str:
    """What a line is about, as far as that can be told: what is wrong with it comes out when it is taken in."""
    try:
        resource = orjson.loads(line.text or b"")
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(resource, dict) or "id" not in resource:
        return ""
    return f"{resource.get('resourceType')}/{quote(str(resource['id']), safe='')}"
