"""What a resource tells of others: Reference.display is taken away where the requester may not see the target.

The title of a masked document would stand in every list that names it. A target that is absent loses its display as
one that is hidden does. https://hl7.org/fhir/R4/references-definitions.html#Reference.display
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import pairwise

from fhir_dmp.access.inquiry import PUBLIC
from fhir_dmp.access.requester import Kind
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.refusal import find_refusal
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import Json, JsonObject, parse_json_object, write_json
from fhir_dmp.outcome import FhirError
from fhir_dmp.resource import Identity, Version

_BEFORE = b'"reference":"'
_LINK = re.compile(rb'(?:[^"]*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[^"]*)?')
_NEVER_NAMED = frozenset({*PUBLIC.resource_types, "Patient", "Binary"})
"""What everyone sees, the patient himself, and what is never referred to with a display."""
_NEVER_NAMED_LINKS = tuple(f"{name}/".encode() for name in sorted(_NEVER_NAMED))
_NO_KINDS, _NO_TARGETS = frozenset[str](), frozenset[Identity]()


async def redact(context: Context, request: Request, versions: Sequence[Version]) -> Sequence[Version]:
    """Returns versions as the requester may see them."""
    if request.requester.kind is Kind.SYSTEM:
        return versions
    named = {position: found for position, row in enumerate(versions) if (found := _targets(context, row))}
    if not named:
        return versions
    targets = frozenset[Identity]().union(*named.values())
    hidden = targets - await _find_shown(context, request, targets)
    return [
        _without_displays(row, hidden) if named.get(position, frozenset()) & hidden else row
        for position, row in enumerate(versions)
    ]


async def _find_shown(context: Context, request: Request, targets: frozenset[Identity]) -> AbstractSet[Identity]:
    part = replace(request, resource_type=next(iter(targets)).resource_type, resource_id="")
    try:
        restriction = await open_gate(context, part, "read", identities=targets)
    except FhirError as fault:
        if find_refusal(fault) is None:
            raise
        # his token lets him read nothing: what he asked for is shown, without what it tells of the rest
        return frozenset()
    return (await context.reader.read(targets, restriction)).keys()


def _targets(context: Context, version: Version) -> frozenset[Identity]:
    """The resources of records that a version refers to, if it shows any text that may be of theirs."""
    content = version.content or b""
    kinds = _kinds_beside(content)
    kinds = kinds and (kinds & context.capability.types.keys()) - _NEVER_NAMED
    if not kinds or b'display"' not in content:
        return _NO_TARGETS
    shown = [row for row in _references(parse_json_object(content)) if "display" in row or "_display" in row]
    found = {target for row in shown if (target := _target(row))}
    return frozenset(row for row in found if row.resource_type in kinds)


def _kinds_beside(content: bytes) -> frozenset[str]:
    """The types of what is referred to, but for references that stand alone in their objects and what is never named.

    Stored JSON has no white space between tokens. A page of a search is scanned in this way: it has to be quick.
    """
    kinds = set()
    for before, after in pairwise(content.split(_BEFORE)):
        if after.startswith(_NEVER_NAMED_LINKS):
            continue
        link, _, rest = after.partition(b'"')
        stands_alone = before[-1:] == b"{" and rest[:1] == b"}"
        if not stands_alone and (found := _LINK.fullmatch(link)):
            kinds.add(found[1].decode())
    return frozenset(kinds) if kinds else _NO_KINDS


def _target(reference: JsonObject) -> Identity | None:
    found = _LINK.fullmatch(reference["reference"].encode())
    return Identity(found[1].decode(), found[2].decode()) if found else None


def _without_displays(version: Version, hidden: Collection[Identity]) -> Version:
    resource = parse_json_object(version.content or b"{}")
    for reference in _references(resource):
        if _target(reference) in hidden:
            reference.pop("display", None)
            reference.pop("_display", None)
    return version._replace(content=write_json(resource))


def _references(value: Json) -> Iterable[JsonObject]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value
        for item in value.values():
            yield from _references(item)
