"""Numbers across all records: the store counts, and tells no resource. Who may ask is decided before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol
from zoneinfo import ZoneInfo

from fhir_dmp.statistics.figures import Fed, Opened
from fhir_dmp.statistics.periods import Period


class Statistics(Protocol):
    """Every method may raise FhirError: unavailable, or too costly where counting takes longer than a query may."""

    async def opened(self, months: Period, least: int) -> Sequence[Opened]:
        """Returns how many records were opened, in the order of their months; none that are fewer than `least`."""
        ...

    async def fed(self, weeks: Period, zone: ZoneInfo, classes: Collection[str], least: int) -> Sequence[Fed]:
        """Returns how many documents came, by weeks of the time zone; none that are fewer than `least`.

        A document counts once, when it came, whatever became of it; not where its record was erased. One of none of
        the `classes` has the class "".
        """
        ...
