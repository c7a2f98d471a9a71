"""A reimbursement on its way into a record: it has a name, and its care ended within the 24 months. Pure."""

from __future__ import annotations

from fhir_dmp.access.change import Item
from fhir_dmp.access.reimbursement import BENEFIT, leaves_at
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Issue
from fhir_dmp.record.depositing import name_of

_DAY: Milliseconds = 24 * 3_600_000
_OF_SERVER = frozenset({"id", "meta", "text"})
_PLACES = {BENEFIT: ("identifier", "billablePeriod"), "DocumentReference": ("masterIdentifier", "date")}
"""Where the name of each type stands, and when the care was."""


def names_of(benefit: JsonObject) -> list[str]:
    """Returns what names an ExplanationOfBenefit to its insurer: its identifiers, as `system|value`."""
    rows = benefit.get("identifier", ())
    return [f"{row['system']}|{row['value']}" for row in rows if row.get("system") and row.get("value")]


def is_same_reimbursement(benefit: JsonObject, other: JsonObject) -> bool:
    """Tells whether two ExplanationsOfBenefit of one name say the same."""
    one, two = ({name: row[name] for name in row.keys() - _OF_SERVER} for row in (benefit, other))
    return one == two


def find_reimbursement_faults(new: Item, now: Milliseconds) -> list[Issue]:
    """Returns what keeps a reimbursement out of a record, with the element at fault."""
    kind = new.facts.resource_type
    name, period = (f"{kind}.{place}" for place in _PLACES[kind])
    is_named = names_of(new.resource) if kind == BENEFIT else name_of(new.resource)
    found = [] if is_named else [Issue("error", "reimbursement-unnamed", _UNNAMED, name, "required")]
    span = new.facts.security.span
    if span is None:
        return [*found, Issue("error", "reimbursement-undated", _UNDATED, period, "required")]
    if span[1] > now + _DAY:
        return [*found, Issue("error", "date-future", "The care is in the future, or has no end.", period)]
    if leaves_at(span[1]) <= now:
        return [*found, Issue("error", "reimbursement-past", _PAST, period, "business-rule")]
    return found


_UNNAMED = "A reimbursement has an identifier of the insurance's, so that it is there once however often it is sent."
_UNDATED = "A reimbursement says when the care was: it is shown for 24 months."
_PAST = "The care ended more than 24 months ago: its reimbursement is in the record no more."
