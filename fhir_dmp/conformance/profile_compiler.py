"""Compiles the snapshot of a profile to rules: only what differs from the base, pruned to the paths that have a rule.

https://hl7.org/fhir/R4/profiling.html. Inheritance is in the snapshot already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from fhir_dmp.conformance.base import BaseTrees
from fhir_dmp.conformance.binding import build_bindings
from fhir_dmp.conformance.condition import AllCondition
from fhir_dmp.conformance.discriminator import ConditionBuilder
from fhir_dmp.conformance.element import Count, ElementRule, LinkRule, Member, ObjectRule
from fhir_dmp.conformance.group import may_recur
from fhir_dmp.conformance.invariant import InvariantRule, build_invariants
from fhir_dmp.conformance.known import Known
from fhir_dmp.conformance.limit import build_limits
from fhir_dmp.conformance.profile_rule import ProfileRule
from fhir_dmp.conformance.reference import AggregationRule, TargetRule
from fhir_dmp.conformance.resource import WithinRule
from fhir_dmp.conformance.row import Discriminator, Row, Slicing, parse_row
from fhir_dmp.conformance.slicing import Condition, Slice, SlicingRule
from fhir_dmp.conformance.value import FixedRule, PatternRule
from fhir_dmp.conformance.visit import Rule, combine
from fhir_dmp.json_text import JsonObject
from fhir_dmp.snapshot.node import Node
from fhir_dmp.spec.element import Binding
from fhir_dmp.spec.registry import BASE, Registry
from fhir_dmp.spec.structure import Property
from fhir_dmp.validation.finding import Step

_BY_TYPE = Slicing((Discriminator("type", "$this"),), "open", ordered=False)
_BY_URL = Slicing((Discriminator("value", "url"),), "open", ordered=False)
_UNKNOWN = Slicing((), "open", ordered=False)


class Compiled(NamedTuple):
    """The rule of a profile, None where it demands nothing beyond its base.

    `unusable` are the constraints that are not part of it: the key of each, and what is wrong with its expression.
    """

    rule: Rule | None
    unusable: tuple[tuple[str, str], ...] = ()


def compile_profile(tree: Node, definition: JsonObject, known: Known, trees: BaseTrees) -> Compiled:
    """Compiles a profile on a resource or data type."""
    compilation = _Compilation(tree, known, trees)
    type_name: str = definition["type"]
    if type_name not in known.model.types:
        return Compiled(None)
    base = trees.row(type_name)
    row = parse_row(tree)
    rules: list[Rule] = [*compilation.build_invariants(row, base, None, type_name)]
    rules += _values(row, None)
    rules += build_bindings(_added(row, base), type_name, known.terminology)
    rules += compilation.build_limits(row, base, type_name)
    content = compilation.object(tree, type_name)
    if content and type_name in known.model.resource_types:
        content = ObjectRule(tuple(_note_recurring(rule, known.model) for rule in content.elements))
    rules += [content] if content else []
    compilation.link()
    return Compiled(combine(rules), tuple(compilation.unusable.items()))


def _note_recurring(rule: ElementRule, model: Registry) -> ElementRule:
    member = rule.members[0]
    recurs = len(rule.members) == 1 and may_recur(member.key, member.type_name, model)
    return replace(rule, recurs=True) if recurs else rule


class _Compilation:
    """One run of the compiler over one snapshot."""

    def __init__(self, tree: Node, known: Known, trees: BaseTrees) -> None:
        self._tree = tree
        self._known = known
        self._trees = trees
        self._conditions = ConditionBuilder(known)
        self._links: dict[str, LinkRule] = {}
        self.unusable: dict[str, str] = {}

    def object(self, node: Node, group: str) -> ObjectRule | None:
        """The rules of the elements below a node that is written as this group."""
        built = (self._element(child, group) for child in node.children.values())
        elements = tuple(rule for rule in built if rule is not None)
        return ObjectRule(elements) if elements else None

    def link(self) -> None:
        """Fills the rules of content references, which may add others."""
        done: set[str] = set()
        while len(done) < len(self._links):
            for path in [path for path in self._links if path not in done]:
                done.add(path)
                node = self._tree.find([(name, "") for name in path.split(".")[1:]])
                if node is not None:
                    self._links[path].rule = self.object(node, path)

    def build_invariants(
        self, row: Row, base: Row | None, inherited: Row | None, type_name: str
    ) -> list[InvariantRule]:
        """The constraints of a row that are neither its base's nor its type's, and can be used."""
        before = {item.key for rows in (base, inherited) if rows for item in rows.constraints}
        added = [item for item in row.constraints if item.key not in before]
        return self._usable(build_invariants(added, self._known.model, type_name))

    def build_limits(self, row: Row, base: Row | None, type_name: str) -> list[InvariantRule]:
        """Those of a row that its base does not have."""
        added = [item for item in row.limits if base is None or item not in base.limits]
        constraints = build_limits(added, type_name)
        return self._usable(build_invariants(constraints, self._known.model, type_name, is_lenient=True))

    def _usable(self, built: list[InvariantRule]) -> list[InvariantRule]:
        self.unusable |= {item.constraint.key: item.fault for item in built if item.fault}
        return [item for item in built if not item.fault]

    def _element(self, node: Node, group: str) -> ElementRule | None:
        members = tuple(self._members(node.name, group))
        base = self._trees.row(group, node.name.removesuffix("[x]"))
        if not members:
            return None
        row = parse_row(node)
        kept = tuple(item for item in members if not row.codes or item.code in row.codes or len(members) == 1)
        types = frozenset(item.key for item in kept) if len(kept) < len(members) else None
        rules = self._content(node, kept, base)
        slicing = self._slicing(node, kept, base)
        count = _narrowed(row, base)
        if not (rules or slicing or count) and types is None:
            return None
        return ElementRule(node.name, members, count, types, rules, slicing)

    def _members(self, name: str, group: str) -> Iterator[Member]:
        try:
            properties = self._known.model.group(group).properties
        except KeyError:
            return
        plain = name.removesuffix("[x]")
        found = [item for item in properties.values() if item.element.name == plain]
        for prop in found or [properties[name]] if found or name in properties else []:
            yield _member(prop)

    def _content(self, node: Node, members: Iterable[Member], base: Row | None) -> dict[str, Rule]:
        rules = {item.key: combine(list(self._rules(node, item, base))) for item in members}
        return {key: rule for key, rule in rules.items() if rule is not None}

    def _rules(self, node: Node, member: Member, base: Row | None) -> Iterator[Rule]:
        """What a row says of a value of one type, beyond the base."""
        known, row = self._known, parse_row(node)
        yield from _values(row, member.code if node.name.endswith("[x]") else None)
        yield from build_bindings(_added(row, base), member.type_name, known.terminology)
        inherited = self._trees.row(member.type_name)
        yield from self.build_invariants(row, base, inherited, member.type_name)
        yield from self.build_limits(row, base, member.type_name)
        content = self.object(node, _group_of(row, member))
        below: list[Rule] = [*_profiles(row, base, member, known), *([content] if content else [])]
        is_resource = member.type_name == "Resource"
        yield from (
            (WithinRule(rule, is_contained=member.key == "contained") for rule in below) if is_resource else below
        )
        if row.content_reference:
            path = row.content_reference
            yield self._links.setdefault(path, LinkRule(path))

    def _slicing(self, node: Node, members: tuple[Member, ...], base: Row | None) -> SlicingRule | None:
        if not node.slices:
            return None
        slicing = parse_row(node).slicing or _implied(node)
        slices = tuple(self._slice(part, slicing, members, base) for part in node.slices.values())
        is_open = slicing.rules == "open" and not slicing.ordered
        if is_open and not any(part.rules or part.min or part.max is not None or part.nested for part in slices):
            return None
        return SlicingRule(node.name, slicing.rules, slicing.ordered, slices)

    def _slice(self, part: Node, slicing: Slicing, members: tuple[Member, ...], base: Row | None) -> Slice:
        row = parse_row(part)
        return Slice(
            name=part.slice_name,
            min=row.min,
            max=row.max,
            condition=self._condition(part, slicing),
            rules=self._content(part, members, base),
            nested=self._slicing(part, members, base),
        )

    def _condition(self, part: Node, slicing: Slicing) -> Condition | None:
        built = [self._conditions.build(item, part) for item in slicing.discriminators]
        found: list[Any] = [item for item in built if item is not None]
        if len(found) == 1:
            only: Condition = found[0]
            return only
        return AllCondition(tuple(found)) if found else None


def _member(prop: Property) -> Member:
    step = Step(prop.key, prop.element.name)
    return Member(prop.key, step, prop.group, prop.type.code, prop.element.repeats)


def _added(row: Row, base: Row | None) -> list[Binding]:
    """The bindings of a row that its base does not have."""
    before = {_unversioned(item) for item in base.bindings} if base else set()
    return [item for item in row.bindings if _unversioned(item) not in before]


def _unversioned(binding: Binding) -> Binding:
    """The binding to a value set of R4 without the version that publishers add to it."""
    return Binding(binding.strength, binding.value_set.removesuffix("|4.0.1"))


def _implied(node: Node) -> Slicing:
    if node.name.endswith("[x]"):
        return _BY_TYPE
    return _BY_URL if node.name in {"extension", "modifierExtension"} else _UNKNOWN


def _narrowed(row: Row, base: Row | None) -> Count | None:
    """Min and max where they are narrower than the base's."""
    low = row.min if base is None or row.min > base.min else 0
    is_wider = base is not None and (row.max == base.max or row.max is None)
    high = None if is_wider else row.max
    return Count(low, high) if low or high is not None else None


