"""Is a document what its DocumentReference says: hash and size of an attachment against the Binary that it cites.

And is it there: what a document cites is not deleted under it.
https://hl7.org/fhir/R4/datatypes.html#Attachment
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha1

from fhir_dmp.access.requester import SERVER
from fhir_dmp.interactions.binary import BINARY
from fhir_dmp.interactions.content import within
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import build_citing, open_gate
from fhir_dmp.interactions.request import Memory, Request
from fhir_dmp.interactions.walk import walk
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import Category, FhirError, Issue, error
from fhir_dmp.resource import Identity, Version, is_id
from fhir_dmp.store.content_port import Content
from fhir_dmp.store.port import Change

_CITING = "DocumentReference"


@dataclass(frozen=True, slots=True)
class _Attachment:
    """An attachment that says something of a content: its place, and the Binary cited, None where it has the data."""

    expression: str
    stated: JsonObject
    cited: Identity | None


class Together:
    """What is written at once. Each entry of a transaction asks for it, so it is looked through once for all."""

    def __init__(self, context: Context, changes: Iterable[Change] = ()) -> None:
        """`changes` are those of the whole transaction."""
        self._context = context
        self.written = {change.version.identity: change.version for change in changes}

    @cached_property
    def citing(self) -> Mapping[Identity, Sequence[Version]]:
        """The documents among it, by the Binaries that they cite."""
        found: dict[Identity, list[Version]] = defaultdict(list)
        for version in self.written.values():
            if version.identity.resource_type == _CITING and version.content is not None:
                for binary in cited_by(self._context, parse_json_object(version.content)):
                    found[binary].append(version)
        return dict(found)


async def check_attachments(
    context: Context, request: Request, changes: Iterable[Change], together: Together | None = None, at: str = ""
) -> None:
    """Raises FhirError (unprocessable) where an attachment states another hash or size than its content has.

    `at` is the place of what is written in a Bundle.

    Asked are the Binaries that come `together` with it, and those that the requester sees: of others he learns nothing.
    A Binary that gets another content is held against what its maker's documents state of it, as they are `together`.
    """
    together = together or Together(context)
    changed = [change for change in changes if _is_replaced(change)]
    wrong = [issue for change in changed for issue in await _find_contradicted(context, request, change, together)]
    if wrong:
        raise FhirError(Category.UNPROCESSABLE, *(within(issue, BINARY, at) for issue in wrong))
    found = [row for change in changes for row in _find_attachments(context, change.version)]
    if not found:
        return
    cited = {row.cited for row in found if row.cited}
    near = {identity: together.written[identity] for identity in cited & together.written.keys()}
    seen = await read_cited(context, request, cited - near.keys())
    issues = [issue for row in found for issue in await _compare(context, row, {**seen, **near})]
    if issues:
        raise FhirError(Category.UNPROCESSABLE, *(within(issue, _CITING, at) for issue in issues))


def _is_replaced(change: Change) -> bool:
    is_binary = change.version.identity.resource_type == BINARY and change.version.content is not None
    return is_binary and change.previous is not None


async def _find_contradicted(context: Context, request: Request, change: Change, together: Together) -> list[Issue]:
    """What the documents of a Binary's maker state of it and its new content is not: his own, so he learns nothing."""
    binary = change.version.identity
    citing = [row async for row in _find_citing(context, request, change.version)]
    stored = [row for row in citing if row.identity not in together.written]
    documents = (*stored, *together.citing.get(binary, ()))
    rows = [row for document in documents for row in _find_attachments(context, document)]
    issues = [
        issue for row in rows if row.cited == binary for issue in await _compare(context, row, {binary: change.version})
    ]
    return [replace(issue, expression=f"{BINARY}.data") for issue in issues]


def require_brought(change: Change) -> None:
    """Raises FhirError (unprocessable) where a new document cites an entry that its transaction does not have.

    Nobody could ever read that content, and the Binary that was meant would be cited by nothing. MHD, ITI-65: the URL
    of an attachment is the fullUrl of its Binary, or leads to one.
    """
    version = change.version
    is_new = version.identity.resource_type == _CITING and change.previous is None
    document = parse_json_object(version.content or b"{}") if is_new else {}
    for place, row in enumerate(document.get("content", ())):
        if str(row.get("attachment", {}).get("url", "")).startswith("urn:uuid:"):
            message = "No entry of the Bundle has the fullUrl that the attachment cites."
            raise error(
                Category.UNPROCESSABLE, "attachment-absent", message, f"{_CITING}.content[{place}].attachment.url"
            )


