"""Compiles structures to schemas: one builder per aspect, each of which looks at an element or a group by itself.

https://hl7.org/fhir/R4/structuredefinition.html, https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from fhir_dmp.json_text import JsonObject
from fhir_dmp.recurring import Recurring
from fhir_dmp.spec.registry import Registry
from fhir_dmp.spec.structure import Group, Property
from fhir_dmp.validation.finding import Step
from fhir_dmp.validation.linker import Linker, Right
from fhir_dmp.validation.rule import AllRule, Rule
from fhir_dmp.validation.rules.cardinality import ArrayRule, build_required
from fhir_dmp.validation.rules.choice import build_choices
from fhir_dmp.validation.rules.companion import CompanionArrayRule, CompanionRule
from fhir_dmp.validation.rules.datatype import TypeRule, build_datatype
from fhir_dmp.validation.rules.extension import build_extension
from fhir_dmp.validation.rules.primitive import PRIMITIVES, StringRule
from fhir_dmp.validation.rules.reference import build_reference
from fhir_dmp.validation.rules.resource import ResourceTypeRule, build_contained_id
from fhir_dmp.validation.rules.unknown import build_unknown
from fhir_dmp.validation.schema import PairRule, PropertyRule, Schema

_VALUE_BUILDERS: tuple[Callable[[Property, Linker], Rule | None], ...] = (build_datatype, build_reference)
"""What each says of one value of a property; the first that finds fault is the last asked."""

_OBJECT_BUILDERS: tuple[Callable[[Group], Rule | None], ...] = (build_required, build_extension, build_contained_id)

_RESOURCE_TYPE = Step("resourceType", "resourceType")


class Schemas:
    """The schemas of a registry, compiled on first use and kept."""

    def __init__(self, model: Registry) -> None:
        """Compiles nothing yet."""
        self.model = model
        self.right: Right = Recurring()
        """What was found right before."""
        self._known: dict[str, Schema] = {}

    def schema(self, type_name: str) -> Schema:
        """Returns the schema of a type (`Patient`) or backbone element. Raises KeyError for an unknown one."""
        schema = self._known.get(type_name)
        if schema is None:
            compilation = _Compilation(self, self._known)
            schema = compilation.compile(type_name)
            self._known.update(compilation.linked)
        return schema

    def as_json(self, type_name: str) -> JsonObject:
        """Returns the schema of a type with those of its backbone elements, by name."""
        self.schema(type_name)
        names = [name for name in self._known if name == type_name or name.startswith(f"{type_name}.")]
        return {name: self._known[name].as_json() for name in names}


def compile_structure(model: Registry, type_name: str) -> Schema:
    """Returns the schema of a type; use Schemas to keep what is compiled. Raises KeyError for an unknown type."""
    return Schemas(model).schema(type_name)


class _Compilation:
    """One run of the compiler: all that a type refers to, published by its owner once everything is filled."""

    def __init__(self, schemas: Schemas, known: Mapping[str, Schema]) -> None:
        self.model = schemas.model
        self.schema = schemas.schema
        self.right = schemas.right
        self.linked: dict[str, Schema] = {}
        self._known = known
        self._pending: list[tuple[Schema, Group]] = []

    def compile(self, name: str) -> Schema:
        schema = self.link(name)
        while self._pending:
            self._fill(*self._pending.pop())
        return schema

    def link(self, group: str) -> Schema:
        return self._link(group, self.model.group(group), needs_content=group not in self.model.resource_types)

    def _link(self, name: str, group: Group, *, needs_content: bool) -> Schema:
        schema = self._known.get(name) or self.linked.get(name)
        if schema is None:
            schema = self.linked[name] = Schema(group.name, needs_content=needs_content)
            self._pending.append((schema, group))
        return schema

    def _fill(self, schema: Schema, group: Group) -> None:
        present = [prop for prop in group.properties.values() if prop.element.max != 0]
        properties = {prop.key: self._property(prop, group) for prop in present}
        if group.name in self.model.resource_types:
            properties["resourceType"] = PropertyRule(_RESOURCE_TYPE, ResourceTypeRule(group.name))
        built = (build(group) for build in _OBJECT_BUILDERS)
        rules = (*(rule for rule in built if rule is not None), *build_choices(group))
        schema.fill(properties, dict(self._companions(present)), rules, build_unknown(group).hint)

    def _property(self, prop: Property, group: Group) -> PropertyRule:
        is_resource_id = prop.key == "id" and group.name in self.model.resource_types
        rule = PRIMITIVES["id"] if is_resource_id else self._value_rule(prop)
        accept = rule.format.accept if isinstance(rule, StringRule) else None
        step = Step(prop.key, prop.element.name)
        if not prop.element.repeats:
            return PropertyRule(step, rule, accept)
        return PropertyRule(step, ArrayRule(rule, prop.element.min, prop.element.max, accept))

    def _value_rule(self, prop: Property) -> Rule:
        built = (build(prop, self) for build in _VALUE_BUILDERS)
        rules = tuple(rule for rule in built if rule is not None)
        return rules[0] if len(rules) == 1 else AllRule(rules)

    def _companions(self, properties: Iterable[Property]) -> Iterable[tuple[str, PairRule]]:
        for prop in properties:
            is_attribute = prop.key == "id" or prop.element.path == "Extension.url"
            if is_attribute or prop.group not in self.model.primitive_types:
                continue
            step = Step(f"_{prop.key}", prop.element.name)
            companion = self._companion_rule(prop.group)
            if prop.element.repeats:
                yield step.key, CompanionArrayRule(prop.key, step, self._value_rule(prop), companion)
            else:
                yield step.key, CompanionRule(prop.key, step, companion)

    def _companion_rule(self, type_name: str) -> Rule:
        """The id and extensions of a primitive: the same for all but xhtml, which has no extensions."""
        name = type_name if type_name == "xhtml" else "Element"
        group = self.model.group(name)
        elements = {key: item for key, item in group.elements.items() if key != "value"}
        properties = {key: item for key, item in group.properties.items() if key != "value"}
        schema = self._link(f"_{name}", Group(name, elements, properties), needs_content=False)
        return TypeRule(schema, schema.validate)
