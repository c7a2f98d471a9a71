"""Files → what is loaded: resources, Bundles of every type, ndjson, https://hl7.org/fhir/R4/bundle.html."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

import orjson

from fhir_dmp.commands.check import Finding, parse_or_explain, under_line
from fhir_dmp.commands.files import is_ndjson, read_file, read_lines
from fhir_dmp.commands.parcel import Entry, Parcel
from fhir_dmp.commands.progress import Meter
from fhir_dmp.commands.report import Place, Refusal
from fhir_dmp.json_text import Json, JsonObject

Piece = Entry | Parcel | Refusal

_REFERENCE = re.compile(rb'"reference"\s*:\s*"([^"\\]*)"')
_TYPE = re.compile(r"[A-Z][A-Za-z]+")
_IDS = uuid.UUID("6d1f3a52-2f0c-5b0e-9d57-3f1f4c2f7a10")
_GIVEN_BY_SERVER = ("outcome",)


@dataclass(frozen=True, slots=True)
class _Text:
    """A JSON text on its way: its place, its bytes, and its digest together with the file's path and the line."""

    place: Place
    data: bytes
    digest: str


def read_pieces(files: Iterable[Path], meter: Meter) -> Iterator[Piece]:
    """Yields what the files hold, in their order; what cannot be sent at all comes as a Refusal.

    Raises CommandError where a file cannot be read.
    """
    for file in files:
        for text in _read_texts(file, meter):
            yield from _read_text(text)


def _read_texts(file: Path, meter: Meter) -> Iterator[_Text]:
    path = str(file.resolve()).encode(errors="surrogateescape")
    if not is_ndjson(file):
        data = read_file(file)
        yield _Text(Place(file), data, _digest(path, b"", data))
        meter.read(len(data))
        return
    for number, line in enumerate(read_lines(file), start=1):
        meter.read(len(line))
        data = line.strip()
        if data:
            yield _Text(Place(file, "", number, data), data, _digest(path, str(number).encode(), data))


def _read_text(text: _Text) -> Iterable[Piece]:
    resource = parse_or_explain(text.data)
    if isinstance(resource, Finding):
        placed = under_line(text.place.line, [resource])[0] if text.place.text else resource
        return [Refusal(text.place, placed.issue.message, placed.issue.code, "", placed.position)]
    resource_type = resource.get("resourceType")
    if not (isinstance(resource_type, str) and _TYPE.fullmatch(resource_type)):
        return [Refusal(text.place, "a resource names its type in the property resourceType", "resource-type")]
    if resource_type != "Bundle" or resource.get("type") in {"document", "message"}:
        place = replace(text.place, frame=resource_type)
        return [_build_entry(place, resource, text.digest, len(text.data), text.data)]
    return _read_bundle(text, resource)


def _read_bundle(text: _Text, bundle: JsonObject) -> Iterable[Piece]:
    kind = bundle.get("type")
    entries = bundle.get("entry", [])
    place = replace(text.place, frame="Bundle")
    if not (isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)):
        return [Refusal(place, "the entries of a Bundle are an array of objects", "bundle-entry", "Bundle.entry")]
    if kind in {"transaction", "batch"}:
        return [_build_whole(text, str(kind), entries)] if entries else []
    if kind in {"collection", "searchset"}:
        return _read_collection(text, entries)
    message = f"a Bundle of type {str(kind)[:32]} cannot be loaded: it is no transaction, batch, collection or searchset"
    return [Refusal(place, message, "bundle-type", "Bundle.type")]


def _build_whole(text: _Text, kind: str, entries: list[JsonObject]) -> Parcel:
    """Builds the parcel of a transaction or batch; what it creates unconditionally gets ids that we choose."""
    size = len(text.data) // len(entries)
    rows = []
    for index, entry in enumerate(entries):
        place = replace(text.place, frame=f"Bundle.entry[{index}].resource")
        key = _digest(text.digest.encode(), str(index).encode(), b"")
        changed = _choose_id(entry, key)
        rows.append(Entry(place, changed or entry, key, size, entry if changed else None))
    is_transaction = kind == "transaction"
    depends = is_transaction and any("?" in reference for reference in _references(text.data))
    return Parcel(tuple(rows), kind, is_whole=True, depends=depends)


def _choose_id(entry: JsonObject, key: str) -> JsonObject | None:
    """Turns the creation of a resource into an update to an id that follows from its key; None for anything else.

    The meaning stays: a server that creates assigns an id of its own in either case, and references among the
    entries go by fullUrl.
    """
    request, resource = entry.get("request"), entry.get("resource")
    if not (isinstance(request, dict) and isinstance(resource, dict)):
        return None
    is_creation = request.get("method") == "POST" and request.get("url") == resource.get("resourceType")
    if not is_creation or "ifNoneExist" in request:
        return None
    chosen = _derive_id(key)
    content = {"resourceType": resource["resourceType"], "id": chosen}
    content |= {name: value for name, value in resource.items() if name not in {"id", "_id"}} | {"id": chosen}
    return {**entry, "resource": content, "request": {**request, "method": "PUT", "url": f"{request['url']}/{chosen}"}}


def _read_collection(text: _Text, entries: list[JsonObject]) -> Iterable[Piece]:
    """Returns the resources of a collection; as one parcel if they refer to one another by fullUrl."""
    rows = [
        _build_member(text, index, entry)
        for index, entry in enumerate(entries)
        if isinstance(entry.get("resource"), dict) and not _is_outcome(entry)
    ]
    full_urls = {entry.get("fullUrl") for entry in entries}
    if not any(reference in full_urls for reference in _references(text.data)):
        return rows
    linked = [_with_full_url(row, entries) for row in rows]
    return [Parcel(tuple(linked), is_whole=True)]


def _build_member(text: _Text, index: int, entry: JsonObject) -> Entry:
    resource = entry["resource"]
    place = replace(text.place, frame=f"Bundle.entry[{index}].resource")
    content = orjson.dumps(resource) if False else None
    return _build_entry(place, resource, _digest(text.digest.encode(), str(index).encode(), b""), 0, content)


def _build_entry(place: Place, resource: JsonObject, key: str, size: int, data: bytes | None) -> Entry:
    """Builds the entry of a resource: an update to its own id, or to one derived from its key.

    `data` is the resource's text where it is at hand; it is sent as it is.
    """
    raise NotImplementedError


def _references(data: bytes) -> Iterator[str]:
    """Yields the literal references in a text."""
    plain = data.replace(b"\\/", b"/") if b"\\/" in data else data
    return (found.decode() for found in _REFERENCE.findall(plain))
