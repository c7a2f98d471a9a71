"""Reimbursements: what the assurance maladie feeds into a record, for 24 months after the care (CSP R1111-42).

An ExplanationOfBenefit is one of them, and a document of the type REMB lists many. The compulsory insurance alone
writes them; complementary insurers get nowhere (L1111-18). The window moves by whole hours, so that what is decided in
one holds until its end; an item leaves at the first that begins 24 months after its care ended, or later.
"""

from __future__ import annotations

from datetime import UTC, datetime

from fhir_dmp.access.change import Item
from fhir_dmp.access.clauses import every, some
from fhir_dmp.access.consent import Reading
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import Json
from fhir_dmp.search.facts import END, Facts
from fhir_dmp.search.links import bare_link
from fhir_dmp.search.match import matches
from fhir_dmp.search.query import Clause, Clinical, DateValue, Marked, OfType

WINDOW_YEARS = 2
BENEFIT, DOCUMENT, CONTENT = "ExplanationOfBenefit", "DocumentReference", "Binary"
HISTORY = "REMB"
"""The type (TRE_A05) of a document that lists reimbursements."""
REIMBURSEMENTS: Clause = some([OfType((BENEFIT,)), every([OfType((DOCUMENT,)), Marked("document", (HISTORY,))])])
_HOUR: Milliseconds = 3_600_000
_LAST: Milliseconds = 221_845_392_000_000
"""9000-01-01: what ends later, or has no end, does not end."""


def start_of_window(now: Milliseconds) -> Milliseconds:
    """Returns the instant such that care which ended then, or earlier, is shown no more."""
    at = datetime.fromtimestamp(now // _HOUR * _HOUR / 1000, UTC)
    try:
        return _milliseconds(at.replace(year=at.year - WINDOW_YEARS))
    except ValueError:
        # on 29 February what ended within the last hour of 28 February has left
        return _milliseconds(at.replace(year=at.year - WINDOW_YEARS, month=3, day=1, hour=0)) - _HOUR


def leaves_at(ended: Milliseconds) -> Milliseconds:
    """Returns from when on a reimbursement of care that ended at an instant is shown no more; END: never."""
    if ended > _LAST:
        return END
    at = datetime.fromtimestamp(-(-ended // _HOUR) * _HOUR / 1000, UTC)
    try:
        return _milliseconds(at.replace(year=at.year + WINDOW_YEARS))
    except ValueError:
        return _milliseconds(at.replace(year=at.year + WINDOW_YEARS, month=3, day=1, hour=0))


def next_hour(now: Milliseconds) -> Milliseconds:
    """Returns when the window moves next."""
    return (now // _HOUR + 1) * _HOUR


def past_window(now: Milliseconds) -> Clause:
    """Returns what has left the window."""
    start = start_of_window(now)
    return every([REIMBURSEMENTS, Clinical(DateValue("eb", start, start))])


def is_reimbursement(facts: Facts) -> bool:
    """Tells whether a resource is one of the reimbursements, or lists them and nothing else."""
    kinds = {mark.text for mark in facts.security.marks if mark.kind == "document"}
    return matches(REIMBURSEMENTS, facts) and kinds <= {HISTORY}


def is_insurers(item: Item, own: frozenset[str], reading: Reading) -> bool:
    """Tells whether a reimbursement is in the name of an insurer, by the texts that it is known by, and of no other."""
    if item.facts.resource_type == CONTENT:
        return True
    if item.facts.resource_type == BENEFIT:
        return not own.isdisjoint(_texts(item.resource.get("insurer"), reading))
    authors = item.marks("author")
    return bool(authors) and authors <= own


def _texts(reference: Json, reading: Reading) -> set[str]:
    row = reference if isinstance(reference, dict) else {}
    text, identifier = row.get("reference"), row.get("identifier")
    found = {bare_link(reading.base_url, text)} if isinstance(text, str) else set[str]()
    if isinstance(identifier, dict):
        found.add(f"{identifier.get('system')}|{identifier.get('value')}")
    return found


def _milliseconds(at: datetime) -> Milliseconds:
    return int(at.timestamp()) * 1000
