"""What R4 demands in words only, without an invariant: rules of certain types and backbone elements.

Coding                          system is absolute, and has the code: https://hl7.org/fhir/R4/datatypes.html#Coding
ValueSet.compose.include        system is absolute: https://hl7.org/fhir/R4/valueset-definitions.html
canonical resources             url is absolute: https://hl7.org/fhir/R4/resource.html#canonical
Bundle                          a link relation occurs once: https://hl7.org/fhir/R4/bundle.html#links
Bundle.entry                    fullUrl is absolute and agrees with the id: https://hl7.org/fhir/R4/bundle.html
SearchParameter                 derivedFrom: of the same type, and on some of its bases
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from fhir_dmp.conformance.binding import Terminology
from fhir_dmp.conformance.bundle import explain_full_url
from fhir_dmp.conformance.finding import RIGHT, Code, Findings, Severity, one
from fhir_dmp.conformance.visit import Rule, Visit
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.spec.registry import Registry
from fhir_dmp.terminology.membership import Member, Membership
from fhir_dmp.validation.finding import Step, quote

_KEPT = 10_000
_OPEN = "urn:ietf:"
"""Standards of the IETF as code systems (RFC 3986): examples of R4 itself use them for names."""
_STRICT_BUNDLES = frozenset({"document", "message", "transaction"})
_SINGLE_LINKS = ("self", "first", "previous", "prev", "next", "last")


@dataclass(slots=True, eq=False)
class CodingRule:
    """The code system of a Coding is absolute and, where all its codes are at hand, has the code."""

    terminology: Terminology
    _known: dict[tuple[str, str, str], Membership] = field(default_factory=dict)

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns a finding for a system or code that cannot be."""
        del element, visit
        system, code = value.get("system"), value.get("code")
        if not system:
            return RIGHT
        if ":" not in system:
            return one("error", Code.SYSTEM, f"a code system is named by an absolute uri: {quote(system)}", _SYSTEM)
        if not code or system.startswith(_OPEN):
            return RIGHT
        answer = self._decide((system, code, value.get("version", "")))
        if answer.member is not Member.NO:
            return RIGHT
        reason = f" ({answer.message})" if answer.message else ""
        return one("error", Code.UNKNOWN_CODE, f"{quote(code)} is not a code of {system}{reason}", _CODE)

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"coding": "known"}

    def _decide(self, coded: tuple[str, str, str]) -> Membership:
        known = self._known.get(coded)
        if known is None:
            system, code, version = coded
            known = self.terminology.in_code_system(system, code, version=version)
            if len(self._known) < _KEPT:
                self._known[coded] = known
        return known


@dataclass(frozen=True, slots=True)
class AbsoluteRule:
    """A child that is a uri is absolute."""

    key: str

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns a finding where it is not."""
        del element, visit
        url = value.get(self.key)
        if url is None or ":" in url:
            return RIGHT
        return one("error", Code.RELATIVE_URL, f"{quote(url)} is not absolute", Step(self.key, self.key))

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"absolute": self.key}


@dataclass(frozen=True, slots=True)
class LinksRule:
    """A Bundle links to one next page, not to two."""

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns a finding for each relation that occurs twice."""
        del element, visit
        relations = Counter(link.get("relation") for link in value.get("link", ()))
        twice = [name for name in _SINGLE_LINKS if relations[name] > 1]
        message = "a Bundle has one link of this relation: "
        return [finding for name in twice for finding in one("error", Code.BUNDLE_LINK, message + name, _LINK)]

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"links": "distinct"}


@dataclass(frozen=True, slots=True)
class EntryRule:
    """The fullUrl of an entry is absolute, and does not disagree with the id of its resource."""

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns in what it does: an error where references are resolved by it."""
        del element
        reason = explain_full_url(value)
        if not reason:
            return RIGHT
        severity: Severity = "error" if visit.resource.get("type") in _STRICT_BUNDLES else "warning"
        return one(severity, Code.BUNDLE_URL, f"{quote(value['fullUrl'])}: {reason}", Step("fullUrl", "fullUrl"))

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"fullUrl": "agrees"}


@dataclass(frozen=True, slots=True)
class DerivedRule:
    """A search parameter that is derived from one of R4's keeps its type, and is on some of its bases."""

    model: Registry

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns in what it differs."""
        del element, visit
        parent = self.model.search_parameter(value.get("derivedFrom", ""))
        if parent is None:
            return RIGHT
        findings: list[Findings] = []
        if value["type"] != parent.type:
            message = f"{parent.url}, from which this is derived, is of type {parent.type}"
            findings.append(one("error", Code.DERIVED, message, Step("type", "type")))
        added = [name for name in value["base"] if name not in parent.base]
        if added:
            message = f"{parent.url}, from which this is derived, is not on {', '.join(map(str, added[:4]))}"
            findings.append(one("error", Code.DERIVED, message, Step("base", "base")))
        return [finding for found in findings for finding in found]

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"derivedFrom": "kept"}


_SYSTEM, _CODE, _LINK = Step("system", "system"), Step("code", "code"), Step("link", "link")


def build_prose(group: str, model: Registry, terminology: Terminology) -> list[Rule]:
    """Builds the rules of a type or backbone element, most of which have none."""
    rules: list[Rule] = []
    if group == "Coding":
        rules.append(CodingRule(terminology))
    elif group == "ValueSet.compose.include":
        rules.append(AbsoluteRule("system"))
    elif group == "Bundle":
        rules.append(LinksRule())
    elif group == "Bundle.entry":
        rules.append(EntryRule())
    elif group == "SearchParameter":
        rules.append(DerivedRule(model))
    if group in model.resource_types and {"url", "version", "status"} <= model.group(group).properties.keys():
        rules.append(AbsoluteRule("url"))
    return rules
