"""Extensions where they stand: https://hl7.org/fhir/R4/defining-extensions.html.

An extension whose definition is here conforms to it and stands in a context that it allows; others are told of, and
refused where they modify the meaning of what they stand in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fhir_dmp.conformance.finding import RIGHT, Code, Finding, Findings, one
from fhir_dmp.conformance.known import Context, Known, Profile
from fhir_dmp.conformance.visit import Visit
from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.fhirpath.model import model_of
from fhir_dmp.fhirpath.node import Node
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.outcome import FhirError
from fhir_dmp.spec.registry import Registry
from fhir_dmp.validation.finding import LIMIT, Step, quote

_ANYWHERE = frozenset({"Element", "Resource", "*", "CanonicalResource", "MetadataResource"})


@dataclass(frozen=True, slots=True)
class ExtensionsCheck:
    """The array `extension` or `modifierExtension` of an element.

    `names` are what a context may call the element: its path, its type, and what that specialises.
    """

    step: Step
    group: str
    names: frozenset[str]
    known: Known

    def check(self, parent: JsonObject, value: Json, visit: Visit) -> Findings:
        """Returns what there is to say of each extension, by R4 and by its definition."""
        content = self.known.group("Extension")
        findings: list[Finding] = []
        for index, item in enumerate(value):
            found = [*self._check_one(parent, item, visit), *content.validate(item, None, visit)]
            findings += [finding.under(self.step, index) for finding in found]
            if len(findings) >= LIMIT:
                break
        return findings

    def _check_one(self, parent: JsonObject, extension: JsonObject, visit: Visit) -> Findings:
        url = extension["url"]
        profile = self.known.profile(url) if ":" in url else None
        if profile is None or profile.fault:
            return self._explain_unknown(url, profile, visit)
        found = self._check_by(profile, parent, extension, visit)
        if not any(map(_is_certain, found)):
            return found
        others = (self._check_by(other, parent, extension, visit) for other in self.known.versions(url))
        return next((right for right in others if not any(map(_is_certain, right))), found)

    def _check_by(self, profile: Profile, parent: JsonObject, extension: JsonObject, visit: Visit) -> Findings:
        """What one version of its definition has to say: which is meant is told by the profiles that name it."""
        found = list(self.known.conform(profile.canonical, extension, None, visit))
        found += self._check_modifier(profile)
        found += self._check_context(profile, parent, visit)
        return [*found, *self._check_invariants(profile, parent, extension, visit)]

    def _explain_unknown(self, url: str, profile: Profile | None, visit: Visit) -> Findings:
        if ":" not in url:
            message = f"the url of an extension is absolute unless it is part of another extension: {quote(url)}"
            return RIGHT if self.group == "Extension" else one("error", Code.EXTENSION_URL, message)
        if profile is not None:
            message = f"the definition of {quote(url)} cannot be used: {profile.fault}"
            return visit.run.tell(Code.UNUSABLE_PROFILE, url, message)
        if self.step.key == "modifierExtension":
            return one("error", Code.MODIFIER, f"{quote(url)} modifies this element, and its definition is not here")
        return visit.run.tell(Code.UNKNOWN_EXTENSION, url, f"the definition of {quote(url)} is not here: not checked")

    def _check_modifier(self, profile: Profile) -> Findings:
        if profile.is_modifier == (self.step.key == "modifierExtension"):
            return RIGHT
        wanted = "modifierExtension" if profile.is_modifier else "extension"
        return one("error", Code.MODIFIER, f"by its definition {profile.canonical} stands in '{wanted}'")

    def _check_context(self, profile: Profile, parent: JsonObject, visit: Visit) -> Findings:
        if not profile.contexts or any(self._allows(context, parent, visit) for context in profile.contexts):
            return RIGHT
        paths = frozenset(item.expression.replace("[x]", "") for item in profile.contexts if item.type == "element")
        names = ", ".join(item.expression for item in profile.contexts[:8])
        message = f"{profile.canonical} does not belong here, but on {names}"
        return (Finding("error", Code.EXTENSION_CONTEXT, message, (), paths),)

    def _allows(self, context: Context, parent: JsonObject, visit: Visit) -> bool:
        expression = context.expression
        if context.type == "extension":
            return self.group == "Extension" and parent.get("url") == expression
        if context.type == "fhirpath":
            return _selects(expression, parent, visit, self.known)
        is_path = expression.partition(".")[0] in self.known.model.types
        return not is_path or expression in _ANYWHERE or expression.replace("[x]", "") in self.names

    def _check_invariants(
        self, profile: Profile, parent: JsonObject, extension: JsonObject, visit: Visit
    ) -> Iterator[Finding]:
        for expression in profile.context_invariants:
            try:
                program = compile_expression(expression, model=self.known.model, type_name=self.group)
                scope = replace(visit.scope, variables={"extension": (Node(extension, "Extension"),)})
                holds = program.holds(scope, parent)
            except FhirError as fault:
                reason = fault.issues[0].message
                yield from visit.run.tell(
                    Code.NOT_CHECKED, expression, f"{quote(expression)} was not checked: {reason}"
                )
            else:
                if not holds:
                    message = f"{profile.canonical} may stand here only where {quote(expression)}"
                    yield Finding("error", Code.EXTENSION_CONTEXT, message)


def _is_certain(finding: Finding) -> bool:
    """Tells whether a finding is an error that the place of the extension does not take back."""
    return finding.severity == "error" and not finding.contexts


def _selects(expression: str, parent: JsonObject, visit: Visit, known: Known) -> bool:
    """Tells whether an expression, asked of the resource, finds the element; yes where it cannot be asked."""
    try:
        program = compile_expression(expression, model=known.model, type_name=visit.resource["resourceType"])
        found = program.run(visit.scope, visit.resource)
    except FhirError:
        return True
    return any(node.value is parent or node.element is parent for node in found)


def keep_misplaced(findings: Findings, resource: JsonObject, model: Registry) -> list[Finding]:
    """Drops the findings about extensions whose place, now known from the root, is one of their contexts."""
    return [
        item for item in findings if not item.contexts or item.contexts.isdisjoint(_paths_of(item, resource, model))
    ]


def _paths_of(finding: Finding, resource: JsonObject, model: Registry) -> frozenset[str]:
    """The paths of the element that an extension stands in, from whatever type around it they may start at.

    `Patient.name.period` is `HumanName.period` too, and what is in a contained resource starts at that.
    """
    value: Json = resource
    group: str = resource["resourceType"]
    paths = _names_of(group, model)
    steps = [step for step in finding.path if not (isinstance(step, tuple) and not isinstance(step, Step))]
    for step in steps[:-2]:
        if isinstance(step, Step):
            value = value.get(step.key) if isinstance(value, dict) else None
            found = model.group(group).properties.get(step.key.removeprefix("_")) if group else None
            group = found.group if found else ""
            paths = frozenset(f"{path}.{step.name}" for path in paths) | _names_of(group, model)
        elif isinstance(step, int) and isinstance(value, list):
            value = value[step]
        if isinstance(value, dict) and "resourceType" in value:
            group = value["resourceType"]
            paths = _names_of(group, model)
    return paths


def _names_of(group: str, model: Registry) -> frozenset[str]:
    """A type with what it specialises; nothing for a backbone element, which is named by its path."""
    return model_of(model).ancestors(group) | {group} if group in model.types else frozenset()
