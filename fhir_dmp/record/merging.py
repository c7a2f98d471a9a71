"""Two Patients that are one person: what becomes of them, of their Consents, and of what is in the record of one.

https://hl7.org/fhir/R4/patient-definitions.html#Patient.link. Of the Consents of both the stricter wins until the
person says otherwise: every denial holds for all that is joined, a permission only where both records had it. What a
merge changed has a tag with the id of the Patient who was replaced, by which it is found and undone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fhir_dmp.access.consent import SUSPENDED, Reading, is_enforced, read_consent
from fhir_dmp.access.directive import Directive, Span
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Issue
from fhir_dmp.record.closing import is_closed_on_purpose
from fhir_dmp.record.comparison import Grade, compare
from fhir_dmp.record.fr_core import rows, text
from fhir_dmp.record.reliability import is_qualified
from fhir_dmp.record.traits import read_traits
from fhir_dmp.search.facts import BEGINNING, END

MOVED = "https://fhir-dmp.fr/CodeSystem/dmp-merge-moved"
"""The tag of what was in the record of the Patient whose id is the code."""
STATES = OPEN, CLOSED = "open", "closed"
"""The codes of that tag on the Patient who was replaced: whether his record was open."""
_REPLACED_BY, _REPLACES = "replaced-by", "replaces"


def find_merging_faults(source: JsonObject, target: JsonObject) -> tuple[Issue, ...]:
    """Returns what keeps two Patients from being merged."""
    for patient in (source, target):
        if is_replaced(patient):
            message = f"Patient/{patient['id']} was replaced by another already."
            return (Issue("error", "identity-merged", message),)
    if is_qualified(source) and not is_qualified(target):
        message = "The source has the qualified identity: that one stays, so merge the other way round."
        return (Issue("error", "identity-not-qualified", message),)
    if source.get("active") is True and target.get("active") is not True and is_closed_on_purpose(target):
        message = "The target's record is closed, and what is closed is erased one day: reopen it, or close the source."
        return (Issue("error", "record-closed", message),)
    found = compare(read_traits(source), read_traits(target))
    if found.grade is Grade.NONE or found.is_contradictory:
        message = "These are two people, or traits that contradict: they are not merged."
        return (Issue("error", "traits-contradict", message),)
    return ()


def is_replaced(patient: JsonObject) -> bool:
    """Tells whether another Patient took this one's place."""
    return any(row.get("type") == _REPLACED_BY for _, row in rows(patient.get("link")))


def is_merged(source: JsonObject, target: JsonObject) -> bool:
    """Tells whether the target took the source's place."""
    links = [row for _, row in rows(source.get("link")) if row.get("type") == _REPLACED_BY]
    return any(text(row.get("other"), "reference") == f"Patient/{target['id']}" for row in links)


def find_replaced(target: JsonObject) -> list[str]:
    """Returns the ids of the Patients whose place one took."""
    links = [text(row.get("other"), "reference") for _, row in rows(target.get("link")) if row.get("type") == _REPLACES]
    return [link.removeprefix("Patient/") for link in links if link.startswith("Patient/")]


def merge_patients(source: JsonObject, target: JsonObject) -> tuple[JsonObject, JsonObject]:
    """Returns both Patients once the target took the source's place; whether that was open is kept in its tag."""
    gone = _with_link({**source, "active": False}, _REPLACED_BY, target["id"])
    tagged = with_tag(gone, MOVED, OPEN if source.get("active") is True else CLOSED)
    return tagged, _with_link(target, _REPLACES, source["id"])


def part_patients(source: JsonObject, target: JsonObject) -> tuple[JsonObject, JsonObject]:
    """Returns both Patients as two again; the source's record stays closed until all that is his is back."""
    return _without_link(source, _REPLACED_BY, target["id"]), _without_link(target, _REPLACES, source["id"])


def reopen_parted(source: JsonObject) -> JsonObject:
    """Returns the Patient of a merge that is undone, his record open where it was."""
    was_open = has_tag(source, MOVED, OPEN)
    return {**without_tag(without_tag(source, MOVED, OPEN), MOVED, CLOSED), "active": was_open}


