"""Files → what is loaded: resources, Bundles of every type, ndjson, https://hl7.org/fhir/R4/bundle.html."""

from __future__ import annotations

import re
import uuid
from base64 import urlsafe_b64encode
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
from fhir_dmp.json_text import JsonObject

Piece = Entry | Parcel | Refusal

_KEY_BYTES = 12
_REFERENCE = re.compile(rb'"reference"\s*:\s*"([^"\\]*)"')
_TYPE = re.compile(r"[A-Z][A-Za-z]+")
_IDS = uuid.UUID("6d1f3a52-2f0c-5b0e-9d57-3f1f4c2f7a10")


@dataclass(frozen=True, slots=True)
class _Text:
    """A JSON text: its place, its bytes, and the key that stands for the file's path, the line and the bytes."""

    place: Place
    data: bytes
    key: str


def read_pieces(files: Iterable[Path], meter: Meter) -> Iterator[Piece]:
    """Yields what the files hold, in their order; what cannot be sent at all comes as a Refusal.

    Raises CommandError where a file cannot be read.
    """
    for file in files:
        for text in _read_texts(file, meter):
            yield from _read_text(text)


def _read_texts(file: Path, meter: Meter) -> Iterator[_Text]:
    path = str(file.resolve())
    if not is_ndjson(file):
        data = read_file(file)
        meter.read(len(data))
        yield _Text(Place(file), data, _build_key(path, 0, data))
        return
    for number, line in enumerate(read_lines(file), start=1):
        meter.read(len(line))
        data = line.strip()
        if data:
            yield _Text(Place(file, "", number, data), data, _build_key(path, number, data))


def _read_text(text: _Text) -> Iterable[Piece]:
    resource = parse_or_explain(text.data)
    if isinstance(resource, Finding):
        placed = under_line(text.place.line, [resource])[0] if text.place.text else resource
        return [Refusal(text.place, placed.issue.message, placed.issue.code, "", placed.position)]
    name = resource.get("resourceType")
    if not (isinstance(name, str) and _TYPE.fullmatch(name)):
        return [Refusal(text.place, "a resource names its type in the property resourceType", "resource-type")]
    if name == "Bundle" and str(resource.get("type")) not in {"document", "message"}:
        return _read_bundle(text, resource)
    return [_build_entry(replace(text.place, frame=name), resource, text.key, len(text.data), text.data.strip())]


def _read_bundle(text: _Text, bundle: JsonObject) -> Iterable[Piece]:
    kind = str(bundle.get("type"))
    entries = bundle.get("entry", [])
    place = replace(text.place, frame="Bundle")
    if not (isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)):
        return [Refusal(place, "the entries of a Bundle are an array of objects", "bundle-entry", "Bundle.entry")]
    if kind in {"transaction", "batch"}:
        return [_build_requests(text, kind, entries)] if entries else []
    if kind in {"collection", "searchset"}:
        return _read_collection(text, entries)
    message = f"a Bundle of type {kind[:32]} is nothing to load: transaction, batch, collection and searchset are"
    return [Refusal(place, message, "bundle-type", "Bundle.type")]


def _build_requests(text: _Text, kind: str, entries: list[JsonObject]) -> Parcel:
    """Builds the parcel of a transaction or batch; what it creates without conditions gets ids that we choose."""
    rows = []
    for index, entry in enumerate(entries):
        key = _build_key(text.key, index)
        chosen = _choose_id(entry, key)
        plain = entry if chosen else None
        rows.append(Entry(_place_of(text, index), chosen or entry, key, len(text.data) // len(entries), plain))
    depends = kind == "transaction" and any("?" in reference for reference in _references(text.data))
    return Parcel(tuple(rows), kind, is_whole=True, depends=depends)


def _choose_id(entry: JsonObject, key: str) -> JsonObject | None:
    """Turns the creation of a resource into an update to an id that follows from its key; None for anything else.

    References among the entries go by fullUrl, and lead to the one id as they would to the other.
    """
    request, resource = entry.get("request"), entry.get("resource")
    if not (isinstance(request, dict) and isinstance(resource, dict)):
        return None
    name = resource.get("resourceType")
    is_creation = request.get("method") == "POST" and request.get("url") == name and isinstance(name, str)
    if not is_creation or "ifNoneExist" in request:
        return None
    chosen = _derive_id(key)
    content = {"resourceType": name, **resource, "id": chosen}
    return {**entry, "resource": content, "request": {**request, "method": "PUT", "url": f"{name}/{chosen}"}}


def _read_collection(text: _Text, entries: list[JsonObject]) -> Iterable[Piece]:
    """Returns the resources of a collection or searchset; as one parcel where they refer to fullUrls of theirs."""
    full_urls = {str(entry["fullUrl"]) for entry in entries if "fullUrl" in entry}
    is_linked = any(reference in full_urls for reference in _references(text.data))
    size = len(text.data) // max(len(entries), 1)
    members = []
    for index, entry in enumerate(entries):
        resource, place = entry.get("resource"), _place_of(text, index)
        if isinstance(resource, dict) and resource.get("resourceType") != "OperationOutcome":
            member = _build_entry(place, resource, _build_key(text.key, index), size)
            members.append(_with_full_url(member, entry) if is_linked else member)
    return [Parcel(tuple(members), is_whole=True)] if is_linked else members


def _with_full_url(member: Entry, entry: JsonObject) -> Entry:
    if "fullUrl" not in entry:
        return member
    full_url = {"fullUrl": entry["fullUrl"]}
    return replace(member, json=full_url | member.json, plain=full_url | member.plain if member.plain else None)


def _build_entry(place: Place, resource: JsonObject, key: str, size: int, data: bytes = b"") -> Entry:
    """Builds the entry of a resource: an update to its own id, or to one derived from its key.

    `data` is the resource's text, without blanks around it, where it is at hand: it is sent as it is.
    """
    name = str(resource.get("resourceType"))
    content = orjson.Fragment(data) if data else resource
    if resource.get("id"):
        url = f"{name}/{quote(str(resource['id']), safe='')}"
        return Entry(place, {"resource": content, "request": {"method": "PUT", "url": url}}, key, size)
    plain = {"resource": content, "request": {"method": "POST", "url": name}}
    if "id" in resource:
        # an empty id, which the server will explain
        return Entry(place, plain, key, size)
    chosen = _derive_id(key)
    named = orjson.Fragment(b'{"id":"%s",%s' % (chosen.encode(), data[1:])) if data else {"id": chosen, **resource}
    request = {"method": "PUT", "url": f"{name}/{chosen}"}
    return Entry(place, {"resource": named, "request": request}, key, size, plain)


def _place_of(text: _Text, index: int) -> Place:
    return replace(text.place, frame=f"Bundle.entry[{index}].resource")


def _references(data: bytes) -> Iterator[str]:
    """Yields the literal references in a text."""
    unescaped = data.replace(b"\\/", b"/")
    return (found.decode() for found in _REFERENCE.findall(unescaped))


def _build_key(above: str, index: int, data: bytes = b"") -> str:
    digest = blake2b(digest_size=_KEY_BYTES)
    digest.update(f"{above}\0{index}\0".encode(errors="surrogateescape"))
    digest.update(data)
    return urlsafe_b64encode(digest.digest()).decode()


def _derive_id(key: str) -> str:
    return str(uuid.uuid5(_IDS, key))
