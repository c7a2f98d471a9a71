"""Profiles: the definitions at hand, compiled on first use and kept; and how a value is held against one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fhir_dmp.conformance.base import BaseTrees
from fhir_dmp.conformance.base_compiler import BaseCompiler
from fhir_dmp.conformance.binding import BindingRule, Terminology
from fhir_dmp.conformance.finding import RIGHT, Code, Finding, Findings, has_error, one
from fhir_dmp.conformance.group import GroupRule
from fhir_dmp.conformance.known import Context, Profile
from fhir_dmp.conformance.profile_compiler import Compiled, compile_profile
from fhir_dmp.conformance.visit import Functions, Right, Visit
from fhir_dmp.fhirpath.node import Node as Item
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.outcome import FhirError, Issue
from fhir_dmp.recurring import Recurring
from fhir_dmp.snapshot.generate import Snapshots, generate_snapshot
from fhir_dmp.snapshot.node import Node
from fhir_dmp.spec.registry import BASE, Registry
from fhir_dmp.terminology.membership import Member
from fhir_dmp.validation.finding import Step, quote

Lookup = Callable[[str], JsonObject | None]
Versions = Callable[[str], Sequence[str]]

_UNKNOWN = 10_000
_META_PROFILE = (Step("meta", "meta"), Step("profile", "profile"))


class Profiles:
    """Compiled definitions. Made anew when the definitions or the code systems change: nothing in it expires."""

    def __init__(
        self, lookup: Lookup, terminology: Terminology, registry: Registry, versions: Versions = lambda _: ()
    ) -> None:
        """Compiles nothing yet; `lookup` finds StructureDefinitions by canonical, with version or without.

        `versions` are those of a definition that are here side by side.
        """
        self.model = registry
        self.terminology = terminology
        self.functions = Functions(self._member_of, self._conforms_to)
        self._lookup = lookup
        self._versions = versions
        self._snapshots = Snapshots(self._find)
        self._base = BaseTrees(registry)
        self._compiler = BaseCompiler(self, self._base)
        self.right: Right = Recurring()
        """What was found right before, by these definitions."""
        self._profiles: dict[str, Profile] = {}
        self._unknown: set[str] = set()

    def profile(self, canonical: str) -> Profile | None:
        """Returns the profile with this canonical, with version or without; None where it is unknown."""
        found = self._profiles.get(canonical)
        if found is None:
            definition = None if canonical in self._unknown else self._find(canonical)
            if definition is None:
                self._note_unknown(canonical)
                return None
            found = self._profiles[canonical] = self._compile(canonical, definition)
        return found

    def versions(self, url: str) -> Iterator[Profile]:
        """Yields each version of a definition that can be used, where there are several side by side."""
        found = self._versions(url)
        profiles = (self.profile(f"{url}|{version}") for version in found if len(found) > 1)
        return (profile for profile in profiles if profile is not None and not profile.fault)

    def _note_unknown(self, canonical: str) -> None:
        """Clients may claim any number of unknown profiles: so many are remembered, and then forgotten."""
        if len(self._unknown) >= _UNKNOWN:
            self._unknown.clear()
        self._unknown.add(canonical)

    def tree(self, canonical: str) -> Node | None:
        """Returns the snapshot of a definition as a tree; None where it is unknown or has none that can be made."""
        try:
            return self._snapshots.tree(canonical)
        except FhirError:
            return None

    def type_of(self, canonical: str) -> str | None:
        """Returns the type that a definition constrains or is; None where it is unknown."""
        name = canonical.removeprefix(BASE).partition("|")[0]
        if name in self.model.types:
            return name
        definition = self._find(canonical)
        return str(definition["type"]) if definition else None

    def check_snapshot(self, definition: JsonObject) -> Sequence[Issue]:
        """Returns why no snapshot can be generated for a StructureDefinition, nothing where one can."""
        try:
            generate_snapshot(definition, self._find)
        except FhirError as fault:
            return fault.issues
        return ()

    def group(self, name: str) -> GroupRule:
        """Returns the rules of R4 itself for a type or backbone element."""
        return self._compiler.group(name)

    def conform(self, canonical: str, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns what a profile has to say of a value; that it is unknown, as an information.

        What is being found out already is taken for granted: profiles may refer to one another in circles.
        """
        profile = self.profile(canonical)
        if profile is None or profile.fault:
            return _explain_unusable(canonical, profile, visit)
        told = _explain_constraints(profile, visit) if profile.unusable else RIGHT
        found = self._conform(profile, value, element, visit)
        return [*told, *found] if told else found

    def _conform(self, profile: Profile, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        if type(value) is not dict:
            return profile.rule.validate(value, element, visit) if profile.rule else RIGHT
        run, key = visit.run, (id(value), profile.canonical)
        if key in run.active:
            run.looks += 1
            return RIGHT
        if key in run.verdicts:
            run.looks += 1  # whoever asked first may have looked around
        else:
            run.active.add(key)
            run.verdicts[key] = self._validate(profile, value, visit)
            run.active.discard(key)
        return run.verdicts[key]

    def validate_resource(self, resource: JsonObject, visit: Visit) -> Findings:
        """Returns what R4 and the profiles that a resource claims have to say of it."""
        findings = self.group(resource["resourceType"]).validate(resource, None, visit)
        claims = resource.get("meta", {}).get("profile", ())
        for index, canonical in enumerate(claims):
            if canonical is not None and self.profile(canonical) is None:
                message = f"the profile {quote(canonical)} is not here: the resource was not checked against it"
                found = one("warning", Code.UNKNOWN_PROFILE, message, *_META_PROFILE, index)
                findings = [*findings, *found]
            elif canonical is not None:
                findings = [*findings, *self.conform(canonical, resource, None, visit)]
        return findings

    def _find(self, canonical: str) -> JsonObject | None:
        found = self._lookup(canonical)
        if found is None:
            url, _, version = canonical.partition("|")
            found = self.model.definition(url)
            if found and version and not str(found.get("version", "")).startswith(version):
                return None
        return found if found and found.get("resourceType") == "StructureDefinition" else None

    def _compile(self, canonical: str, definition: JsonObject) -> Profile:
        try:
            tree = self._snapshots.tree(canonical)
            compiled = compile_profile(tree, definition, self, self._base) if tree else Compiled(None)
        except FhirError as fault:
            return Profile(canonical, str(definition.get("type")), None, fault=fault.issues[0].message)
        contexts = definition.get("context", ())
        return Profile(
            canonical=canonical,
            type_name=definition["type"],
            rule=compiled.rule,
            contexts=tuple(Context(item["type"], item["expression"]) for item in contexts),
            context_invariants=tuple(definition.get("contextInvariant", ())),
            is_modifier=bool(tree and tree.row.get("isModifier")),
            unusable=compiled.unusable,
        )

    def _validate(self, profile: Profile, value: JsonObject, visit: Visit) -> Findings:
        name = value.get("resourceType")
        if name is not None and not self.model.is_subtype(name, profile.type_name):
            message = f"{profile.canonical} is a profile of {profile.type_name}, and this is {name}"
            return one("error", Code.RESOURCE, message)
        return profile.rule.validate(value, None, visit) if profile.rule else RIGHT

    def _member_of(self, node: Item, value_set: str) -> bool | None:
        type_name = node.type_name if node.type_name in {"Coding", "CodeableConcept", "Quantity"} else "code"
        rule = BindingRule("required", value_set, type_name, self.terminology)
        member = rule.decide(rule.read(node.value)).member
        return None if member is Member.UNKNOWN else member is Member.YES

    def _conforms_to(self, visit: Visit, node: Item, canonical: str) -> bool | None:
        profile = self.profile(canonical)
        if profile is None or profile.fault:
            return None
        if type(node.value) is dict and "resourceType" in node.value:
            visit = visit.enter(node.value)
        return not has_error(self.conform(canonical, node.value, node.element, visit))


def _explain_unusable(canonical: str, profile: Profile | None, visit: Visit) -> Findings:
    if profile is None:
        message = f"the profile {quote(canonical)} is not here: nothing was checked against it"
        return visit.run.tell(Code.UNKNOWN_PROFILE, canonical, message)
    message = f"the profile {quote(canonical)} cannot be used: {profile.fault}"
    return visit.run.tell(Code.UNUSABLE_PROFILE, canonical, message)


def _explain_constraints(profile: Profile, visit: Visit) -> Findings:
    """What is wrong with the profile itself is told of each resource that claims it, whatever elements it has."""
    findings: list[Finding] = []
    for key, fault in profile.unusable:
        message = f"the constraint {key} of {profile.canonical} cannot be used: {fault}"
        findings += visit.run.tell(Code.UNUSABLE_PROFILE, f"{profile.canonical} {key}", message)
    return findings
