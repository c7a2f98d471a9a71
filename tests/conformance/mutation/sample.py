"""Samples: the smallest resources that keep a profile and have a certain element, built from its snapshot."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path

from fhir_dmp.outcome import FhirError
from fhir_dmp.snapshot.node import Node
from fhir_dmp.spec.registry import BASE
from fhir_dmp.spec.structure import Property
from fhir_dmp.terminology.expansion import ExpansionParameters
from tests.conformance.mutation.place import Json, Place, at, replace
from tests.conformance.mutation.slices import places_of, telling_steps, url_of
from tests.conformance.mutation.trees import Steps, Trees, codes_of, slices_of, value_of

FOLDER = Path(__file__).parent
_NEVER_FIRST = {"id", "extension", "modifierExtension", "contained", "text", "meta", "implicitRules", "language"}
_NOWHERE = {"system": "http://example.org/codes", "code": "x"}
_BOUND = {"required", "extensible"}


@cache
def read_table(name: str) -> Json:
    """Returns a data file of this folder."""
    return _read(FOLDER / f"{name}.json")


@cache
def read_seed(profile: str) -> Json:
    """Returns the resource that samples of a profile start from, None where they start from nothing."""
    file, *keys = read_table("seeds").get(profile, (None,))
    return reduce(lambda value, key: value[key], keys, _read(FOLDER.parents[1] / file)) if file else None


def _read(file: Path) -> Json:
    return json.loads(file.read_text(encoding="utf-8"))


@dataclass(slots=True)
class Sampler:
    """Completes resources. `contained` collects the targets of references that have to be contained."""

    trees: Trees

    def complete(self, resource: Json, tree: Node, wanted: Iterable[Steps]) -> Json:
        """Returns a copy of a resource that has all that its profile requires, and the elements that are wanted."""
        made = copy.deepcopy(resource)
        self._fill(made, tree, made["resourceType"], list(wanted), made)
        return made

    def make(self, prop: Property, base: Node) -> Json:
        """Returns a value of a JSON property of which no profile says anything, and R4 what is in `base`."""
        types = [item for item in base.row.get("type", ()) if item["code"] == prop.type.code]
        return self._make(Node(prop.element.name, row=base.row | {"type": types}), prop, [], {})

    def _fill(self, value: Json, node: Node, group: str, wanted: Sequence[Steps], root: Json) -> None:
        usual = read_table("values")["asked by invariants"].get(group, ())
        for child in self.trees.children(node, group).values():
            asked = [steps for steps in wanted if steps[0][0] == child.name]
            if child.name == "contained" or not self.trees.members(child.name, group):
                continue
            for part in slices_of(child):
                inner = [steps[1:] for steps in asked if steps[0][1] == part.slice_name]
                if inner or part.row.get("min"):
                    self._put(value, child, part, group, inner, root)
            plain = [steps[1:] for steps in asked if not steps[0][1]]
            if plain or child.row.get("min") or (child.name in usual and child.row.get("max") != "0"):
                self._put(value, child, _only_type(child), group, plain, root)

    def _put(self, value: Json, child: Node, part: Node, group: str, inner: list[Steps], root: Json) -> None:
        """Adds items until there are as many as a slice, or the element, requires; completes the first."""
        least = max(1, part.row.get("min", 0))
        telling = telling_steps(child, part) if part is not child else []
        places = places_of(self.trees, value, (), child, part)
        for _ in range(least - len(places)):
            prop = self._choose(child, part, group)
            _add(value, prop, self._make(part, prop, telling, root))
        places = places_of(self.trees, value, (), child, part)
        self._correct(value, places, part)
        if places and inner:
            self._deepen(value, places[0], part, group, [steps for steps in inner if steps], root)

    def _correct(self, value: Json, places: list[Place], part: Node) -> None:
        """Writes what is fixed over the strings that a value set suggested before."""
        told = value_of(part)
        for place in places if told and not isinstance(told[1], dict) else ():
            replace(value, place, told[1] if told else None)

    def _deepen(self, value: Json, place: Place, part: Node, group: str, inner: list[Steps], root: Json) -> None:
        item = at(value, place)
        prop = self.trees.profiles.model.group(group).properties[str(place[0])]
        if isinstance(item, dict):
            self._fill(item, part, prop.group, inner, root)

    def _choose(self, child: Node, part: Node, group: str) -> Property:
        members = self.trees.members(child.name, group)
        codes = codes_of(part)
        return min(members, key=lambda item: codes.index(item.type.code) if item.type.code in codes else len(codes))

    def _make(self, node: Node, prop: Property, telling: list[Steps], root: Json) -> Json:
        told = value_of(node)
        if told and (told[0].startswith("fixed") or not isinstance(told[1], dict)):
            return copy.deepcopy(told[1])
        if prop.group in self.trees.profiles.model.primitive_types:
            return self._code(node) or _primitive(prop)
        value: Json = copy.deepcopy(told[1]) if told else self._coded(node, prop.group)
        if prop.group == "Extension":
            value["url"] = url_of(node)
        value |= {name: told[1] for name in value for told in [self._told(node, name)] if told}
        if prop.group == "Reference" and not value.keys() & {"identifier", "display"}:
            value["reference"] = self._target(node, root)
        self._fill(value, node, prop.group, telling, root)
        self._fill_first(value, node, prop, root)
        return value

    def _told(self, node: Node, name: str) -> tuple[str, Json] | None:
        return value_of(node.children[name]) if name in node.children else None

    def _fill_first(self, value: Json, node: Node, prop: Property, root: Json) -> None:
        """Gives an object that says nothing yet what its type has first."""
        if value.keys() - {"url"}:
            return
        children = self.trees.children(node, prop.group)
        usual = read_table("values")["children"].get(prop.group)
        for name in usual or [name for name in children if name not in _NEVER_FIRST]:
            child = children[name]
            parts = [part.slice_name for part in child.slices.values()] if name == "extension" else [""]
            if child.row.get("max") != "0" and parts:
                self._fill(value, node, prop.group, [((name, parts[0]),)], root)
                return

    def _coded(self, node: Node, group: str) -> Json:
        code = self._coding(node)
        if code is None:
            return {}
        shapes = {"Coding": code, "CodeableConcept": {"coding": [code]}, "Quantity": {"value": 1, **code}}
        return shapes.get(group, {})

    def _code(self, node: Node) -> str:
        coding = self._coding(node)
        return str(coding["code"]) if coding else ""

    def _coding(self, node: Node) -> Json:
        binding = node.row.get("binding", {})
        return dict(self._first(binding["valueSet"])) if binding.get("strength") in _BOUND else None

    def _first(self, value_set: str) -> Json:
        """A code of a value set: that of the table, else the first, else one of a system that is nowhere."""
        known = read_table("values")["codes"].get(value_set.partition("|")[0])
        if known:
            return known
        parameters = ExpansionParameters(count=1, unclosed=True)
        expand = self.trees.profiles.terminology.expand
        try:
            found = expand(value_set, timestamp="2026-01-01T00:00:00Z", parameters=parameters)
        except FhirError:
            return _NOWHERE
        rows = found["expansion"].get("contains", [])
        return {key: rows[0][key] for key in ("system", "code") if key in rows[0]} if rows else _NOWHERE

    def _target(self, node: Node, root: Json) -> str:
        refs = [item for item in node.row.get("type", ()) if item["code"] == "Reference"]
        targets = [canonical for item in refs for canonical in item.get("targetProfile", ())]
        targets = [canonical for canonical in targets if canonical != BASE + "Resource"] or [BASE + "Patient"]
        name = self.trees.profiles.type_of(targets[0]) or read_table("values")["types"][targets[0]]
        if not any("contained" in item.get("aggregation", ()) for item in refs):
            return f"{name}/1"
        contained = root.setdefault("contained", [])
        if not any(item["id"] == name.lower() for item in contained):
            target: Json = {"resourceType": name, "id": name.lower()}
            contained.append(target)
            tree = self.trees.profiles.tree(targets[0]) or Node(name)
            self._fill(target, tree, name, [], target)
        return f"#{name.lower()}"


def _only_type(child: Node) -> Node:
    """The slice of a choice element that is sliced by type, else the element."""
    is_choice = child.name.endswith("[x]") and len(child.slices) == 1
    return next(iter(child.slices.values())) if is_choice else child


def _add(value: Json, prop: Property, item: Json) -> None:
    if prop.element.repeats:
        value.setdefault(prop.key, []).append(item)
    else:
        value[prop.key] = item


def _primitive(prop: Property) -> Json:
    table = read_table("values")["primitives"]
    return table.get(prop.element.path, table.get(prop.group, "text"))
