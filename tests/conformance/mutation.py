"""Mutants: from a right resource and the snapshot of its profile, resources that break exactly one constraint each.

What a slice holds is found by its fixed values, patterns and extension urls, read from the snapshot by itself: nothing
here is shared with the rules that the mutants test.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fhir_dmp.snapshot.node import Node

Path = tuple[str | int, ...]
Json = Any


@dataclass(frozen=True, slots=True)
class Mutant:
    """A resource that breaks one constraint, and the finding it has to have: one of some codes, at an expression."""

    name: str
    resource: Json
    codes: frozenset[str]
    expression: str


@dataclass(frozen=True, slots=True)
class Mutation:
    """Derives mutants from a resource; `tree` gives the snapshot of a definition by canonical."""

    resource: Json
    tree: Callable[[str], Node | None]

    def mutants(self, profile: Node) -> Iterator[Mutant]:
        """Yields a mutant for each cardinality, fixed value, pattern, required binding and type that can be broken."""
        yield from self._object(profile, (), profile.name)

    def _object(self, node: Node, path: Path, label: str, apart: frozenset[str] = frozenset()) -> Iterator[Mutant]:
        """`apart` are the elements that put an item into its slice: without them it is only in another."""
        children = node.children or self._children_of_profile(node)
        for child in children.values():
            if child.name in apart:
                continue
            places = list(self._places(child, path))
            slicing = child.row.get("slicing", {}).get("discriminator", ())
            tells = frozenset(item["path"] for item in slicing)
            yield from self._element(child, places, path, f"{label}.{child.name}")
            for part in child.slices.values():
                inside = [place for place in places if holds(part, at(self.resource, place))]
                if inside:
                    yield from self._element(part, inside, path, f"{label}.{child.name}:{part.slice_name}", tells)

    def _element(
        self, node: Node, places: list[Path], parent: Path, label: str, apart: frozenset[str] = frozenset()
    ) -> Iterator[Mutant]:
        if not places:
            return
        if node.row.get("min"):
            yield self._mutant(f"{label} min", places, remove, "cardinality", parent)
        limit = node.row.get("max", "*")
        if limit not in {"*", "0"} and isinstance(places[0][-1], int):
            yield self._mutant(f"{label} max", places[:1], repeat(int(limit) + 1), "cardinality", parent)
        if "$this" not in apart:
            yield from self._value(node, places[0], label)
        yield from self._object(node, places[0], label, apart)

    def _value(self, node: Node, place: Path, label: str) -> Iterator[Mutant]:
        told = [key for key in node.row if key.startswith(("fixed", "pattern"))]
        if told and not isinstance(node.row[told[0]], dict):
            code = "fixed" if told[0].startswith("fixed") else "pattern"
            yield self._mutant(f"{label} {code}", [place], replace("urn:oid:2.999"), code, place)
        binding = node.row.get("binding", {})
        if binding.get("strength") == "required" and not told:
            yield self._mutant(f"{label} binding", [place], uncode, "binding", place)
        if node.name.endswith("[x]") and len(node.row.get("type", ())) == 1:
            yield self._mutant(f"{label} type", [place], retype, "type", place)

    def _mutant(
        self, name: str, places: list[Path], change: Callable[[Json, Path], None], code: str, at_: Path
    ) -> Mutant:
        resource = copy.deepcopy(self.resource)
        for place in reversed(places):
            change(resource, place)
        return Mutant(name, resource, _CODES[code], expression_of(self.resource, at_))

    def _places(self, child: Node, path: Path) -> Iterator[Path]:
        parent = at(self.resource, path)
        keys = parent if isinstance(parent, dict) else ()
        for key in keys:
            if key == child.name or (child.name.endswith("[x]") and is_choice(key, child.name[:-3])):
                value = parent[key]
                yield from ((*path, key, i) for i in range(len(value))) if isinstance(value, list) else [(*path, key)]

    def _children_of_profile(self, node: Node) -> dict[str, Node]:
        canonicals = [canonical for item in node.row.get("type", ()) for canonical in item.get("profile", ())]
        tree = self.tree(canonicals[0]) if len(canonicals) == 1 else None
        return tree.children if tree else {}


_CODES = {
    "cardinality": frozenset({"profile-cardinality", "structure-required", "extension-content"}),
    "fixed": frozenset({"profile-fixed"}),
    "pattern": frozenset({"profile-pattern"}),
    "binding": frozenset({"binding"}),
    "type": frozenset({"profile-type"}),
}


def is_choice(key: str, name: str) -> bool:
    return key.startswith(name) and key[len(name) :][:1].isupper()


def at(resource: Json, path: Path) -> Json:
    for step in path:
        resource = resource[step]
    return resource


def holds(part: Node, value: Json) -> bool:
    """Tells whether a value has all that a slice fixes, or is the extension of its profile."""
    row = part.row
    told = [item for key, item in row.items() if key.startswith(("fixed", "pattern"))]
    if told:
        return contains(value, told[0])
    canonicals = [item for ref in row.get("type", ()) for item in ref.get("profile", ())]
    if part.name == "extension" and canonicals:
        return bool(value["url"] == canonicals[0].partition("|")[0])
    below = [(name, child) for name, child in part.children.items() if says(child)]
    return bool(below) and all(name in value and holds(child, value[name]) for name, child in below)


def says(node: Node) -> bool:
    return any(key.startswith(("fixed", "pattern")) for key in node.row)


def contains(value: Json, wanted: Json) -> bool:
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            key in value and contains(value[key], item) for key, item in wanted.items()
        )
    if isinstance(wanted, list):
        return all(any(contains(item, one) for item in value) for one in wanted)
    return bool(value == wanted)


def remove(resource: Json, place: Path) -> None:
    parent = at(resource, place[:-1])
    del parent[place[-1]]
    if parent == []:
        remove(resource, place[:-1])


def repeat(number: int) -> Callable[[Json, Path], None]:
    def change(resource: Json, place: Path) -> None:
        parent = at(resource, place[:-1])
        parent += [copy.deepcopy(parent[place[-1]]) for _ in range(number)]

    return change


def replace(value: Json) -> Callable[[Json, Path], None]:
    def change(resource: Json, place: Path) -> None:
        at(resource, place[:-1])[place[-1]] = value

    return change


def uncode(resource: Json, place: Path) -> None:
    """Puts a code there that is in no value set."""
    value = at(resource, place)
    if isinstance(value, str):
        replace("no-such-code")(resource, place)
    else:
        for coding in value.get("coding", [value]):
            coding.update(system="http://example.org/no-such-system", code="no-such-code")


def retype(resource: Json, place: Path) -> None:
    """Writes a choice as another type."""
    parent, key = at(resource, place[:-1]), str(place[-1])
    del parent[key]
    name = next(name for name in ("value", "deceased", "multipleBirth") if key.startswith(name))
    parent.update({f"{name}String": "x"} if key == f"{name}Boolean" else {f"{name}Boolean": True})


def expression_of(resource: Json, path: Path) -> str:
    steps = [resource["resourceType"]]
    for step in path:
        name = "value" if isinstance(step, str) and is_choice(step, "value") else step
        steps.append(f"[{name}]" if isinstance(step, int) else f".{name}")
    return "".join(steps)
