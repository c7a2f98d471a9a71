"""What the law makes of a record's life: who may open, close, reopen it and have it deleted, and when it is erased.

CSP L1111-13-1 (it opens unless the person objects; the holder closes it at any time), R1111-36 (kept ten years after
closing; deleted within three months of an express request; reopening restores what was kept), R1111-40 (the fund runs
it). An insurer never gets here: L1111-18.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum

from fhir_dmp.access.record import RecordState
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.instant import Milliseconds

KEPT_YEARS = 10
"""How long a closed record is kept."""
DELETION_DAYS = 60
"""How long after an express request a record is erased: the law gives three months, so one is left for trouble."""
PHYSICIAN, PHARMACIST = "10", "21"
"""Codes of TRE_G15."""


class Channel(Enum):
    """Who opened a record, or where: codes of https://fhir-dmp.fr/CodeSystem/dmp-channel."""

    PATIENT = "patient"
    PHYSICIAN = "physician"
    PHARMACY = "pharmacy"
    FUND = "fund"
    AUTOMATIC = "automatic"


class Closing(Enum):
    """Why a record is closed: codes of https://fhir-dmp.fr/CodeSystem/dmp-closing."""

    REQUEST = "request"
    DEATH = "death"
    DELETION = "deletion"


_OF_PROFESSION = {PHYSICIAN: Channel.PHYSICIAN, PHARMACIST: Channel.PHARMACY}
_FUND = frozenset({Kind.ADMINISTRATOR, Kind.SYSTEM})
"""The fund runs the DMP: its agents come with its system account."""
_HOLDERS = frozenset({Kind.PATIENT, Kind.REPRESENTATIVE})


def channel_of(requester: Requester, stated: str) -> Channel | None:
    """Returns by which channel a requester opens a record, None where he may not.

    `stated` is the code that he gives: the fund says whether its agent met the person or the law opened the record;
    for anyone else it may only repeat what he is.
    """
    if requester.kind in _FUND:
        return {"": Channel.FUND, "fund": Channel.FUND, "automatic": Channel.AUTOMATIC}.get(stated)
    if requester.kind in _HOLDERS:
        found: Channel | None = Channel.PATIENT
    else:
        is_known = requester.kind is Kind.PRACTITIONER
        found = _OF_PROFESSION.get(requester.profession) if is_known else None
    return found if found and stated in {"", found.value} else None


def is_entitled(requester: Requester, patient: str, state: RecordState | None, now: Milliseconds) -> bool:
    """Tells whether a requester decides about the life of a record that exists: its holder, for him, or the fund.

    Whether there is such a record does not matter to it: `state` is that of the record, None where it is not here.
    """
    if requester.kind in _FUND:
        return True
    if requester.kind not in _HOLDERS or requester.patient_id != patient:
        return False
    return requester.kind is Kind.PATIENT or (state is not None and state.is_represented(now))


def end_of_keeping(closed: Milliseconds) -> Milliseconds:
    """Returns when a record that was closed then is erased."""
    at = datetime.fromtimestamp(closed / 1000, UTC)
    try:
        later = at.replace(year=at.year + KEPT_YEARS)
    except ValueError:
        # closed on 29 February
        later = at.replace(year=at.year + KEPT_YEARS, month=3, day=1)
    return int(later.timestamp()) * 1000 + closed % 1000


def end_of_deletion(asked: Milliseconds) -> Milliseconds:
    """Returns when a record is erased whose deletion was asked for then."""
    return asked + int(timedelta(days=DELETION_DAYS).total_seconds()) * 1000
