"""A Subscription on its way into the store: what it asks for has to be possible, and its headers are kept apart.

https://hl7.org/fhir/R4/subscription.html. Whether the subscriber sees anything of it is not asked here, as nobody is to
learn that: it is decided when something is to be sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_dmp.access.inquiry import SUBSCRIPTION
from fhir_dmp.instant import parse_instant
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Request, parse_query
from fhir_dmp.interactions.strict import parse_strictly
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import Category, FhirError, Issue, error
from fhir_dmp.resource import Version
from fhir_dmp.search.query import Clause, OfType, all_of, has_joins
from fhir_dmp.subscription.channel import read_headers
from fhir_dmp.subscription.hosts import check_endpoint
from fhir_dmp.subscription.subscriber import (
    Subscriber,
    keep_headers,
    read_subscriber,
    take_headers,
    with_subscriber,
    write_subscriber,
)
from fhir_dmp.subscription.wanted import read_wanted

CRITERIA = "Subscription.criteria"
UNHEARD = frozenset({SUBSCRIPTION, "AuditEvent"})
"""What nobody is notified of: each notification would be followed by another, as it leaves a trace itself."""


def check_subscription(context: Context, resource: JsonObject) -> None:
    """Raises FhirError (unprocessable) for a Subscription that cannot be served as it asks."""
    wanted = read_wanted(resource)
    check_endpoint(wanted.endpoint, context.subscription_hosts)
    read_headers(resource["channel"].get("header", ()))
    if wanted.ends:
        parse_instant(wanted.ends, "end")
    read_criteria(context, wanted.criteria)


def read_criteria(context: Context, criteria: Sequence[str]) -> tuple[str, Clause]:
    """Returns the type that criteria are about, and the clause that is true of what meets them all."""
    found = [_parse_criteria(context, text) for text in criteria]
    resource_type = found[0][0]
    if any(name != resource_type for name, _ in found):
        raise _refuse(f"A filter of this topic is a search of {resource_type}.")
    return resource_type, all_of([OfType((resource_type,)), *(clause for _, clause in found)])


def _parse_criteria(context: Context, criteria: str) -> tuple[str, Clause]:
    resource_type, _, parameters = criteria.partition("?")
    if resource_type in UNHEARD:
        raise _refuse(f"Nobody is notified of {resource_type}: each notification leaves a trace.")
    if resource_type not in context.capability.types:
        raise _refuse("The criteria have to be a search of one type, such as Observation?code=… .")
    try:
        query = parse_strictly(context, resource_type, parse_query(parameters))
    except FhirError as fault:
        issues = [Issue("error", issue.code, issue.message, CRITERIA) for issue in fault.issues]
        raise FhirError(Category.UNPROCESSABLE, *issues) from None
    if has_joins(query.clause) or query.is_shaped:
        raise _refuse("The criteria say what a resource is itself: no chain, no _has, no _sort, _count or _include.")
    return resource_type, query.clause


def hold_subscription(
    request: Request | None, resource: JsonObject, previous: Version | None
) -> tuple[JsonObject, str]:
    """Returns a resource as it is stored, and of a Subscription what is kept beside it (Version.owner; else "").

    It begins, or begins again where it was in error, unless it is off: one to a topic with a handshake.
    """
    if resource["resourceType"] != SUBSCRIPTION or request is None:
        return resource, ""
    shown, headers = take_headers(resource)
    if not headers and previous and previous.content:
        kept = keep_headers(parse_json_object(previous.content), shown)
        headers = read_subscriber(previous.owner).headers if kept else ()
    begun = {key: value for key, value in shown.items() if key != "error"}
    begun["status"] = "off" if resource["status"] == "off" else begin_again(resource)
    who = request.requester
    return with_subscriber(begun, who), write_subscriber(Subscriber(who, headers))


def begin_again(resource: JsonObject) -> str:
    """Returns the status with which a Subscription begins, or begins again: one to a topic with a handshake."""
    return "requested" if read_wanted(resource).topic else "active"


def _refuse(message: str) -> FhirError:
    return error(Category.UNPROCESSABLE, "subscription-unsupported", message, CRITERIA)