def _values(row: Row, code: str | None) -> Iterator[Rule]:
    """Fixed value and pattern; where `code` is given, those of that type."""
    if row.fixed and (code is None or row.fixed.type_name == code.lower()):
        yield FixedRule(row.fixed.value)
    if row.pattern and (code is None or row.pattern.type_name == code.lower()):
        yield PatternRule(row.pattern.value)


def _group_of(row: Row, member: Member) -> str:
    """What a value is written as: for a resource of any type, the one that the profile leaves it."""
    codes = row.codes
    return next(iter(codes)) if member.type_name == "Resource" and len(codes) == 1 else member.type_name


def _resources(row: Row) -> tuple[str, ...]:
    """The profiles that a resource of any type has to meet one of: those named, or the types themselves."""
    if "Resource" in {item.ref.code for item in row.types if not item.ref.profiles}:
        return ()
    return _distinct(item.ref.profiles or (BASE + item.ref.code,) for item in row.types)


def _profiles(row: Row, base: Row | None, member: Member, known: Known) -> Iterator[Rule]:
    if member.type_name == "Resource":
        resources = _resources(row)
        if resources:
            yield ProfileRule(resources, known)
        return
    mine, before = row.of_type(member.code), base.of_type(member.code) if base else ()
    profiles = _distinct(item.ref.profiles for item in mine)
    if profiles and all(item.ref.profiles for item in mine) and profiles != _distinct(i.ref.profiles for i in before):
        yield ProfileRule(profiles, known)
    if member.code != "Reference":
        return
    targets = _distinct(item.ref.target_profiles for item in mine)
    is_bound = bool(targets) and all(item.ref.target_profiles for item in mine)
    if is_bound and targets != _distinct(item.ref.target_profiles for item in before):
        yield TargetRule(targets, known)
    modes = frozenset(mode for item in mine for mode in item.aggregation)
    versioning = next((item.versioning for item in mine if item.versioning != "either"), "either")
    if modes or versioning != "either":
        yield AggregationRule(modes, versioning)


def _distinct(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for group in groups for item in group))
