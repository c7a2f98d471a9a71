"""Closure: every text by which a requester is known, so that a Consent may name him in any of these ways.

Himself, his PractitionerRole of the situation d'exercice in the token, its Organization and those above it, the
CareTeams and Groups that he or they are members of now. https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision.actor
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from fhir_dmp.access.consent import Reading
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.search.facts import BEGINNING, END
from fhir_dmp.search.links import bare_link
from fhir_dmp.search.security import RPPS
from fhir_dmp.search.span import parse_span

STRUCTURE_SYSTEMS = (
    "https://finess.esante.gouv.fr", "https://sirene.fr", "urn:oid:1.2.250.1.71.4.2.2",
    "https://rppsrang.esante.gouv.fr",
)  # fmt: skip

_MEMBERED = frozenset({"CareTeam", "Group"})
"""What somebody is in, now or not at all."""


@dataclass(frozen=True, slots=True)
class Closure:
    """`own` are the texts of the requester himself, `organizations` and `groups` of what he belongs to.

    A hospital's system is itself its structure, but not those above it.

    A text is a reference (`Practitioner/1`) or an identifier (`system|value`). `over` are those that let him in no
    more: of a role whose period is not now, of what is not active, and of the teams that know him by these alone. What
    denies, and what he wrote, still names him by them: time makes no denial weaker. `until` is when that changes.
    """

    own: frozenset[str] = frozenset()
    organizations: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    over: frozenset[str] = frozenset()
    until: Milliseconds = END

    @property
    def party(self) -> frozenset[str]:
        """All of them: what is compared with the actors of a Consent."""
        return self.own | self.organizations | self.groups

    @property
    def acting(self) -> frozenset[str]:
        """The texts of himself that give him rights now."""
        return self.own - self.over


def build_closure(
    requester: Requester, resources: Iterable[JsonObject], now: Milliseconds, reading: Reading
) -> Closure:
    """Returns the closure of a requester, as far as these resources of the store tell it.

    They are to be: the Practitioners with his RPPS number and their PractitionerRoles, the Organizations with his
    structure's number and those above them, the CareTeams and Groups of which any of these is a member.
    """
    rows = [row for row in resources if row.get("active") is not False or row["resourceType"] not in _MEMBERED]
    now_rows = [row for row in rows if _is_in_force(row, now, reading)]
    known, acting = (_find_known(requester, found, now, reading) for found in (rows, now_rows))
    until = min((at for row in rows for at in _instants(row, reading) if at > now), default=END)
    return replace(known, over=known.party - acting.party, until=until)


def _find_known(requester: Requester, rows: list[JsonObject], now: Milliseconds, reading: Reading) -> Closure:
    organizations = _organizations(requester, rows, reading)
    own = _own(requester, rows, organizations, reading)
    members = own | organizations
    teams = {_link(row) for row in rows if row["resourceType"] == "CareTeam" and _works(row, members, now, reading)}
    groups = {_link(row) for row in rows if row["resourceType"] == "Group" and _gathers(row, members, now, reading)}
    return Closure(frozenset(own), frozenset(organizations), frozenset(teams | groups))


def _is_in_force(row: JsonObject, now: Milliseconds, reading: Reading) -> bool:
    """Tells whether what names this row lets him in: a role has its time, of a team its members have it."""
    is_role = row["resourceType"] == "PractitionerRole"
    return row.get("active") is not False and (not is_role or is_current(row.get("period"), now, reading))


def _own(requester: Requester, rows: list[JsonObject], organizations: set[str], reading: Reading) -> set[str]:
    if requester.kind is Kind.PATIENT:
        return {f"Patient/{requester.patient_id}"}
    if requester.kind in {Kind.HOSPITAL, Kind.HEALTH_INSURANCE}:
        return _structure(requester, rows)
    if requester.kind is not Kind.PRACTITIONER:
        return {requester.reference} if requester.reference else set()
    own = {f"{RPPS}|{requester.rpps}"} if requester.rpps else set()
    own |= {_link(row) for row in rows if row["resourceType"] == "Practitioner" and own & set(_identifiers(row))}
    roles = [row for row in rows if row["resourceType"] == "PractitionerRole"]
    return own | {_link(row) for row in roles if _is_role(row, own, organizations, reading)}


def _is_role(role: JsonObject, own: set[str], organizations: set[str], reading: Reading) -> bool:
    """Of several situations d'exercice only the one of the token's structure counts."""
    is_his = _is_one_of(own, role.get("practitioner"), reading)
    return is_his and _is_one_of(organizations, role.get("organization"), reading)


def _structure(requester: Requester, rows: list[JsonObject]) -> set[str]:
    """The texts of the structure whose number is in the token."""
    texts = {f"{system}|{requester.organization}" for system in STRUCTURE_SYSTEMS if requester.organization}
    organizations = [row for row in rows if row["resourceType"] == "Organization"]
    return texts | {_link(row) for row in organizations if texts & set(_identifiers(row))}


def _organizations(requester: Requester, rows: list[JsonObject], reading: Reading) -> set[str]:
    """The texts of that structure and of those above it."""
    texts = _structure(requester, rows)
    known = {_link(row): row for row in rows if row["resourceType"] == "Organization"}
    pending = [link for link in known if link in texts]
    found: set[str] = set()
    while pending:
        link = pending.pop()
        if link in known and link not in found:
            found.add(link)
            pending.append(_reference(known[link].get("partOf"), reading))
    return found | texts | {text for link in found for text in _identifiers(known[link])}


def _works(team: JsonObject, members: set[str], now: Milliseconds, reading: Reading) -> bool:
    if team.get("status", "active") != "active" or not is_current(team.get("period"), now, reading):
        return False
    rows = [row for row in _objects(team.get("participant")) if is_current(row.get("period"), now, reading)]
    return any(_is_one_of(members, row.get("member"), reading) for row in rows)


def _gathers(group: JsonObject, members: set[str], now: Milliseconds, reading: Reading) -> bool:
    if group.get("actual") is not True:
        return False
    rows = [row for row in _objects(group.get("member")) if row.get("inactive") is not True]
    current = [row for row in rows if is_current(row.get("period"), now, reading)]
    return any(_is_one_of(members, row.get("entity"), reading) for row in current)


def is_current(period: Json, now: Milliseconds, reading: Reading) -> bool:
    """Tells whether a Period, or None, holds now; one that cannot be read does not."""
    if period is None:
        return True
    if not isinstance(period, dict):
        return False
    bounds = [period.get(key) for key in ("start", "end")]
    low, high = (_span(text, reading) for text in bounds)
    is_readable = all(text is None or span for text, span in zip(bounds, (low, high), strict=True))
    return is_readable and (low[0] if low else BEGINNING) <= now < (high[1] if high else END)


def _instants(row: JsonObject, reading: Reading) -> Iterator[Milliseconds]:
    """Yields the instants at which a role, a team or the place of a member begins or ends."""
    members = [*_objects(row.get("participant")), *_objects(row.get("member"))]
    for period in (part.get("period") for part in (row, *members)):
        if isinstance(period, dict):
            start, end = (_span(period.get(key), reading) for key in ("start", "end"))
            yield from [*(start or ())[:1], *(end or ())[1:]]


def _span(text: Json, reading: Reading) -> tuple[Milliseconds, Milliseconds] | None:
    return parse_span(text, reading.zone) if isinstance(text, str) else None


def _identifiers(row: JsonObject) -> Iterator[str]:
    for identifier in _objects(row.get("identifier")):
        yield f"{identifier.get('system')}|{identifier.get('value')}"


def _link(row: JsonObject) -> str:
    return f"{row['resourceType']}/{row.get('id')}"


def _reference(value: Json, reading: Reading) -> str:
    text = value.get("reference") if isinstance(value, dict) else None
    return bare_link(reading.base_url, text) if isinstance(text, str) else ""


def _is_one_of(texts: set[str], value: Json, reading: Reading) -> bool:
    """Tells whether a Reference names one of these, by its reference or by its identifier."""
    row = value if isinstance(value, dict) else {}
    named = {_reference(value, reading), *_identifiers({"identifier": [row.get("identifier")]})}
    return not texts.isdisjoint(named)


def _objects(value: Json) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
