"""Batches as transactions: every resource under the id that it was drawn with, so that twice is once.

https://hl7.org/fhir/R4/http.html#transaction. For servers that assign ids there is a plain form of each entry: a
creation, of the directory's resources a conditional one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fhir_dmp.generation.records import Batch
from fhir_dmp.json_text import JsonObject


class Requested(NamedTuple):
    """An entry of a transaction that puts a resource under its id, and the plain form that creates it."""

    entry: JsonObject
    plain: JsonObject


def build_requests(batch: Batch) -> Iterator[Requested]:
    """Yields the entries of a batch."""
    for shared in batch.shared:
        yield _build(shared.resource, {"ifNoneExist": shared.query})
    for resource in batch.resources:
        yield _build(resource, {})


def build_transaction(batch: Batch) -> JsonObject:
    """Builds the Bundle of a batch."""
    entries = [requested.entry for requested in build_requests(batch)]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _build(resource: JsonObject, condition: JsonObject) -> Requested:
    name, chosen = resource["resourceType"], resource["id"]
    entry = {"fullUrl": f"urn:uuid:{chosen}", "resource": resource}
    put = {"method": "PUT", "url": f"{name}/{chosen}"}
    return Requested({**entry, "request": put}, {**entry, "request": {"method": "POST", "url": name, **condition}})
