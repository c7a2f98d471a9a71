"""Resources within resources, and what the specification says of them beside invariants."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_dmp.conformance.finding import RIGHT, Code, Finding, Findings, one
from fhir_dmp.conformance.known import Known
from fhir_dmp.conformance.visit import Rule, Visit
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.validation.finding import quote

_NOT_AT_HAND = frozenset({"snapshot-base-unknown"})


@dataclass(frozen=True, slots=True)
class ResourceRule:
    """A resource of any type, contained or in a Bundle: it is visited with all that it claims to be."""

    known: Known
    is_contained: bool

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns what there is to say of the resource."""
        del element
        return self.known.validate_resource(value, visit.enter(value, contained=self.is_contained))

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"resource": "contained" if self.is_contained else "any"}


@dataclass(frozen=True, slots=True)
class WithinRule:
    """What a profile says of a resource that stands in another: asked in a visit of its own."""

    rule: Rule
    is_contained: bool

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns what the rule has to say."""
        return self.rule.validate(value, element, visit.enter(value, contained=self.is_contained))

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"within": self.rule.as_json()}


@dataclass(frozen=True, slots=True)
class ImplicitRulesRule:
    """implicitRules changes what a resource means, and there are no rules that this server knows."""

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns a finding for any value: https://hl7.org/fhir/R4/resource-definitions.html#Resource.implicitRules."""
        del element, visit
        return one("error", Code.IMPLICIT_RULES, f"the rules {quote(value)} are not known here") if value else RIGHT

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"implicitRules": "none"}


@dataclass(frozen=True, slots=True)
class SnapshotRule:
    """A profile that is validated makes sense: its differential applies to its base, if that is at hand."""

    known: Known

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns why no snapshot can be generated."""
        del element
        if "differential" not in value:
            return RIGHT
        findings: list[Finding] = []
        for issue in self.known.check_snapshot(value):
            if issue.code in _NOT_AT_HAND:
                findings += visit.run.tell(Code.NOT_CHECKED, issue.code, f"no snapshot was generated: {issue.message}")
            else:
                findings += one("error", Code.SNAPSHOT, issue.message)
        return findings

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"snapshot": "generated"}
