"""Generates snapshots: https://hl7.org/fhir/R4/profiling.html#snapshot.

A snapshot is the base's snapshot with the differential merged into it (fhir_dmp.snapshot.merge); a base without one
gets its own first. Definitions come from a look-up, so nothing here knows where they are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.snapshot.content import BASE
from fhir_dmp.snapshot.limit import MAX_ANCESTORS, MAX_WAITING
from fhir_dmp.snapshot.merge import merge
from fhir_dmp.snapshot.node import Node
from fhir_dmp.snapshot.place import Place, Scope
from fhir_dmp.snapshot.refine import refine
from fhir_dmp.snapshot.shape import check_definition
from fhir_dmp.snapshot.tree import build_rows, parse_tree

Lookup = Callable[[str], JsonObject | None]
"""From a canonical, with |version or without, to its StructureDefinition."""

_UNTYPED = {"min": 0, "max": "*", "base": {"path": "Base", "min": 0, "max": "*"}, "isModifier": False}
"""`Base`, root of the logical models: it came after R4, whose packages nevertheless build on it."""


def generate_snapshot(definition: JsonObject, lookup: Lookup) -> JsonObject:
    """Returns a StructureDefinition with the snapshot of its differential; whatever snapshot it has is not read.

    Raises FhirError (unprocessable) for an unknown or circular base and for a differential that its base does not
    permit, with one issue for each place; (too costly) beyond the limits. Parts of the answer are shared with the
    definitions: treat both as read-only.
    """
    return Snapshots(lookup).generate(definition)


class Snapshots:
    """Generates snapshots that share what they have in common. Definitions must not change while it is in use."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._trees: dict[str, Node] = {}
        self._rows: dict[str, JsonObject | None] = {}
        self._waiting: list[str] = []

    def generate(self, definition: JsonObject) -> JsonObject:
        """Returns the definition with its snapshot, as generate_snapshot does."""
        check_definition(definition)
        if "differential" not in definition and not _lacks_snapshot(definition):
            return definition
        return definition | {"snapshot": {"element": build_rows(self._build(definition))}}

    def tree(self, canonical: str) -> Node | None:
        """Returns the snapshot of a definition, generated where it has none; None where it is unknown."""
        if canonical not in self._trees:
            definition = self._find(canonical)
            if definition is None:
                return None
            self._trees[canonical] = self._build(definition) if _lacks_snapshot(definition) else _read(definition)
        return self._trees[canonical]

    def row(self, canonical: str) -> JsonObject | None:
        """Returns the root row of a definition's snapshot; None where it is unknown."""
        if canonical not in self._rows:
            definition = self._find(canonical)
            self._rows[canonical] = None if definition is None else self._root_row(definition)
        return self._rows[canonical]

    def base(self, canonical: str) -> str | None:
        """Returns the canonical of a definition's base without version, empty where it has none; None if unknown."""
        definition = self._find(canonical)
        return None if definition is None else str(definition.get("baseDefinition", "")).partition("|")[0]

    def _find(self, canonical: str) -> JsonObject | None:
        definition = self._lookup(canonical)
        if definition is not None:
            check_definition(definition)
        return definition

    def _build(self, definition: JsonObject) -> Node:
        """The tree of a definition, whatever snapshot it has, from that of its nearest ancestor with one."""
        name = _name(definition)
        if name in self._waiting or len(self._waiting) == MAX_WAITING:
            chain = " > ".join([*self._waiting, name])
            raise _refuse("snapshot-circular", f"Each of these definitions needs the next for its snapshot: {chain}.")
        self._waiting.append(name)
        try:
            return self._merge_down(self._ancestors(definition))
        finally:
            self._waiting.pop()

    def _merge_down(self, ancestors: list[JsonObject]) -> Node:
        tree = self._base_tree(ancestors[-1])
        for position in reversed(range(len(ancestors))):
            tree = self._merge(tree, ancestors[position])
            if position:
                self._trees[ancestors[position - 1]["baseDefinition"]] = tree
        return tree

    def _ancestors(self, definition: JsonObject) -> list[JsonObject]:
        """The definition, its base where that has no snapshot yet, and so on."""
        found = [definition]
        names = [_name(definition)]
        while (base := self._unmade_base(found[-1])) is not None:
            found.append(base)
            names.append(_name(base))
            if names[-1] in names[:-1] or len(found) > MAX_ANCESTORS:
                chain = " > ".join(names[-4:])
                message = f"The chain of bases is circular, or longer than {MAX_ANCESTORS}: {chain}."
                raise _refuse("snapshot-base-circular", message, "baseDefinition")
        return found

    def _unmade_base(self, definition: JsonObject) -> JsonObject | None:
        canonical = definition.get("baseDefinition", "")
        base = None if canonical in self._trees else self._find(canonical)
        return base if base is not None and _lacks_snapshot(base) else None

    def _base_tree(self, definition: JsonObject) -> Node:
        canonical = definition.get("baseDefinition")
        tree = self.tree(canonical) if canonical else None
        if tree is not None:
            return tree
        is_logical_root = canonical is None or canonical.partition("|")[0] == BASE + "Base"
        if is_logical_root and _specializes(definition):
            return Node("Base", row=_UNTYPED)
        message = f"{definition.get('url')}: the base {canonical} is unknown."
        raise _refuse("snapshot-base-unknown", message, "baseDefinition")

    def _merge(self, base: Node, definition: JsonObject) -> Node:
        rows = definition.get("differential", {}).get("element", [])
        if not rows:
            return base
        change = parse_tree(rows, "differential")
        scope = Scope(definition.get("url", ""), _specializes(definition), base)
        place = Place(scope, "", change.name, index=change.index)
        if scope.specializes:
            base = replace(base, name=change.name)
        elif base.name != change.name:
            place.refuse("snapshot-path", f"the base begins with {base.name}.")
        merged = merge(base, change, place, self)
        if scope.findings:
            raise FhirError(Category.UNPROCESSABLE, *scope.findings)
        return merged

    def _root_row(self, definition: JsonObject) -> JsonObject:
        """The root row without the rest: a profile may name, on a type, a profile that leads back to it."""
        if not _lacks_snapshot(definition):
            return _read(definition).row
        ancestors = self._ancestors(definition)
        base = self._base_tree(ancestors[-1])
        row = base.row
        for ancestor in reversed(ancestors):
            rows = ancestor.get("differential", {}).get("element")
            change = parse_tree(rows[:1], "differential") if rows else base
            place = Place(Scope(ancestor.get("url", ""), specializes=False, base=base), "", change.name)
            row = refine(row, change.row if rows else {}, place)
        return row


def _lacks_snapshot(definition: JsonObject) -> bool:
    return not definition.get("snapshot", {}).get("element")


def _name(definition: JsonObject) -> str:
    return f"{definition.get('url', '')}|{definition.get('version', '')}"


def _specializes(definition: JsonObject) -> bool:
    return definition.get("derivation") != "constraint"


def _read(definition: JsonObject) -> Node:
    return parse_tree(definition["snapshot"]["element"], "snapshot")


def _refuse(code: str, message: str, element: str = "") -> FhirError:
    where = f"StructureDefinition.{element}" if element else "StructureDefinition"
    return error(Category.UNPROCESSABLE, code, message, where)
