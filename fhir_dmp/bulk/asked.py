"""What an export is asked for, with the JSON that it is kept as."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from fhir_dmp.access.requester import Requester, party_of
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted: `types` in order; `patients` are ids, None where it is not confined to some.

    `since` is inclusive. `filters` are FHIR queries, each of a type (`Condition?code=…`): of a type that has some, what
    matches one of them. `group` is the id of the Group whose members `patients` were, and `url` the request as sent.
    """

    url: str
    types: tuple[str, ...]
    patients: tuple[str, ...] | None = None
    since: Milliseconds | None = None
    filters: tuple[str, ...] = ()
    group: str = ""


def write_asked(asked: Asked) -> JsonObject:
    """Returns what is wanted as JSON."""
    return asdict(asked)


def read_asked(row: JsonObject) -> Asked:
    """Returns what write_asked wrote."""
    patients = row["patients"]
    return Asked(
        url=row["url"],
        types=tuple(row["types"]),
        patients=None if patients is None else tuple(patients),
        since=row["since"],
        filters=tuple(row["filters"]),
        group=row["group"],
    )


def is_same(requester: Requester, owner: Requester) -> bool:
    """Tells whether this is who asked for the export: the same party through the same client, by whatever token."""
    return party_of(requester) == party_of(owner)
