"""Countries and their subdivisions, ISO 3166: https://www.iso.org/iso-3166-country-codes.html.

https://hl7.org/fhir/R4/valueset-jurisdiction.html binds to urn:iso:std:iso:3166 (part 1) and urn:iso:std:iso:3166:-2.
"""

from __future__ import annotations

import re

from fhir_dmp.terminology.codes import Rule
from fhir_dmp.terminology.membership import Membership, refused, unknown
from fhir_dmp.terminology.standard.country_codes import COUNTRIES
from fhir_dmp.terminology.standard.standard import Standard

ALPHA_TWO = frozenset(row[0] for row in COUNTRIES)
_USER_ASSIGNED = re.compile(r"AA|Q[M-Z]|X[A-Z]|ZZ|AA[A-Z]|Q[M-Z][A-Z]|X[A-Z]{2}|ZZ[A-Z]|9\d\d")
_SUBDIVISION = re.compile(r"([A-Z]{2})-[A-Z0-9]{1,3}")
_ASSIGNED = unknown("standard-open", "ISO 3166-1 leaves this code to its users (Kosovo's XK is one)")
_UNLISTED = unknown("code-system-absent", "the subdivisions of ISO 3166-2 are not here")


def _decide_country(code: str) -> Membership:
    return _ASSIGNED if _USER_ASSIGNED.fullmatch(code) else refused("it is no code of ISO 3166-1")


def _decide_subdivision(code: str) -> Membership:
    match = _SUBDIVISION.fullmatch(code)
    if match is None or match[1] not in ALPHA_TWO:
        return refused("it is not a country's code, a hyphen and one to three characters (ISO 3166-2)")
    return _UNLISTED


COUNTRY = Standard(
    "urn:iso:std:iso:3166",
    codes=tuple(code for column in range(3) for code in sorted(row[column] for row in COUNTRIES)),
    rest=Rule(_decide_country, _ASSIGNED),
)
SUBDIVISION = Standard("urn:iso:std:iso:3166:-2", rest=Rule(_decide_subdivision, _UNLISTED))
