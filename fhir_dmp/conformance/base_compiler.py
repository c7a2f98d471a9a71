"""Compiles R4's own definitions to GroupRules: the invariants and bindings that every resource has to keep.

Structure (cardinality, types, formats) is fhir_dmp.validation's, and has been checked before.
"""

from __future__ import annotations

from collections.abc import Iterator

from fhir_dmp.conformance.base import BaseTrees
from fhir_dmp.conformance.binding import CodeRequiredCheck, build_bindings
from fhir_dmp.conformance.extension import ExtensionsCheck
from fhir_dmp.conformance.group import ArrayCheck, Check, GroupRule, RecurringCheck, ValueCheck, may_recur
from fhir_dmp.conformance.invariant import build_invariants
from fhir_dmp.conformance.known import Known
from fhir_dmp.conformance.profile_rule import ProfileRule
from fhir_dmp.conformance.prose import build_prose
from fhir_dmp.conformance.reference import BundledRule
from fhir_dmp.conformance.resource import ImplicitRulesRule, ResourceRule, SnapshotRule
from fhir_dmp.conformance.row import Row
from fhir_dmp.conformance.visit import Rule, combine
from fhir_dmp.fhirpath.model import model_of
from fhir_dmp.spec.structure import Group, Property
from fhir_dmp.validation.finding import Step

_EXTENSIONS = frozenset({"extension", "modifierExtension"})


class BaseCompiler:
    """Fills the GroupRules of types and backbone elements on first use."""

    def __init__(self, known: Known, trees: BaseTrees) -> None:
        """Compiles nothing yet."""
        self._known = known
        self._trees = trees
        self._groups: dict[str, GroupRule] = {}

    def group(self, name: str) -> GroupRule:
        """Returns the rules of a type or backbone element, filled unless they are being filled just now."""
        rule = self._groups.get(name)
        if rule is None:
            rule = self._groups[name] = GroupRule(name)
            self._fill(rule)
        return rule

    def _fill(self, rule: GroupRule) -> None:
        model = self._known.model
        group = model.group(rule.name)
        checks: dict[str, Check] = {}
        for prop in group.properties.values():
            checks |= self._checks(prop, group)
        row = self._trees.row(rule.name)
        rules: list[Rule] = [*build_invariants(row.constraints if row else (), model, rule.name, is_lenient=True)]
        rules += build_prose(rule.name, model, self._known.terminology)
        if rule.name == "StructureDefinition":
            rules.append(SnapshotRule(self._known))
        rule.checks, rule.rules = checks, rules

    def _checks(self, prop: Property, group: Group) -> Iterator[tuple[str, Check]] | dict[str, Check]:
        key = prop.key
        if key in _EXTENSIONS:
            return {key: self._extensions(prop, group.name, ())}
        checks: dict[str, Check] = {}
        step = Step(key, prop.element.name)
        rule = combine(list(self._rules(prop, group)))
        if rule is not None:
            made = (ArrayCheck if prop.element.repeats else ValueCheck)(step, f"_{key}", rule)
            model = self._known.model
            recurs = group.name in model.resource_types and may_recur(key, prop.group, model)
            checks[key] = RecurringCheck(made.check).check if recurs else made.check
        if prop.group in self._known.model.primitive_types:
            companion = self._companion(prop, group)
            step = Step(f"_{key}", prop.element.name)
            made = (ArrayCheck if prop.element.repeats else ValueCheck)(step, "", companion)
            checks[step.key] = self._require_code(prop, group, made.check)
        return checks

    def _require_code(self, prop: Property, group: Group, check: Check) -> Check:
        """Adds to the check of what stands beside a code that a required binding leaves no way to do without one."""
        row = self._trees.row(group.name, prop.element.name)
        is_required = row is not None and any(item.strength == "required" for item in row.bindings)
        if prop.group != "code" or not is_required:
            return check
        return CodeRequiredCheck(Step(prop.key, prop.element.name), f"_{prop.key}", check).check

    def _rules(self, prop: Property, group: Group) -> Iterator[Rule]:
        known, type_name = self._known, prop.group
        row = self._trees.row(group.name, prop.element.name)
        if row is None:
            return
        root = self._trees.row(type_name)  # where Age, Distance and Duration have theirs
        bindings = (*row.bindings, *(root.bindings if root else ()))
        yield from build_bindings(bindings, type_name, known.terminology)
        if prop.element.path == f"{group.name}.implicitRules":
            yield ImplicitRulesRule()
        if type_name in known.model.types:
            yield from build_invariants(row.constraints, known.model, type_name, is_lenient=True)
        for item in row.of_type(prop.type.code):
            if item.ref.profiles:
                yield ProfileRule(item.ref.profiles, known)
        yield from self._content(prop, row)

    def _content(self, prop: Property, row: Row) -> Iterator[Rule]:
        model, type_name = self._known.model, prop.group
        if type_name == "Resource":
            yield ResourceRule(self._known, is_contained=prop.key == "contained")
        elif type_name not in model.primitive_types:
            yield self.group(type_name)
        if type_name == "Reference":
            names = {url.rpartition("/")[2] for item in row.of_type(type_name) for url in item.ref.target_profiles}
            yield BundledRule(frozenset(names) if names <= model.resource_types else frozenset())

    def _companion(self, prop: Property, group: Group) -> GroupRule:
        """The rules of what stands beside a primitive: its extensions."""
        names = (f"{group.name}.{prop.element.name}",)
        extensions = self._extensions(self._known.model.group("Element").properties["extension"], prop.group, names)
        return GroupRule(prop.group, {"extension": extensions})

    def _extensions(self, prop: Property, group: str, names: tuple[str, ...]) -> Check:
        ancestors = model_of(self._known.model).ancestors(group)
        step = Step(prop.key, prop.element.name)
        return ExtensionsCheck(step, group, ancestors | frozenset(names), self._known).check
