"""The type of an element: a primitive's format, the schema of a complex type, or any resource."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.spec.structure import Property
from fhir_dmp.validation.finding import Findings
from fhir_dmp.validation.linker import Linker
from fhir_dmp.validation.rule import Rule, Scope
from fhir_dmp.validation.rules.primitive import ELEMENT_ID_RULE, PRIMITIVES
from fhir_dmp.validation.rules.resource import ContainedRule, ResourceRule
from fhir_dmp.validation.schema import Schema


@dataclass(slots=True, eq=False)
class TypeRule:
    """The value is what a schema describes."""

    schema: Schema
    validate: Callable[[Json, Scope], Findings]

    def as_json(self) -> JsonObject:
        """Returns the rule as data: types contain one another, so a type is named and not printed."""
        return {"schema": self.schema.name}


def build_datatype(prop: Property, linker: Linker) -> Rule:
    """Builds the rule of a property's type; `prop` must not be the id of a resource."""
    if prop.type.code == "Resource":
        return ContainedRule(linker) if prop.key == "contained" else ResourceRule(linker)
    if prop.key == "id":
        return ELEMENT_ID_RULE
    if prop.group in linker.model.primitive_types:
        return PRIMITIVES[prop.group]
    schema = linker.link(prop.group)
    return TypeRule(schema, schema.validate)
