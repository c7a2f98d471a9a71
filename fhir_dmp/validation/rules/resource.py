"""Resources: the type that resourceType names, alone, in a Bundle, in Parameters or contained in another.

https://hl7.org/fhir/R4/resource.html, https://hl7.org/fhir/R4/references.html#contained
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.recurring import UNIQUE, text_of
from fhir_dmp.spec.structure import Group
from fhir_dmp.validation.finding import LIMIT, RIGHT, Finding, FindingCode, Findings, Step, one, quote, wrong_type
from fhir_dmp.validation.linker import KnownSchemas
from fhir_dmp.validation.rule import Scope
from fhir_dmp.validation.schema import Schema

_CONTAINED = Step("contained", "contained")
_NONE_CONTAINED: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ResourceTypeRule:
    """The property resourceType, which chose the schema that it stands in."""

    name: str

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns a finding for any other type."""
        del scope
        return RIGHT if value == self.name else one(FindingCode.RESOURCE_TYPE, f"expected {self.name}")

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"resourceType": self.name}


@dataclass(frozen=True, slots=True)
class ResourceRule:
    """A resource of any type, which is a scope of its own."""

    schemas: KnownSchemas

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns what is wrong with the resource."""
        del scope
        schema = find_schema(value, self.schemas)
        if not isinstance(schema, Schema):
            return schema
        if "contained" in value:  # to which its references may lead
            return schema.validate(value, Scope(schema.name, _contained_types(value)))
        return self._validate_rest(schema, value)

    def _validate_rest(self, schema: Schema, value: JsonObject) -> Findings:
        """What is wrong with a resource, but for properties that were found right before in one of its type."""
        right, rest, fresh = self.schemas.right, [], []
        for key, item in value.items():
            text = text_of(item) if (type(item) is dict or type(item) is list) and key not in UNIQUE else None
            if text is None or key[:1] == "_" or f"_{key}" in value:  # the two of a primitive are judged together
                rest.append((key, item))
            elif not right.find((schema.name, key, text)):
                rest.append((key, item))
                fresh.append((schema.name, key, text))
        findings = schema.validate_rest(value, rest, Scope(schema.name, _NONE_CONTAINED))
        if not findings:
            for known in fresh:
                right.keep(known, True)  # noqa: FBT003  that it was right is what is kept
        return findings

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"resource": "any"}


@dataclass(frozen=True, slots=True)
class ContainedRule:
    """A resource inside another: with an id, without contained resources, and in the scope of its container."""

    schemas: KnownSchemas

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns what is wrong with the contained resource."""
        schema = find_schema(value, self.schemas)
        if not isinstance(schema, Schema):
            return schema
        inside = Scope(scope.container, scope.contained, inside=True)
        if "contained" not in value:
            return schema.validate(value, inside)
        rest = {key: item for key, item in value.items() if key != "contained"}
        message = "a contained resource contains no others: put them all in the container"
        return [*one(FindingCode.CONTAINED_NESTED, message), *schema.validate(rest, inside)]

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"resource": "contained"}


@dataclass(frozen=True, slots=True)
class ContainedIdRule:
    """Each contained resource has an id, and no other has the same."""

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns a finding for each contained resource without an id, or with that of an earlier one."""
        del scope
        contained = value.get("contained")
        if type(contained) is not list:
            return RIGHT
        findings: list[Finding] = []
        seen: set[str] = set()
        for index, item in enumerate(contained):
            name = item.get("id") if type(item) is dict else None
            if type(item) is dict and (type(name) is not str or name in seen):
                reason = f"the id {quote(name)} is taken by another" if type(name) is str else "it has no id"
                message = f"a contained resource is referred to by its id, and {reason}"
                findings.append(Finding(FindingCode.CONTAINED_ID, message, (_CONTAINED, index)))
            seen.add(name if type(name) is str else "")
            if len(findings) >= LIMIT:
                break
        return findings

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"contained": "distinct ids"}


def build_contained_id(group: Group) -> ContainedIdRule | None:
    """Builds the rule of a resource that may contain others."""
    return ContainedIdRule() if "contained" in group.properties else None


def find_schema(value: Json, schemas: KnownSchemas) -> Schema | Findings:
    """Returns the schema that resourceType names, or why there is none."""
    if type(value) is not dict:
        return wrong_type("a resource", value)
    name = value.get("resourceType")
    if type(name) is not str:
        return one(FindingCode.RESOURCE_TYPE, "a resource names its type in the property resourceType")
    if name not in schemas.model.resource_types:
        reason = "is abstract" if name in {"Resource", "DomainResource"} else "is not a resource type of FHIR R4"
        return one(FindingCode.RESOURCE_TYPE, f"{quote(name)} {reason}")
    return schemas.schema(name)


def _contained_types(resource: JsonObject) -> Mapping[str, str]:
    contained = resource.get("contained")
    if type(contained) is not list:
        return _NONE_CONTAINED
    rows = ((item.get("id"), item.get("resourceType")) for item in contained if type(item) is dict)
    return {name: kind for name, kind in rows if type(name) is str and type(kind) is str}