async def require_uncited(
    context: Context, request: Request, changes: Iterable[Change], together: Together | None = None
) -> None:
    """Raises FhirError (conflict) where a Binary is deleted that a document of its maker cites.

    Asked are the documents as they are once all that is written `together` is. Who comes so far may delete the Binary,
    and is told of none of them by name.
    """
    together = together or Together(context)
    for binary in [change.version for change in changes if _is_deleted(change)]:
        stored = [row async for row in _find_citing(context, request, binary) if row.identity not in together.written]
        if stored or binary.identity in together.citing:
            message = (
                "A document cites this Binary, which is its content: delete the document first, or together with it."
            )
            raise error(Category.CONFLICT, "content-cited", message)


def _is_deleted(change: Change) -> bool:
    return change.version.identity.resource_type == BINARY and change.version.content is None


async def _find_citing(context: Context, request: Request, binary: Version) -> AsyncIterator[Version]:
    """Yields the documents of a Binary's maker that cite it, whoever may see them."""
    asked = replace(request, requester=SERVER, memory=Memory(), resource_type=_CITING, resource_id="")
    everything = await open_gate(context, asked, "search-type")
    async for page in walk(context.reader, build_citing(context, binary.identity), everything):
        for version in page.versions:
            if version.owner == binary.owner:
                yield version


async def read_cited(context: Context, request: Request, cited: set[Identity]) -> Mapping[Identity, Version]:
    """Returns those of some Binaries that the requester sees."""
    if not cited:
        return {}
    part = replace(request, resource_type=BINARY, resource_id="")
    restriction = await open_gate(context, part, "read", identities=cited)
    return await context.reader.read(cited, restriction)


def _find_attachments(context: Context, version: Version) -> Iterator[_Attachment]:
    if version.identity.resource_type != _CITING or version.content is None:
        return
    for place, row in enumerate(parse_json_object(version.content).get("content", ())):
        stated = row.get("attachment", {})
        if stated.keys().isdisjoint({"hash", "size"}):
            continue
        cited = _cited(context, str(stated.get("url", "")))
        if cited or "data" in stated:
            yield _Attachment(f"{_CITING}.content[{place}].attachment", stated, cited)


def cited_by(context: Context, document: JsonObject) -> set[Identity]:
    """Returns the Binaries that a DocumentReference cites."""
    urls = [str(row.get("attachment", {}).get("url", "")) for row in document.get("content", ())]
    return {cited for url in urls if (cited := _cited(context, url))}


def _cited(context: Context, url: str) -> Identity | None:
    kind, _, resource_id = url.removeprefix(f"{context.base_url}/").partition("/")
    return Identity(BINARY, resource_id) if kind == BINARY and is_id(resource_id) else None


async def _compare(context: Context, row: _Attachment, found: Mapping[Identity, Version]) -> list[Issue]:
    if row.cited and row.cited not in found:
        return []
    content = await describe(context, found[row.cited]) if row.cited else _measure(row.stated["data"])
    issues = []
    if content and row.stated.get("size", content.size) != content.size:
        message = f"The size is stated as {row.stated['size']}, the content has {content.size} bytes."
        issues.append(Issue("error", "attachment-size", message, f"{row.expression}.size"))
    if content and "hash" in row.stated and b64decode(row.stated["hash"]) != content.sha1:
        message = f"The hash is not the SHA-1 of the content, which is {b64encode(content.sha1).decode()}."
        issues.append(Issue("error", "attachment-hash", message, f"{row.expression}.hash"))
    return issues


async def describe(context: Context, version: Version) -> Content | None:
    """What is known of a Binary's content; a deleted one has none."""
    if version.content is None:
        return None
    return await describe_content(context, version.content_key, parse_json_object(version.content))


async def describe_content(context: Context, content_key: str, binary: JsonObject) -> Content | None:
    """Returns what is known of the content of a Binary: the one of its key, else the one that is in it."""
    if content_key:
        return await context.store.contents.describe(content_key)
    return _measure(binary.get("data", ""))


def _measure(data: str) -> Content:
    content = b64decode(data)
    return Content("", len(content), sha1(content, usedforsecurity=False).digest())
