"""Reference: a literal reference leads to a type that the element allows. https://hl7.org/fhir/R4/references.html.

Whether the target exists is for whoever has a store; only contained resources are looked up here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.spec.structure import Property
from fhir_dmp.validation.finding import RIGHT, FindingCode, Findings, Step, one, quote
from fhir_dmp.validation.linker import Linker
from fhir_dmp.validation.rule import Scope

_RELATIVE = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]{1,64})?")
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?\S+")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_ABSOLUTE_TYPE = re.compile(r"https?://\S+/([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]{1,64})?")
_TYPE_BASE = "http://hl7.org/fhir/StructureDefinition/"

_REFERENCE = Step("reference", "reference")
_TYPE = Step("type", "type")


@dataclass(frozen=True, slots=True)
class ReferenceRule:
    """`targets` are the types allowed, empty for any; `known` all the resource types there are."""

    targets: frozenset[str]
    known: frozenset[str]

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns what is wrong with `reference` and `type` of a Reference that is right in itself."""
        literal, declared = value.get("reference"), value.get("type")
        found = RIGHT if literal is None else self._validate_literal(literal, scope)
        if found or declared is None:
            return found
        return self._validate_declared(declared, literal)

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"targets": sorted(self.targets) or ["Resource"]}

    def _validate_literal(self, literal: str, scope: Scope) -> Findings:
        relative = _RELATIVE.fullmatch(literal) or _CONDITIONAL.fullmatch(literal)
        if relative is not None:
            return self._validate_type(relative[1], literal)
        if literal.startswith("#"):
            return self._validate_local(literal, scope)
        absolute = _ABSOLUTE_TYPE.fullmatch(literal)
        if absolute is not None and absolute[1] in self.known:
            return self._validate_type(absolute[1], literal)
        if _ABSOLUTE.fullmatch(literal):
            return RIGHT
        expected = "expected Type/id, an absolute URL, urn:uuid:…, #id or Type?parameters"
        return one(FindingCode.REFERENCE_FORMAT, f"{quote(literal)} leads to no resource: {expected}", _REFERENCE)

    def _validate_type(self, name: str, literal: str, *, step: Step = _REFERENCE) -> Findings:
        if name in self.targets:
            return RIGHT
        if name not in self.known:
            return one(FindingCode.REFERENCE_FORMAT, f"{quote(literal)}: there is no resource type {quote(name)}", step)
        if not self.targets:
            return RIGHT
        allowed = ", ".join(sorted(self.targets))
        return one(
            FindingCode.REFERENCE_TARGET, f"{quote(literal)} is a {name}; this element refers to {allowed}", step
        )

    def _validate_local(self, literal: str, scope: Scope) -> Findings:
        name = scope.container if scope.inside and literal == "#" else scope.contained.get(literal[1:])
        if name is None:
            message = f"{quote(literal)} is the id of no contained resource"
            return one(FindingCode.REFERENCE_CONTAINED, message, _REFERENCE)
        return self._validate_type(name, literal) if name in self.known else RIGHT

    def _validate_declared(self, declared: str, literal: str | None) -> Findings:
        name = declared.removeprefix(_TYPE_BASE)
        if "/" in name or ":" in name:
            return RIGHT
        found = self._validate_type(name, declared, step=_TYPE)
        relative = _RELATIVE.fullmatch(literal) if literal and not found else None
        if relative is None or relative[1] == name:
            return found
        return one(
            FindingCode.REFERENCE_TARGET, f"type is {quote(name)}, but the reference leads to {relative[1]}", _TYPE
        )


def build_reference(prop: Property, linker: Linker) -> ReferenceRule | None:
    """Builds the rule of a property that is a Reference."""
    if prop.type.code != "Reference":
        return None
    known = linker.model.resource_types
    names = frozenset(url.rpartition("/")[2] for url in prop.type.target_profiles)
    return ReferenceRule(names if names <= known else frozenset(), known)
