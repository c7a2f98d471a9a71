"""Time zones by their names in IANA's database: https://www.iana.org/time-zones. The names are the caller's to give."""

from __future__ import annotations

from collections.abc import Collection

from fhir_dmp.terminology.membership import refused, unknown
from fhir_dmp.terminology.standard.standard import Standard

_URL = "https://www.iana.org/time-zones"


def build_time_zones(names: Collection[str]) -> Standard:
    """Returns the code system of these names; with none, nothing is known of it."""
    if not names:
        return Standard(_URL, rest=unknown("code-system-absent", "IANA's time zones are not here"))
    return Standard(_URL, tuple(sorted(names)), refused("it is no time zone of IANA's database"))
