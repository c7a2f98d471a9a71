"""Constraints: all that a profile demands beyond R4, read from its snapshot element by element."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fhir_dmp.snapshot.node import Node
from fhir_dmp.spec.registry import BASE
from tests.conformance.mutation.place import Json
from tests.conformance.mutation.slices import telling_steps
from tests.conformance.mutation.trees import Steps, Trees, codes_of, name_of, profiles_of, slices_of, value_of

_MAX_VALUE_SET = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"
_NOTHING = Node("")


@dataclass(frozen=True, slots=True)
class Constraint:
    """One thing that an element, or a slice of it, has to be. `node` is the slice or the element itself.

    `steps` lead to it from the profile, `group` is what its parent is written as; `base` is what R4 says of it.
    `slicers` are the slices around it whose items it is what tells them.
    """

    kind: str
    detail: Json
    steps: Steps
    element: Node
    node: Node
    group: str
    base: Node
    slicers: tuple[Slicer, ...]

    @property
    def name(self) -> str:
        """The id of the element, and what is demanded."""
        label = self.detail if isinstance(self.detail, str) else ""
        return " ".join(part for part in (name_of(self.steps), self.kind, label) if part)

    @property
    def is_slice(self) -> bool:
        """Tells whether it is about a slice as a whole."""
        return self.node is not self.element


@dataclass(frozen=True, slots=True)
class Slicer:
    """The slice whose items a constraint's element tells apart: where it is, and what its element says."""

    steps: Steps
    element: Node
    node: Node

    def is_told_by(self, steps: Steps) -> bool:
        """Tells whether a discriminator leads to an element below, to one above it or to one below it."""
        inner = _names(steps[len(self.steps) :])
        if any(item["path"] == "$this" for item in self.element.row.get("slicing", {}).get("discriminator", ())):
            return True
        if self.element.name.endswith("xtension") and inner == ("url",):
            return True
        inner = inner[:-1] if inner[-1:] == ("url",) else inner
        paths = [_names(path) for path in telling_steps(self.element, self.node)]
        return bool(inner) and any(path[: len(inner)] == inner or inner[: len(path)] == path for path in paths)


def _names(steps: Steps) -> tuple[str, ...]:
    return tuple(name.removesuffix("[x]") for name, _ in steps)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the constraints of profiles."""

    trees: Trees

    def constraints(self, tree: Node, type_name: str) -> Iterator[Constraint]:
        """Yields what a profile demands of the type it constrains, and of each element below."""
        base = self.trees.base.node(type_name) or _NOTHING
        for kind, detail in self._invariants(tree, tree, base):
            yield Constraint(kind, detail, (), tree, tree, type_name, base, ())
        yield from self._below(tree, type_name, (), ())

    def _below(self, node: Node, group: str, steps: Steps, around: tuple[Slicer, ...]) -> Iterator[Constraint]:
        known = self.trees.base.node(group) or _NOTHING
        for child in node.children.values():
            base = known.children.get(child.name, _NOTHING)
            if not self.trees.members(child.name, group):
                continue
            for part in (child, *slices_of(child)):
                here = (*steps, (child.name, part.slice_name))
                yield from self._own(child, part, here, group, base, around)
                own = Slicer(here, child, part)
                inside = (*around, own) if part is not child else around
                for member in self.trees.members(child.name, group)[:1]:
                    codes = codes_of(part)
                    below = codes[0] if child.name.endswith("[x]") and codes else member.group
                    yield from self._below(part, below, here, inside)

    def _own(
        self, child: Node, part: Node, steps: Steps, group: str, base: Node, around: tuple[Slicer, ...]
    ) -> Iterator[Constraint]:
        slicers = self._slicers(child, part, steps, around)
        for read in (*_READERS, self._invariants):
            for kind, detail in read(child, part, base):
                yield Constraint(kind, detail, steps, child, part, group, base, slicers)

    def _slicers(self, child: Node, part: Node, steps: Steps, around: tuple[Slicer, ...]) -> tuple[Slicer, ...]:
        every = (*around, Slicer(steps, child, part)) if part is not child else around
        return tuple(slicer for slicer in every if slicer.is_told_by(steps))

    def _invariants(self, child: Node, part: Node, base: Node) -> Iterator[tuple[str, Json]]:
        codes = codes_of(part)
        root = self.trees.base.node(codes[0]) if len(codes) == 1 else None
        known = {item["key"] for node in (base, root or _NOTHING) for item in node.row.get("constraint", ())}
        del child
        for item in part.row.get("constraint", ()):
            if item["key"] not in known:
                yield "invariant", item["key"]


def _cardinality(child: Node, part: Node, base: Node) -> Iterator[tuple[str, Json]]:
    is_slice = part is not child
    least, most = part.row.get("min", 0), part.row.get("max", "*")
    if least > (0 if is_slice else base.row.get("min", 0)):
        yield "min", least
    limit = child.row.get("max", "*") if is_slice else base.row.get("max", "*")
    if most != "*" and (limit == "*" or int(most) < int(limit)):
        yield "max", int(most)


def _types(child: Node, part: Node, base: Node) -> Iterator[tuple[str, Json]]:
    left = [code for code in codes_of(base) if code not in codes_of(part)]
    if part is child and left and child.name.endswith("[x]") and part.row.get("max") != "0":
        yield "type", left


def _values(child: Node, part: Node, base: Node) -> Iterator[tuple[str, Json]]:
    del child
    told = value_of(part)
    if told and told != value_of(base):
        yield "fixed" if told[0].startswith("fixed") else "pattern", told[1]


def _bindings(child: Node, part: Node, base: Node) -> Iterator[tuple[str, Json]]:
    del child
    for binding in _required(part):
        if binding not in _required(base):
            yield "binding", binding


def _required(node: Node) -> list[str]:
    binding = node.row.get("binding", {})
    found = [binding["valueSet"]] if binding.get("strength") == "required" else []
    for item in binding.get("extension", ()):
        found += [item["valueCanonical"]] if item["url"] == _MAX_VALUE_SET and "valueCanonical" in item else []
    return [canonical.removesuffix("|4.0.1") for canonical in found]


def _slicing(child: Node, part: Node, base: Node) -> Iterator[tuple[str, Json]]:
    del base
    slicing = part.row.get("slicing", {})
    if part is child and child.slices and slicing.get("rules") == "closed":
        yield "closed", None
    if part is child and child.slices and (slicing.get("ordered") or slicing.get("rules") == "openAtEnd"):
        yield "order", None


def _references(child: Node, part: Node, base: Node) -> Iterator[tuple[str, Json]]:
    del child
    targets = _targets(part)
    if targets and set(targets) != set(_targets(base)):
        yield "target", targets
    for item in part.row.get("type", ()):
        if "aggregation" in item:
            yield "aggregation", item["aggregation"]
        if item.get("versioning", "either") != "either":
            yield "versioning", item["versioning"]


def _targets(node: Node) -> list[str]:
    named = (target for item in node.row.get("type", ()) for target in item.get("targetProfile", ()))
    return [target.removesuffix("|4.0.1") for target in named if target != BASE + "Resource"]


def _profiles(child: Node, part: Node, base: Node) -> Iterator[tuple[str, Json]]:
    del child
    if profiles_of(part) and profiles_of(part) != profiles_of(base):
        yield "profile", profiles_of(part)


_READERS = (_cardinality, _types, _values, _bindings, _slicing, _references, _profiles)