def suspend(
    consents: list[JsonObject], others: list[JsonObject], source_id: str, now: Milliseconds, reading: Reading
) -> list[JsonObject]:
    """Returns those permissions of one record that the other has not, as they are while nobody has decided.

    One that denies something too stays active, with the tag by which its denials alone are in force.
    """
    held = [found for row in others if not _suspensions(row) and (found := _permission(row, now, reading))]
    # what an earlier merge suspended would come back with its undoing
    lone = [
        (row, found)
        for row in consents
        if (found := _permission(_as_given(row), now, reading)) and not any(map(found.is_within, held))
    ]
    return [
        with_tag(row if "deny" in found.rule.effects else {**row, "status": "inactive"}, SUSPENDED, source_id)
        for row, found in lone
    ]


def restore(consent: JsonObject, source_id: str) -> JsonObject:
    """Returns a Consent as it was before the merge; one that was ended meanwhile stays so.

    And one that another merge suspended, too, unless that is another's now: what is the source's again is in no record
    that was joined later.
    """
    tags = _suspensions(consent)
    is_back = text(consent.get("patient"), "reference") == f"Patient/{source_id}"
    for code in tags[tags.index(source_id) :] if is_back else [source_id]:
        consent = without_tag(consent, SUSPENDED, code)
    return consent if _suspensions(consent) else _as_active(consent)


def _suspensions(consent: JsonObject) -> list[str]:
    """Returns the ids of the sources of the merges that suspended a Consent, in their order."""
    tags = rows((consent.get("meta") or {}).get("tag"))
    return [str(tag.get("code")) for _, tag in tags if tag.get("system") == SUSPENDED]


def _as_given(consent: JsonObject) -> JsonObject:
    """The Consent as it was before merges suspended it."""
    return _as_active(consent) if _suspensions(consent) else consent


def _as_active(consent: JsonObject) -> JsonObject:
    return {**consent, "status": "active"} if consent.get("status") == "inactive" else consent


def with_tag(resource: JsonObject, system: str, code: str) -> JsonObject:
    """Returns a resource with a tag."""
    meta = resource.get("meta") or {}
    return {**resource, "meta": {**meta, "tag": [*meta.get("tag", ()), {"system": system, "code": code}]}}


def without_tag(resource: JsonObject, system: str, code: str) -> JsonObject:
    """Returns a resource without a tag."""
    meta = resource.get("meta") or {}
    kept = [tag for _, tag in rows(meta.get("tag")) if (tag.get("system"), tag.get("code")) != (system, code)]
    rest = {name: value for name, value in meta.items() if name != "tag"}
    return {**resource, "meta": {**rest, **({"tag": kept} if kept else {})}}


def has_tag(resource: JsonObject, system: str, code: str) -> bool:
    """Tells whether a resource has a tag."""
    tags = rows((resource.get("meta") or {}).get("tag"))
    return any((tag.get("system"), tag.get("code")) == (system, code) for _, tag in tags)


@dataclass(frozen=True, slots=True)
class _Permission:
    """A Consent that permits something: its rules, without its name and time, and when it is in force."""

    rule: Directive
    span: Span

    def is_within(self, other: _Permission) -> bool:
        """Tells whether the other permits the same, and whenever this one does."""
        return self.rule == other.rule and other.span[0] <= self.span[0] and self.span[1] <= other.span[1]


def _permission(consent: JsonObject, now: Milliseconds, reading: Reading) -> _Permission | None:
    """What a Consent permits from now on; None where it permits nothing."""
    read = read_consent(consent, reading) if is_enforced(consent) else None
    if read is None or "permit" not in read.effects:
        return None
    start, end = read.root.period if read.root and read.root.period else (BEGINNING, END)
    if read.base is None and end <= now:
        return None
    rule = replace(read, consent="", denies_only=False)
    if read.base is not None or read.root is None:
        # a policy rule speaks outside of the period too: both have to have the same one
        return _Permission(rule, (BEGINNING, END))
    return _Permission(replace(rule, root=replace(read.root, period=None)), (max(start, now), end))


def _with_link(patient: JsonObject, kind: str, other: str) -> JsonObject:
    link = {"other": {"reference": f"Patient/{other}"}, "type": kind}
    return {**patient, "link": [*(row for _, row in rows(patient.get("link"))), link]}


def _without_link(patient: JsonObject, kind: str, other: str) -> JsonObject:
    kept = [
        row
        for _, row in rows(patient.get("link"))
        if (row.get("type"), text(row.get("other"), "reference")) != (kind, f"Patient/{other}")
    ]
    rest = {name: value for name, value in patient.items() if name != "link"}
    return {**rest, **({"link": kept} if kept else {})}
