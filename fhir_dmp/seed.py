"""Stores the R4 definitions, once per database, so that clients can read and search what the server works with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import islice

from fhir_dmp.access.requester import SERVER
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.app import Sources, open_context
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject
from fhir_dmp.loader import Subject, load_definitions
from fhir_dmp.resource import Identity, build_version
from fhir_dmp.settings import Settings
from fhir_dmp.store.port import Change, Writer

_SUBJECTS: tuple[Subject, ...] = ("structures", "search", "terminology", "operations")
_AT_ONCE = 250
_LAST = Identity("OperationDefinition", "Resource-validate")
"""Written with the last definitions: where it is, all are."""


def seed_definitions(settings: Settings) -> int:
    """Returns how many definitions were stored: none where they are here already."""
    return asyncio.run(_seed(settings))


async def _seed(settings: Settings) -> int:
    async with open_context(settings, Sources()) as context:
        if await context.store.read([_LAST], _restriction(context, _LAST.resource_type)):
            return 0
        stored = 0
        definitions = _definitions(context)
        while chunk := list(islice(definitions, _AT_ONCE)):
            stored += await _store(context, chunk)
        return stored


def _restriction(context: Context, resource_type: str) -> Restriction:
    return open_gate(context, Request(SERVER, resource_type), "read")


def _definitions(context: Context) -> Iterator[JsonObject]:
    for subject in _SUBJECTS:
        for definition in load_definitions(subject):
            if definition["resourceType"] in context.capability.types:
                yield definition


async def _store(context: Context, definitions: Sequence[JsonObject]) -> int:
    """Stores those of some definitions that an earlier start, cut short, did not."""
    identities = [Identity(row["resourceType"], row["id"]) for row in definitions]

    async def work(writer: Writer) -> int:
        present = await writer.read(identities, _restriction(context, identities[0].resource_type))
        changes = [
            _first_version(context, row, identity)
            for row, identity in zip(definitions, identities, strict=True)
            if identity not in present
        ]
        await writer.write(changes)
        return len(changes)

    return await context.store.transact(work)


def _first_version(context: Context, definition: JsonObject, identity: Identity) -> Change:
    stamped, version = build_version(definition, identity, None, "POST", context.now())
    return Change(version, None, context.indexer.facts(stamped))
