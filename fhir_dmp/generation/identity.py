"""Numbers of people and structures with a right key: matricule INS, RPPS, FINESS.

The matricule is the 13 characters of the NIR and a key of two digits; the order of births of a month and commune
makes it unique (référentiel INS, https://esante.gouv.fr/produits-services/referentiel-ins). All numbers made here are
of ranges for tests: INS under the test OID, RPPS from 9991, FINESS from 991.
"""

from __future__ import annotations

from array import array
from datetime import date

from fhir_dmp.ins.matricule import matricule_key

_ORDERS = 990
_YEARS = 200
_FIRST_YEAR = 1850
_OVER_NINE = 9


class BirthRegister:
    """The orders of birth that are taken, for each month, commune and sex: memory does not grow with the people."""

    def __init__(self, communes: list[str], seed: int) -> None:
        """Starts each month's count at a place that follows from the seed."""
        self._places = {code: place for place, code in enumerate(communes)}
        self._taken = array("H", bytes(2 * 2 * 12 * _YEARS * len(communes)))
        self._first = seed * 137 % _ORDERS

    def register(self, birth: date, commune: str, *, is_male: bool) -> str:
        """Returns the matricule INS of a person who is born there then: 15 characters."""
        month = (birth.year - _FIRST_YEAR) * 12 + birth.month - 1
        cell = (self._places[commune] * _YEARS * 12 + month) * 2 + is_male
        order = (self._first + self._taken[cell]) % _ORDERS + 1
        self._taken[cell] += 1
        number = f"{1 if is_male else 2}{birth.year % 100:02d}{birth.month:02d}{commune}{order:03d}"
        return number + matricule_key(number)


def with_luhn_digit(number: str) -> str:
    """Returns digits with the one more that makes their Luhn sum a multiple of ten."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > _OVER_NINE else doubled
    return f"{number}{-total % 10}"
