"""Validates a resource completely: structure, then invariants, bindings and profiles where the structure is right.

https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_dmp.conformance.depth import Depth
from fhir_dmp.conformance.extension import keep_misplaced
from fhir_dmp.conformance.finding import LIMIT, Code, Finding, Findings, Severity
from fhir_dmp.conformance.profiles import Profiles
from fhir_dmp.conformance.visit import Deferred, Environment, Run, Visit
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.outcome import Issue
from fhir_dmp.spec.registry import Registry
from fhir_dmp.terminology.question import CodeQuestion
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.validate import validate_structure

_NOTHING_KNOWN = Environment()


@dataclass(frozen=True, slots=True)
class Report:
    """What validation found, and what it would take to know the rest: look-ups, and answers of a terminology server."""

    issues: tuple[Issue, ...]
    deferred: tuple[Deferred, ...] = ()
    questions: tuple[CodeQuestion, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Tells whether nothing is an error."""
        return all(issue.severity != "error" for issue in self.issues)


def validate_resource(
    resource: Json,
    schemas: Schemas,
    profiles: Profiles,
    canonicals: Iterable[str] = (),
    environment: Environment = _NOTHING_KNOWN,
) -> Report:
    """Returns all there is to say of a resource: `canonicals` are profiles that it has to meet beside those it claims.

    Never raises on any JSON value. At most LIMIT issues of each pass, and then one that says that there are more.
    """
    issues = validate_structure(resource, schemas)
    if issues:
        return Report(tuple(issues))
    return _report(resource, profiles, tuple(canonicals), environment, Depth.FULL)


def validate_meaning(
    resource: JsonObject,
    profiles: Profiles,
    canonicals: Iterable[str] = (),
    environment: Environment = _NOTHING_KNOWN,
    depth: Depth = Depth.FULL,
) -> Report:
    """Returns what `validate_resource` does, of a resource whose structure is known to be right."""
    return _report(resource, profiles, tuple(canonicals), environment, depth)


def validate_profiles(
    resource: JsonObject,
    canonicals: Iterable[str],
    profiles: Profiles,
    environment: Environment = _NOTHING_KNOWN,
) -> Report:
    """Returns what the profiles alone have to say of a resource whose structure is right."""
    return _report(resource, profiles, tuple(canonicals), environment, Depth.OFF)


def _report(
    resource: JsonObject, profiles: Profiles, canonicals: tuple[str, ...], environment: Environment, depth: Depth
) -> Report:
    run = Run(environment, profiles.functions, profiles.right)
    visit = run.visits[id(resource)] = Visit(run, resource)
    try:
        findings = _validate_itself(resource, profiles, visit, depth)
        for canonical in canonicals:
            findings = [*findings, *profiles.conform(canonical, resource, None, visit)]
    except RecursionError:
        findings = [Finding("error", Code.DEPTH, "the resource, or a chain of profiles, nests too deeply")]
    if run.budget.left < 0:
        findings = [*findings, Finding("error", Code.COSTLY, "its invariants take more steps than a validation may")]
    if not findings and not run.deferred and not run.questions:
        return _NOTHING_TO_SAY
    return Report(tuple(_as_issues(findings, resource, profiles.model)), tuple(run.deferred), tuple(run.questions))


_NOTHING_TO_SAY = Report(())


def _validate_itself(resource: JsonObject, profiles: Profiles, visit: Visit, depth: Depth) -> Findings:
    """What R4, and as far as the depth goes the profiles that the resource claims, have to say."""
    if depth is Depth.FULL:
        return profiles.validate_resource(resource, visit)
    return profiles.group(resource["resourceType"]).validate(resource, None, visit) if depth is Depth.CORE else ()


def _as_issues(findings: Findings, resource: JsonObject, model: Registry) -> list[Issue]:
    """The issues, each once: a profile repeats what its base demands, and a slice what its element does."""
    root = resource["resourceType"]
    distinct: dict[tuple[str, str, str], Issue] = {}
    for finding in keep_misplaced(findings, resource, model):
        issue = finding.as_issue(root)
        distinct.setdefault((issue.code, issue.expression, finding.message), issue)
    issues = list(distinct.values())
    if len(issues) > LIMIT:
        more = f"there are more than {LIMIT} findings: the rest is not told"
        severity: Severity = "error" if any(issue.severity == "error" for issue in issues[LIMIT:]) else "information"
        return [*issues[:LIMIT], Finding(severity, Code.TOO_MANY, more).as_issue(root)]
    return issues
