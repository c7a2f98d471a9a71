"""Where a resource points: every Reference, uri, url, oid, uuid and narrative link in it, found by type.

https://hl7.org/fhir/R4/references.html and https://hl7.org/fhir/R4/http.html#trules (canonicals are never rewritten).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from fhir_dmp.json_text import Json, JsonObject, write_json
from fhir_dmp.spec.registry import Registry
from fhir_dmp.spec.structure import Group

Path: TypeAlias = "str | tuple[Path, str | int]"
"""The way to an element: the root's type, and from there one step after another."""
_POINTING = frozenset({"uri", "url", "oid", "uuid", "xhtml"})
"""Types that may point; of strings, only Reference.reference does."""
_CONDITIONAL = re.compile(r"[A-Z][A-Za-z]+\?.+")
_CONDITIONAL_TEXT = re.compile(rb'"[A-Z][A-Za-z]+\?')
"""How one begins in the JSON of a resource; a narrative may have the same in it."""
_LINK = re.compile(r"""((?:href|src)\s*=\s*)("[^"]*"|'[^']*')""")


class Slot(NamedTuple):
    """A string that points somewhere: `holder[key]`, as it came in."""

    holder: Json
    key: str | int
    original: str
    is_reference: bool
    is_narrative: bool
    path: Path

    @property
    def expression(self) -> str:
        """The FHIRPath of the string."""
        return _write_path(self.path)


def find_slots(resource: JsonObject, registry: Registry) -> list[Slot]:
    """Finds every pointer of a structurally valid resource, those of contained resources too."""
    search = _Search(registry)
    search.in_group(resource, resource["resourceType"], resource["resourceType"])
    return search.found


def is_conditional(slot: Slot) -> bool:
    """Tells whether a slot is a conditional reference: `Patient?identifier=…`."""
    return slot.is_reference and _CONDITIONAL.fullmatch(slot.original) is not None


def may_be_conditional(resource: JsonObject) -> bool:
    """Tells whether there may be a conditional reference in a resource: far sooner than its pointers are found."""
    return _CONDITIONAL_TEXT.search(write_json(resource)) is not None


def rewrite(slot: Slot, targets: Mapping[str, str]) -> None:
    """Writes into a slot what its original leads to; a slot that leads nowhere known gets its original back."""
    text = slot.original
    if slot.is_narrative:
        has_links = "href" in text or "src" in text
        slot.holder[slot.key] = _LINK.sub(lambda link: _rewrite_link(link, targets), text) if has_links else text
        return
    target, fragment = targets.get(text), ""
    if target is None and "#" in text[1:]:
        url, _, fragment = text.partition("#")
        target = targets.get(url)
    slot.holder[slot.key] = text if target is None else target + (f"#{fragment}" if fragment else "")


def _rewrite_link(link: re.Match[str], targets: Mapping[str, str]) -> str:
    quoted = link[2]
    return f"{link[1]}{quoted[0]}{targets.get(quoted[1:-1], quoted[1:-1])}{quoted[0]}"


class _Way(NamedTuple):
    """What a JSON property leads to: the element's name, what its object is made of, and whether its string points.

    `group` is empty where a resource says itself what it is.
    """

    step: str
    group: str
    points: bool
    is_reference: bool
    is_narrative: bool


_Ways = Mapping[str, _Way]
"""The properties of a group that lead to pointers, by JSON key: those that cannot are not looked at."""


class _Search:
    """The walk through a resource, by the types that the definitions give to its properties.

    It runs on every write: paths are chains of steps, written out only when somebody asks.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known = _known_ways(registry)
        self.found: list[Slot] = []

    def in_group(self, node: JsonObject, group: str, path: Path) -> None:
        ways = self._known.get(group)
        if ways is None:
            ways = self._known[group] = _find_ways(self._registry.group(group))
        for key, value in node.items():
            way = ways.get(key)
            if way is not None:
                self._follow(node, key, value, way, path)
            elif key[:1] == "_":
                self._in_companion(value, (path, key[1:]))

    def _follow(self, holder: Json, key: str | int, value: Json, way: _Way, path: Path) -> None:
        kind = type(value)
        if kind is dict:
            self.in_group(value, way.group or value["resourceType"], (path, key if type(key) is int else way.step))
        elif kind is list:
            for index, item in enumerate(value):
                self._follow(value, index, item, way, (path, way.step))
        elif way.points and kind is str:
            step = key if type(key) is int else way.step
            self.found.append(Slot(holder, key, value, way.is_reference, way.is_narrative, (path, step)))

    def _in_companion(self, value: Json, path: Path) -> None:
        """The `_birthDate` beside a primitive: an Element, whose extensions may point somewhere."""
        for item in value if type(value) is list else [value]:
            if item:
                self.in_group(item, "Element", path)


@lru_cache(maxsize=8)
def _known_ways(_registry: Registry) -> dict[str, _Ways]:
    """The ways found so far by the definitions of one registry."""
    return {}


def _find_ways(group: Group) -> _Ways:
    found = {}
    for key, known in group.properties.items():
        kind = known.type.code
        is_reference = known.element.path == "Reference.reference"
        points = is_reference or kind in _POINTING
        if points or not kind[0].islower():
            inside = "" if known.group == "Resource" else known.group
            found[key] = _Way(known.element.name, inside, points, is_reference, kind == "xhtml")
    return found


def _write_path(path: Path) -> str:
    if isinstance(path, str):
        return path
    before, step = path
    return f"{_write_path(before)}[{step}]" if isinstance(step, int) else f"{_write_path(before)}.{step}"
