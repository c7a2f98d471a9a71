"""The département where somebody lives, by his postal code: TRE_G09-DepartementOM."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fhir_dmp.json_text import JsonObject

DEPARTMENT = "https://mos.esante.gouv.fr/NOS/TRE_G09-DepartementOM/FHIR/TRE-G09-DepartementOM"
_POSTAL_CODE = re.compile(r"(\d{2})(\d)\d{2}", re.ASCII)
_FRANCE = frozenset({"", "FR", "FRA", "FRANCE"})
_OVERSEAS = frozenset({"97", "98"})
_CORSICA = "20"
_SOUTH = frozenset("01")
"""The third digit in Corse-du-Sud; all others are Haute-Corse."""


def department_of(patient: JsonObject) -> str:
    """Returns the code of the département of the first French address that tells it, "" where none does.

    Of a few communes the post is that of the neighbouring département: they count there.
    """
    return next(filter(None, map(_read, _postal_codes(patient))), "")


def _postal_codes(patient: JsonObject) -> Iterator[str]:
    for address in patient.get("address", ()):
        if str(address.get("country", "")).upper() in _FRANCE and address.get("use") != "old":
            yield str(address.get("postalCode", ""))


def _read(postal_code: str) -> str:
    found = _POSTAL_CODE.fullmatch(postal_code.strip())
    if not found or found[1] in {"00", "96", "99"}:
        return ""
    if found[1] in _OVERSEAS:
        return found[1] + found[2]
    if found[1] == _CORSICA:
        return "2A" if found[2] in _SOUTH else "2B"
    return found[1]
