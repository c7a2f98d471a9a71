"""What the server itself stores before it takes requests, each once per database: R4 definitions, and demo records.

The definitions are there so that clients can read and search what the server works with. Their time is that of their
publication: by it they are told from definitions that someone has stored, and which count as rules
(fhir_dmp.packages.port).

A record is a transaction whose entries are created conditionally (ifNoneExist): the first of them tells whether the
record is here already. https://hl7.org/fhir/R4/http.html#ccreate
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson

from fhir_dmp.access.requester import SERVER
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.app import Sources, open_context
from fhir_dmp.interactions.base import process
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Origin, Request, parse_query
from fhir_dmp.json_text import JsonObject
from fhir_dmp.loader import Subject, load_definitions
from fhir_dmp.outcome import FhirError
from fhir_dmp.packages.port import R4_PUBLISHED
from fhir_dmp.resource import LONGEST_ID, Identity, build_version
from fhir_dmp.settings import Settings
from fhir_dmp.store.port import Change, Writer

_SUBJECTS: tuple[Subject, ...] = ("structures", "search", "terminology", "operations")
_AT_ONCE = 50
"""Definitions of one transaction: their words are so many that more would not fit into a small cache."""
_LAST = Identity("OperationDefinition", "Resource-validate")
"""Written with the last definitions: where it is, all are."""


def seed_definitions(settings: Settings) -> int:
    """Returns how many definitions were stored: none where they are here already."""
    return asyncio.run(_seed(settings))


async def _seed(settings: Settings) -> int:
    async with open_context(settings, Sources()) as context:
        if await context.store.read([_LAST], await _restriction(context, _LAST.resource_type)):
            return 0
        stored = 0
        definitions = _definitions(context)
        while chunk := list(islice(definitions, _AT_ONCE)):
            stored += await _store(context, chunk)
        return stored


async def _restriction(context: Context, resource_type: str) -> Restriction:
    return await open_gate(context, Request(SERVER, resource_type), "read")


def _definitions(context: Context) -> Iterator[JsonObject]:
    """An id that R4 made longer than ids may be (that of one SearchParameter) is cut: its canonical stays."""
    for subject in _SUBJECTS:
        for definition in load_definitions(subject):
            if definition["resourceType"] in context.capability.types:
                yield definition | {"id": definition["id"][:LONGEST_ID]}


async def _store(context: Context, definitions: Sequence[JsonObject]) -> int:
    """Stores those of some definitions that an earlier start, cut short, did not."""
    identities = [Identity(row["resourceType"], row["id"]) for row in definitions]

    async def work(writer: Writer) -> int:
        present = await writer.read(identities, await _restriction(context, identities[0].resource_type))
        changes = [
            _first_version(context, row, identity)
            for row, identity in zip(definitions, identities, strict=True)
            if identity not in present
        ]
        await writer.write(changes)
        return len(changes)

    return await context.store.transact(work)


def _first_version(context: Context, definition: JsonObject, identity: Identity) -> Change:
    stamped, version = build_version(definition, identity, None, "POST", R4_PUBLISHED)
    return Change(version, None, context.indexer.facts(stamped))


@dataclass(frozen=True, slots=True)
class SeededRecord:
    """A record that was stored: its file, its resources, and why it was refused (empty where it was not)."""

    name: str
    resources: int
    refusal: str


def seed_records(settings: Settings, folder: Path, tell: Callable[[SeededRecord], None]) -> dict[str, str]:
    """Stores the records of a folder that are not here yet, in the order of their names, and tells of each.

    Returns the ids that the first Patients of the files have on this server; of one that is not here, none.
    """
    bundles = {file.name: orjson.loads(file.read_bytes()) for file in sorted(folder.glob("*.json"))}
    return asyncio.run(_seed_records(settings, bundles, tell))


async def _seed_records(
    settings: Settings, bundles: Mapping[str, JsonObject], tell: Callable[[SeededRecord], None]
) -> dict[str, str]:
    patients = {}
    async with open_context(settings, Sources()) as context:
        for name, bundle in bundles.items():
            conditional = [entry["request"] for entry in bundle["entry"] if "ifNoneExist" in entry["request"]]
            if not conditional or not await _find_id(context, conditional[0]):
                tell(await _store_record(context, name, bundle))
            first = next((request for request in conditional if request["url"] == "Patient"), None)
            if first:
                patients[name] = await _find_id(context, first)
    return {name: patient_id for name, patient_id in patients.items() if patient_id}


async def _store_record(context: Context, name: str, bundle: JsonObject) -> SeededRecord:
    origin = Origin(request_id=name, began=context.now())
    refusal = ""
    try:
        await process(context, Request(SERVER, body=orjson.dumps(bundle), origin=origin))
    except FhirError as fault:
        refusal = fault.issues[0].message
    return SeededRecord(name, len(bundle["entry"]), refusal)


async def _find_id(context: Context, wanted: JsonObject) -> str:
    """Returns the id of what a conditional create would find, empty where it would create."""
    kind, criteria = wanted["url"], parse_query(wanted["ifNoneExist"])
    result = await context.routes.find("GET", "[type]", kind).run(context, Request(SERVER, kind, parameters=criteria))
    rows = orjson.loads(result.body or b"{}").get("entry", [])
    return rows[0]["resource"]["id"] if rows else ""
