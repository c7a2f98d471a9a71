"""Whose a Subscription is: who wrote it. Nobody else reads or changes it, whatever it is about.

What a subscriber is told is decided when it is sent, by the rights that he has then.
"""

from __future__ import annotations

from urllib.parse import quote

from fhir_dmp.access.change import Change
from fhir_dmp.access.clauses import NOTHING, every
from fhir_dmp.access.inquiry import SUBSCRIPTION, Inquiry
from fhir_dmp.access.path import Verdict
from fhir_dmp.access.professional import BREAK_GLASS, REGULATION
from fhir_dmp.access.reason import Reason, Rule
from fhir_dmp.access.requester import Kind, Requester, party_of
from fhir_dmp.search.query import Clause, Marked, OfType
from fhir_dmp.search.security import SUBSCRIBER

EMERGENCIES = frozenset({BREAK_GLASS, REGULATION})
_SUBSCRIBERS = frozenset({Kind.PRACTITIONER, Kind.PATIENT, Kind.REPRESENTATIVE, Kind.HOSPITAL})


def name_subscriber(requester: Requester) -> str:
    """Returns the text by which a Subscription says whose it is: the same party through the same client."""
    return " ".join(quote(part, safe="/:|") for part in party_of(requester))


def own_subscriptions(inquiry: Inquiry) -> Clause:
    """Returns the Subscriptions that are the requester's."""
    if inquiry.requester.kind not in _SUBSCRIBERS:
        return NOTHING
    return every([OfType((SUBSCRIPTION,)), Marked("author", (_mark(inquiry.requester),))])


def decide_subscription(inquiry: Inquiry, change: Change) -> Verdict:
    """Returns whether a requester may create, change or delete a Subscription.

    An emergency opens one record for some hours: nobody subscribes to it.
    """
    own = frozenset({_mark(inquiry.requester)})
    if inquiry.requester.kind not in _SUBSCRIBERS:
        return Verdict(permitted=False, reason=Reason(Rule.NOT_FOR_THIS_KIND))
    if change.previous and not change.previous.is_by(own):
        return Verdict(permitted=False, reason=Reason(Rule.NOT_AUTHOR), is_hidden=True)
    if change.new and not inquiry.requester.purposes.isdisjoint(EMERGENCIES):
        return Verdict(permitted=False, reason=Reason(Rule.ONE_RECORD_IN_EMERGENCY))
    return Verdict(permitted=True, reason=Reason(Rule.SUBSCRIBER))


def _mark(requester: Requester) -> str:
    return f"{SUBSCRIBER}|{name_subscriber(requester)}"
