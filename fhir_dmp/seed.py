"""What the server itself stores before it takes requests: the definitions that it works with, and demo records.

The definitions, R4's and those of profiles/, are there so that clients can read and search them. Their time is that of
R4's publication, a millisecond more for each version that replaces one: by it they are told from what someone has
stored, which counts as a rule and is never replaced (fhir_dmp.packages.port).

A record is a transaction whose entries are created conditionally (ifNoneExist): the first of them tells whether the
record is here already. https://hl7.org/fhir/R4/http.html#ccreate
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import orjson

from fhir_dmp.access.requester import SERVER
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.app import Sources, open_context
from fhir_dmp.interactions.base import process
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Origin, Request, parse_query
from fhir_dmp.json_text import JsonObject, parse_json_object, write_json
from fhir_dmp.loader import Subject, load_definitions, load_shipped_definitions
from fhir_dmp.outcome import FhirError
from fhir_dmp.packages.port import LAST_OWN, R4_PUBLISHED
from fhir_dmp.resource import LONGEST_ID, Identity, Method, Version, build_version, stamp
from fhir_dmp.settings import Settings
from fhir_dmp.store.port import Change, Writer

_SUBJECTS: tuple[Subject, ...] = ("structures", "search", "terminology", "operations")
_AT_ONCE = 50
"""Definitions of one transaction: their words are so many that more would not fit into a small cache."""
_LAST = Identity("OperationDefinition", "Resource-validate")
"""Written with the last definitions of R4: where it is or was, all are."""


def seed_definitions(settings: Settings) -> int:
    """Returns how many definitions were stored: none where they are here already, as this version has them."""
    return asyncio.run(_seed(settings))


async def _seed(settings: Settings) -> int:
    async with open_context(settings, Sources()) as context:
        restriction = await _restriction(context, _LAST.resource_type)
        is_here = bool(await context.store.read_latest([_LAST], restriction))
        definitions = chain(() if is_here else _load_r4(), load_shipped_definitions())
        exposed = (row for row in definitions if row["resourceType"] in context.capability.types)
        stored = 0
        while chunk := list(islice(exposed, _AT_ONCE)):
            stored += await _store(context, chunk)
        return stored


async def _restriction(context: Context, resource_type: str) -> Restriction:
    return await open_gate(context, Request(SERVER, resource_type), "read")


def _load_r4() -> Iterator[JsonObject]:
    """An id that R4 made longer than ids may be (that of one SearchParameter) is cut: its canonical stays."""
    for subject in _SUBJECTS:
        for definition in load_definitions(subject):
            yield definition | {"id": definition["id"][:LONGEST_ID]}


async def _store(context: Context, definitions: Sequence[JsonObject]) -> int:
    """Stores what is not here: new, of another version of this server, or not reached by a start that was cut short."""
    rows = {Identity(row["resourceType"], row["id"]): row for row in definitions}
    restriction = await _restriction(context, next(iter(rows)).resource_type)

    def compare(latest: Mapping[Identity, Version]) -> list[Change]:
        changes = (_compare(context, row, identity, latest.get(identity)) for identity, row in rows.items())
        return [change for change in changes if change]

    async def work(writer: Writer) -> int:
        changes = compare(await writer.read_latest(rows, restriction))
        await writer.write(changes)
        return len(changes)

    # mostly there is nothing to write, and no transaction needed to know it
    return await context.store.transact(work) if compare(await context.store.read_latest(rows, restriction)) else 0


def _compare(context: Context, definition: JsonObject, identity: Identity, latest: Version | None) -> Change | None:
    """What somebody has changed or deleted stays so: only a version of the server's own is replaced."""
    if latest is None:
        return _build_change(context, definition, identity, None)
    is_own = latest.content is not None and latest.last_updated <= LAST_OWN
    return _build_change(context, definition, identity, latest) if is_own and _differs(definition, latest) else None


def _differs(definition: JsonObject, latest: Version) -> bool:
    stamped = stamp(definition, latest.identity, latest.version_id, latest.last_updated)
    return write_json(stamped) != latest.content


def _build_change(context: Context, definition: JsonObject, identity: Identity, previous: Version | None) -> Change:
    method: Method = "PUT" if previous else "POST"
    stamped, version = build_version(definition, identity, previous, method, R4_PUBLISHED)
    former = context.indexer.facts(parse_json_object(previous.content)) if previous and previous.content else None
    return Change(version, previous, context.indexer.facts(stamped), former)


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
