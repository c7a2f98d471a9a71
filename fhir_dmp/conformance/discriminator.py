"""From discriminators to conditions: https://hl7.org/fhir/R4/profiling.html#discriminator.

A discriminator names an element by a restricted FHIRPath; what the slice says of that element, in the profile or in
the definitions it refers to, is what tells the slice. The path finds the element's values in the resource.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fhir_dmp.conformance.binding import build_bindings
from fhir_dmp.conformance.condition import (
    AnyTest,
    BindingTest,
    ExistsCondition,
    ObjectTest,
    PathCondition,
    ProfileTest,
    Test,
    TypeTest,
    UndecidedCondition,
    ValueTest,
)  # fmt: skip
from fhir_dmp.conformance.known import Known
from fhir_dmp.conformance.row import Discriminator, parse_row
from fhir_dmp.conformance.slicing import Condition
from fhir_dmp.snapshot.node import Node
from fhir_dmp.spec.registry import BASE

_STEP = re.compile(
    r"(?P<extension>(?:modifierE|e)xtension)\('(?P<url>[^']*)'\)|(?P<resolve>resolve\(\))"
    r"|(?:ofType|as)\((?P<type>\w+)\)|(?P<this>\$this)|(?P<name>\w+)(?:\[x\])?"
)
_PLAIN_TESTS = (ValueTest, ObjectTest)
"""What they ask of a value needs no type."""
_RESOLVE = re.compile(r"\.?resolve\(\)$")


@dataclass(frozen=True, slots=True)
class ConditionBuilder:
    """Builds the conditions of slices."""

    known: Known

    def build(self, discriminator: Discriminator, part: Node) -> Condition | None:
        """Returns the condition that a discriminator makes for a slice, None where the slice says nothing of it."""
        path = discriminator.path.replace("[x]", "")
        if path == "url" and part.name in {"extension", "modifierExtension"}:
            return self._url(part)
        if discriminator.type == "exists":
            return self._exists(path, part)
        if discriminator.type in {"type", "profile"} and _RESOLVE.search(path):
            return self._target(discriminator, path, part)
        found = list(self.locate(part, path))
        tests = [test for node in found if (test := self._test(discriminator, node)) is not None]
        if tests:
            names = tuple(path.split("."))
            is_plain = all(map(str.isidentifier, names)) and all(isinstance(row, _PLAIN_TESTS) for row in tests)
            return PathCondition(path, _any(tests), self.known.model, names if is_plain else ())
        return UndecidedCondition(path) if self._is_cut_off(part) else None

    def _is_cut_off(self, part: Node) -> bool:
        """Tells whether what the slice says is in a profile that is not here."""
        profiles = [canonical for item in parse_row(part).types for canonical in item.ref.profiles]
        return any(self.known.tree(canonical) is None for canonical in profiles)

    def _url(self, part: Node) -> Condition | None:
        """The url of an extension: told in the slice, or the canonical of its definition, which may not be here."""
        inner = part.children.get("url")
        fixed = parse_row(inner).fixed if inner else None
        canonicals = [canonical for item in parse_row(part).types for canonical in item.ref.profiles]
        url = fixed.value if fixed else canonicals[0].partition("|")[0] if canonicals else None
        return PathCondition("url", ValueTest(url, exact=True), self.known.model, ("url",)) if url else None

    def locate(self, node: Node, path: str) -> Iterator[Node]:
        """Yields the elements that a path leads to from an element, slices included."""
        nodes = [node]
        for match in _STEP.finditer(path):
            nodes = [found for start in nodes for found in self._step(start, match)]
        yield from nodes

    def _step(self, node: Node, match: re.Match[str]) -> Iterator[Node]:
        if match["this"]:
            yield node
        elif match["extension"]:
            yield from self._extensions(node, match["extension"], match["url"])
        elif match["resolve"]:
            targets = (item.ref.target_profiles for item in parse_row(node).types)
            yield from self._trees(canonical for profiles in targets for canonical in profiles)
        elif match["type"]:
            yield from self._of_type(node, match["type"])
        else:
            yield from self._children(node, match["name"])

    def _children(self, node: Node, name: str) -> Iterator[Node]:
        child = node.children.get(name) or node.children.get(f"{name}[x]")
        if child is not None:
            yield child
            yield from child.slices.values()
            return
        profiles = [canonical for item in parse_row(node).types for canonical in item.ref.profiles]
        bases = [BASE + item.ref.code for item in parse_row(node).types]
        for tree in self._trees(profiles or bases):
            if name in tree.children or f"{name}[x]" in tree.children:
                yield from self._children(tree, name)

    def _extensions(self, node: Node, name: str, url: str) -> Iterator[Node]:
        child = node.children.get(name)
        for part in child.slices.values() if child else ():
            canonicals = [item for ref in parse_row(part).types for item in ref.ref.profiles]
            inner = part.children.get("url")
            fixed = parse_row(inner).fixed if inner else None
            if any(item.partition("|")[0] == url for item in canonicals) or (fixed and fixed.value == url):
                yield part
        yield from self._trees([url])

    def _of_type(self, node: Node, type_name: str) -> Iterator[Node]:
        if type_name in parse_row(node).codes:
            yield node
        yield from (part for part in node.slices.values() if type_name in parse_row(part).codes)

    def _trees(self, canonicals: Iterator[str] | list[str]) -> Iterator[Node]:
        for canonical in canonicals:
            tree = self.known.tree(canonical)
            if tree is not None:
                yield tree

    def _test(self, discriminator: Discriminator, node: Node) -> Test | None:
        row = parse_row(node)
        if discriminator.type == "type":
            return TypeTest(row.codes, self.known.model) if row.codes else None
        if discriminator.type == "profile":
            profiles = tuple(canonical for item in row.types for canonical in item.ref.profiles)
            return ProfileTest(profiles, self.known) if profiles else None
        return value_test(node) or self._binding_test(node)

    def _binding_test(self, node: Node) -> Test | None:
        row = parse_row(node)
        required = [item for item in row.bindings if item.strength == "required"]
        rules = {
            code: tuple(found)
            for code in row.codes
            if (found := build_bindings(required, code, self.known.terminology))
        }
        return BindingTest(rules) if rules else None

    def _exists(self, path: str, part: Node) -> Condition | None:
        for node in self.locate(part, path):
            row = parse_row(node)
            if row.min or row.max == 0:
                return ExistsCondition(path, self.known.model, wanted=row.min > 0)
        return None

    def _target(self, discriminator: Discriminator, path: str, part: Node) -> Condition | None:
        path = _RESOLVE.sub("", path) or "$this"
        rows = [parse_row(node) for node in self.locate(part, path)]
        profiles = tuple(item for row in rows for ref in row.types for item in ref.ref.target_profiles)
        if not profiles:
            return None
        test = ProfileTest(profiles, self.known, is_target=True, only_type=discriminator.type == "type")
        return PathCondition(path, test, self.known.model)


def value_test(node: Node) -> Test | None:
    """Returns the test of the fixed value or pattern of an element, or of those below it; None where there is none."""
    row = parse_row(node)
    if row.fixed or row.pattern:
        return ValueTest(row.fixed.value if row.fixed else row.pattern and row.pattern.value, exact=bool(row.fixed))
    below = {}
    for name, child in node.children.items():
        tests = [test for item in (child, *child.slices.values()) if (test := value_test(item)) is not None]
        if tests:
            below[name.removesuffix("[x]")] = _any(tests)
    return ObjectTest(below) if below else None


def _any(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else AnyTest(tuple(tests))
