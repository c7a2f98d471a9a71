"""Where a resource points: every Reference, uri, url, oid, uuid and narrative link in it, found by type.

https://hl7.org/fhir/R4/references.html and https://hl7.org/fhir/R4/http.html#trules (canonicals are never rewritten).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.spec.registry import Registry
from fhir_dmp.spec.structure import Property


Path: TypeAlias = "str | tuple[Path, str | int]"
"""The way to an element: the root's type, and from there one step after another."""
_POINTING = frozenset({"uri", "url", "oid", "uuid", "xhtml", "string"})
"""Types that may point; of strings, only Reference.reference does."""
_CONDITIONAL = re.compile(r"[A-Z][A-Za-z]+\?.+")
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


def rewrite(slot: Slot, targets: Mapping[str, str]) -> None:
    """Writes into a slot what its original leads to; a slot that leads nowhere known gets its original back."""
    if slot.is_narrative:
        slot.holder[slot.key] = _LINK.sub(lambda link: _rewrite_link(link, targets), slot.original)
        return
    target, fragment = slot.original, ""
    if target not in targets and "#" in target[1:]:
        target, _, fragment = target.partition("#")
    if target in targets:
        slot.holder[slot.key] = targets[target] + (f"#{fragment}" if fragment else "")
    else:
        slot.holder[slot.key] = slot.original


def _rewrite_link(link: re.Match[str], targets: Mapping[str, str]) -> str:
    quoted = link[2]
    return f"{link[1]}{quoted[0]}{targets.get(quoted[1:-1], quoted[1:-1])}{quoted[0]}"


class _Search:
    """The walk through a resource, by the types that the definitions give to its properties.

    It runs on every write: paths are chains of steps, written out only when somebody asks.
    """

    def __init__(self, registry: Registry) -> None:
        self.groups = registry.group
        self.found: list[Slot] = []

    def in_group(self, node: JsonObject, group: str, path: Path) -> None:
        properties = self.groups(group).properties
        for key, value in node.items():
            known = properties.get(key)
            kind = type(value)
            if known is None:
                if kind is dict or kind is list:
                    self._in_companion(value, (path, key[1:]))
            elif kind is dict:
                self._in_object(value, known, (path, known.element.name))
            elif kind is list:
                self._in_list(value, known, (path, known.element.name))
            elif kind is str and known.type.code in _POINTING:
                self._add(node, key, known, path)

    def _in_companion(self, value: Json, path: Path) -> None:
        """The `_birthDate` beside a primitive: an Element, whose extensions may point somewhere."""
        for item in value if type(value) is list else [value]:
            if item:
                self.in_group(item, "Element", path)

    def _in_object(self, value: JsonObject, known: Property, path: Path) -> None:
        self.in_group(value, value["resourceType"] if known.group == "Resource" else known.group, path)

    def _in_list(self, items: list[Json], known: Property, path: Path) -> None:
        for index, item in enumerate(items):
            if type(item) is dict:
                self._in_object(item, known, (path, index))
            elif type(item) is str and known.type.code in _POINTING:
                self._add(items, index, known, path)

    def _add(self, holder: Json, key: str | int, known: Property, path: Path) -> None:
        is_reference = known.element.path == "Reference.reference"
        if is_reference or known.type.code != "string":
            step = known.element.name if isinstance(key, str) else key
            original = holder[key]
            self.found.append(Slot(holder, key, original, is_reference, known.type.code == "xhtml", (path, step)))


def _write_path(path: Path) -> str:
    if isinstance(path, str):
        return path
    before, step = path
    return f"{_write_path(before)}[{step}]" if isinstance(step, int) else f"{_write_path(before)}.{step}"
