"""Is what a write brings right: R4, the profiles it claims and those it has to meet, and what its references lead to.

The validator is pure and asks for look-ups; this module does them. https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from fhir_dmp.access.consent import check_consent
from fhir_dmp.conformance.depth import Depth
from fhir_dmp.conformance.validate import Report, validate_meaning
from fhir_dmp.conformance.visit import Environment, Resolve
from fhir_dmp.interactions.content import within
from fhir_dmp.interactions.content_safety import require_safe
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.interactions.subscribing import check_subscription
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import Category, FhirError, Issue
from fhir_dmp.resource import Identity, is_id
from fhir_dmp.search.definition import check_definition
from fhir_dmp.terminology.question import CodeQuestion


def mandatory_profiles(context: Context, resource: JsonObject) -> tuple[str, ...]:
    """Returns the canonicals that capability/ makes every resource of this type meet."""
    exposed = context.capability.types.get(resource["resourceType"])
    return exposed.profiles if exposed and context.depth is Depth.FULL else ()


async def require_valid(
    context: Context, request: Request, resource: JsonObject, *, nearby: Resolve | None = None, at: str = ""
) -> None:
    """Raises FhirError (unprocessable) with every issue of a resource whose structure is right already.

    `nearby` finds what comes in the same transaction; `at` is the resource's place in it.
    """
    await require_safe(context, request, resource, at)
    if context.depth is Depth.OFF:
        return
    report = await find_problems(context, request, resource, mandatory_profiles(context, resource), nearby=nearby)
    if not report.is_valid:
        issues = sorted(report.issues, key=lambda issue: issue.severity != "error")
        raise FhirError(Category.UNPROCESSABLE, *(within(issue, resource["resourceType"], at) for issue in issues))


def require_interpretable(context: Context, resource: JsonObject) -> None:
    """Raises FhirError (unprocessable) for a Consent that cannot be read: nobody would see that record any more.

    And for a SearchParameter by which nothing can be indexed, or a Subscription that cannot be served.
    However little is validated, this is: of a resource as it will be stored, its references resolved.
    """
    faults: Sequence[Issue] = ()
    if resource["resourceType"] == "Consent":
        faults = check_consent(resource, context.reading)
    elif resource["resourceType"] == "SearchParameter":
        faults = check_definition(resource, context.space)
    elif resource["resourceType"] == "Subscription":
        check_subscription(context, resource)
    if any(fault.severity == "error" for fault in faults):
        raise FhirError(Category.UNPROCESSABLE, *faults)


async def find_problems(
    context: Context,
    request: Request,
    resource: JsonObject,
    canonicals: Sequence[str],
    *,
    nearby: Resolve | None = None,
) -> Report:
    """Returns the report on a resource whose structure is right; targets that the requester may not see are absent.

    `canonicals` are profiles that it has to meet beside those it claims.
    """
    now = datetime.fromtimestamp(context.now() / 1000, UTC)
    depth = Depth.FULL if context.depth is Depth.OFF else context.depth
    profiles = context.rules().profiles
    no_answers: Mapping[CodeQuestion, bool] | None = {} if context.ask_codes else None
    report = validate_meaning(resource, profiles, canonicals, Environment(now, nearby, no_answers), depth)
    wanted = {lookup.reference for lookup in report.deferred}
    targets = await _read_targets(context, request, wanted) if wanted else {}
    answers = await context.ask_codes(report.questions) if context.ask_codes and report.questions else no_answers
    if not targets and not answers:
        return report

    def resolve(reference: str) -> JsonObject | None:
        found = nearby(reference) if nearby else None
        return found or targets.get(reference)

    return validate_meaning(resource, profiles, canonicals, Environment(now, resolve, answers), depth)


async def _read_targets(context: Context, request: Request, references: Iterable[str]) -> dict[str, JsonObject]:
    """Returns the targets that are stored here, by the references that lead to them."""
    wanted: dict[str, list[tuple[str, Identity]]] = {}
    for reference in references:
        identity = _parse_reference(context, reference)
        if identity:
            wanted.setdefault(identity.resource_type, []).append((reference, identity))
    targets = {}
    for resource_type, rows in wanted.items():
        identities = {identity for _, identity in rows}
        part = replace(request, resource_type=resource_type, resource_id="")
        restriction = await open_gate(context, part, "read", identities=identities)
        found = await context.reader.read(identities, restriction)
        for reference, identity in rows:
            version = found.get(identity)
            if version and version.content is not None:
                targets[reference] = parse_json_object(version.content)
    return targets


def _parse_reference(context: Context, reference: str) -> Identity | None:
    """Returns what a literal reference to a resource of this server names, None for any other."""
    parts = reference.removeprefix(f"{context.base_url}/").partition("/_history/")[0].split("/")
    if len(parts) != len(Identity._fields) or not is_id(parts[1]):
        return None
    identity = Identity(*parts)
    return identity if context.capability.permits(identity.resource_type, "read") else None
