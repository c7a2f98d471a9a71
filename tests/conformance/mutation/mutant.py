"""Mutants: resources that break one constraint of a profile each, and the finding that each has to have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.conformance.mutation.constraint import Constraint, Reader, Slicer
from tests.conformance.mutation.host import Host, require_slices
from tests.conformance.mutation.place import Json, Place, expression_of
from tests.conformance.mutation.sample import Sampler, read_seed
from tests.conformance.mutation.slices import explain_undecided, places_of
from tests.conformance.mutation.trees import Steps, codes_of, slices_of


@dataclass(frozen=True, slots=True)
class Mutant:
    """A resource with one of `codes` at one of `expressions`; `targets` are what its references lead to.

    `definition` is that of the canonical where it is made for this mutant.
    """

    name: str
    resource: Json
    canonicals: tuple[str, ...]
    codes: frozenset[str]
    expressions: frozenset[str]
    text: str = ""
    definition: Json = None
    targets: dict[str, Json] = field(default_factory=dict)


class Unbroken(Exception):
    """A constraint that no mutant breaks; the message is the key of the reason."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """Breaks the constraints of the profile that a host is for."""

    host: Host
    sampler: Sampler

    def sample(self, *wanted: Steps) -> Json:
        """Returns a resource that keeps the profile, and has the elements that are wanted."""
        seed = read_seed(self.host.name) or {"resourceType": self.host.type_name}
        every = [(*self.host.steps, *steps) for steps in wanted or ((),)]
        return self.sampler.complete(seed, self._tree(), [steps for steps in every if steps])

    def constraints(self) -> list[Constraint]:
        """Returns what the profile demands."""
        tree = self._profile_tree(self.host.profile["url"])
        found = list(Reader(self.sampler.trees).constraints(tree, self.host.profile["type"]))
        if self.host.profile["type"] != "Extension":
            return found
        around = self._around()
        told = [replace(item, slicers=(around,)) if item.steps == (("url", ""),) else item for item in found]
        placed = Constraint("context", None, (), tree, tree, "Extension", tree, ())
        return [*told, placed, replace(placed, kind="modifier")]

    def _around(self) -> Slicer:
        """The slice of the host that the extension stands in, which its url tells."""
        node = self._tree()
        for name, _ in self.host.steps:
            element = node = node.children[name]
        return Slicer((), element, element.slices[self.host.steps[-1][1]])

    def located(self, resource: Json, steps: Steps) -> tuple[Place, list[Place]]:
        """Returns the place of the parent of an element, and those of its items."""
        node, group = self._tree(), resource["resourceType"]
        parent: Place = ()
        places: list[Place] = [()]
        trees = self.sampler.trees
        for name, part_name in (*self.host.steps, *steps):
            if not places:
                raise Unbroken("not-built")
            parent = places[0]
            child = trees.children(node, group)[name]
            node = next((part for part in slices_of(child) if part.slice_name == part_name), child)
            places = places_of(trees, resource, parent, child, node)
            keys = [step for step in places[0] if isinstance(step, str)] if places else []
            group = trees.profiles.model.group(group).properties[keys[-1]].group if keys else group
        return parent, places

    def built(self, constraint: Constraint) -> tuple[Json, Place, list[Place]]:
        """Returns a sample that has the element, the place of its parent, and its own."""
        self._refuse_undecided(constraint.steps)
        resource = self.sample(constraint.steps)
        parent, places = self.located(resource, constraint.steps)
        if not places:
            raise Unbroken("not-built")
        return resource, parent, places

    def _refuse_undecided(self, steps: Steps) -> None:
        """Raises Unbroken where what tells a slice is not here."""
        node, trees, group = self._tree(), self.sampler.trees, self.host.type_name
        for name, part_name in (*self.host.steps, *steps):
            child = trees.children(node, group)[name]
            node = next((part for part in slices_of(child) if part.slice_name == part_name), child)
            if node is not child:
                reason = explain_undecided(trees, child, node)
                if reason:
                    raise Unbroken(reason)
            members = trees.members(name, group)
            codes = codes_of(node)
            group = codes[0] if name.endswith("[x]") and codes else members[0].group

    def mutant(
        self, constraint: Constraint, resource: Json, codes: Iterable[str], place: Place, label: str = ""
    ) -> Mutant:
        """Returns the mutant of a constraint that is found at a place, or by its item being in its slice no more."""
        expected = {(code, expression_of(resource, place, self.sampler.trees.profiles.model)) for code in codes}
        left = [slicer for slicer in constraint.slicers if not _is_about(constraint, slicer)]
        for slicer in left:
            expected |= self._left_slice(constraint, slicer, resource)
        optional = [slicer.steps for slicer in left if not slicer.node.row.get("min")]
        made = require_slices(self.host, optional) if optional else None
        name = " ".join(part for part in (self.host.name, constraint.name, label) if part)
        canonical = made["url"] if made else self.host.canonical
        found = frozenset(code for code, _ in expected), frozenset(expression for _, expression in expected)
        return Mutant(name, resource, (canonical,), *found, definition=made)

    def _left_slice(self, constraint: Constraint, slicer: Slicer, resource: Json) -> set[tuple[str, str]]:
        """What is found of an item that is in its slice no more: the slice is required, or there is no other."""
        model = self.sampler.trees.profiles.model
        parent, items = self.located(self.sample(constraint.steps), slicer.steps)
        found = {("profile-cardinality", expression_of(resource, parent, model))}
        if slicer.element.row.get("slicing", {}).get("rules") == "closed" and items:
            found.add(("profile-slice", expression_of(resource, items[0], model)))
        return found

    def _tree(self) -> Any:
        return self._profile_tree(self.host.canonical)

    def _profile_tree(self, canonical: str) -> Any:
        return self.sampler.trees.profiles.tree(canonical)


def _is_about(constraint: Constraint, slicer: Slicer) -> bool:
    """Tells whether a constraint is how often a slice occurs: then its items stay what they are."""
    return slicer.node is constraint.node and constraint.kind in {"min", "max"}
