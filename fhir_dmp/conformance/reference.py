"""References: target types and profiles, aggregation, versioning. https://hl7.org/fhir/R4/references.html.

A target that is at hand (contained, in the same Bundle, or known to the caller) is held against the profiles; for one
that is not, the look-up is asked for and its type, which the reference tells, is checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fhir_dmp.conformance.finding import RIGHT, Code, Finding, Findings, has_error, one
from fhir_dmp.conformance.known import Known
from fhir_dmp.conformance.profile_rule import conform_to_any
from fhir_dmp.conformance.visit import Visit
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.spec.registry import BASE
from fhir_dmp.validation.finding import quote

_LITERAL = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]{1,64})?$")
_BOUND_TYPES = frozenset({"document", "message", "transaction"})
"""Types of Bundle whose urn: references lead to an entry."""


@dataclass(frozen=True, slots=True)
class TargetRule:
    """The target is of one of the types, and conforms to one of the profiles, that `profiles` are."""

    profiles: tuple[str, ...]
    known: Known

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns a finding for a wrong target."""
        del element
        reference = value.get("reference")
        target = visit.resolve(reference) if reference else None
        name = target.get("resourceType", "") if target else _type_named(value, reference)
        if not name:
            return self._defer(reference, self.profiles, visit)
        matching = tuple(canonical for canonical in self.profiles if self._may_be(canonical, name))
        if not matching:
            return one("error", Code.TARGET, f"a reference to {quote(name)}; allowed: {self._names()}")
        plain = {canonical.removeprefix(BASE).partition("|")[0] for canonical in matching}
        if not plain.isdisjoint(self.known.model.types):
            return RIGHT
        if target is None:
            return self._defer(reference, matching, visit)
        entered = visit.enter(target, contained=reference.startswith("#"))
        found = conform_to_any(matching, target, None, entered, self.known)
        if not has_error(found):
            return RIGHT
        first = next(finding for finding in found if finding.severity == "error")
        where = first.as_issue(name).message
        message = f"the target {quote(reference)} does not conform to {', '.join(matching)}: {where}"
        return one("error", Code.TARGET, message)

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"targets": list(self.profiles)}

    def _defer(self, reference: str | None, profiles: tuple[str, ...], visit: Visit) -> Findings:
        if reference and not reference.startswith("#"):
            visit.run.defer(reference, profiles)
        return RIGHT

    def _may_be(self, canonical: str, name: str) -> bool:
        kind = self.known.type_of(canonical)
        return kind is None or self.known.model.is_subtype(name, kind)

    def _names(self) -> str:
        return ", ".join(canonical.rpartition("/")[2] for canonical in self.profiles[:8])


@dataclass(frozen=True, slots=True)
class AggregationRule:
    """How a target is reached (contained, referenced, bundled), and whether its version is named."""

    modes: frozenset[str]
    versioning: str

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns a finding for a reference of another kind."""
        del element
        reference = value.get("reference")
        if not reference:
            return RIGHT
        findings: list[Finding] = []
        if self.modes and not self.modes & _modes(reference, visit):
            message = f"{quote(reference)}: the target has to be {' or '.join(sorted(self.modes))}"
            findings += one("error", Code.AGGREGATION, message)
        is_specific = "/_history/" in reference or "|" in reference
        if self.versioning != "either" and is_specific != (self.versioning == "specific"):
            wanted = "a version" if self.versioning == "specific" else "no version"
            findings += one("error", Code.VERSIONING, f"{quote(reference)}: the reference has to name {wanted}")
        return findings

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"aggregation": sorted(self.modes), "versioning": self.versioning}


@dataclass(frozen=True, slots=True)
class BundledRule:
    """In a Bundle, what the structure cannot tell of a reference: that there is such an entry, and of which type."""

    types: frozenset[str]

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns a finding for a urn: without its entry, and for a target of a type that R4 does not allow."""
        del element
        if visit.bundle is None:
            return RIGHT
        reference = value.get("reference")
        if not reference or reference.startswith("#"):
            return RIGHT
        targets = visit.bundle.find_all(reference, visit.full_url)
        if not targets:
            message = f"{quote(reference)} leads to no entry of the {visit.bundle.type}"
            return one("error", Code.BUNDLE_REFERENCE, message) if _is_bound(reference, visit) else RIGHT
        if len(targets) > 1 and visit.bundle.type == "document":
            message = f"{quote(reference)} leads to {len(targets)} entries of the document: name a version"
            return one("error", Code.BUNDLE_REFERENCE, message)
        name = targets[0].get("resourceType", "")
        if not self.types or name in self.types:
            return RIGHT
        allowed = ", ".join(sorted(self.types))
        return one("error", Code.TARGET, f"a reference to {quote(name)}; allowed: {allowed}")

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"bundled": sorted(self.types)}


def _is_bound(reference: str, visit: Visit) -> bool:
    """Tells whether a target has to be in the Bundle: that of a urn:, and whatever the Composition of a document names.

    https://hl7.org/fhir/R4/documents.html#content
    """
    if visit.bundle is None or visit.bundle.type not in _BOUND_TYPES:
        return False
    is_composition = visit.bundle.type == "document" and visit.resource.get("resourceType") == "Composition"
    return reference.startswith("urn:") or (is_composition and ":" not in reference)


def _modes(reference: str, visit: Visit) -> set[str]:
    if reference.startswith("#"):
        return {"contained"}
    is_bundled = visit.bundle is not None and visit.bundle.find(reference, visit.full_url) is not None
    return {"bundled", "referenced"} if is_bundled else {"referenced"}


def _type_named(value: JsonObject, reference: str | None) -> str:
    match = _LITERAL.search(reference) if reference else None
    declared: str = value.get("type", "")
    return match[1] if match else declared
