"""Units of UCUM in base units, so that 1 g and 1000 mg are one quantity. https://hl7.org/fhir/R4/search.html#quantity."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import NamedTuple

from fhir_dmp.fhirpath.ucum import MAX_LENGTH, measure
from fhir_dmp.search.magnitude import hold

UCUM_SYSTEM = "http://unitsofmeasure.org"
_EXACT = Context(prec=200, rounding=ROUND_HALF_EVEN, traps=[])


class Base(NamedTuple):
    """Base units: `code` names them (`g1`, `g1.m-3`; "1" of none); n of the unit is (n + offset) * up / down."""

    code: str
    offset: Decimal
    up: Decimal
    down: Decimal

    def convert(self, number: Decimal) -> Decimal:
        """Returns a number of the unit in base units, held. Grows with the number."""
        shifted = _EXACT.add(number, self.offset) if self.offset else number
        return hold(_EXACT.divide(_EXACT.multiply(shifted, self.up), self.down))


def base_of(system: str, code: str) -> Base | None:
    """Returns the base units of a unit; None where it is none of UCUM, or on a scale that is not linear."""
    return _base_of(code) if system == UCUM_SYSTEM and len(code) <= MAX_LENGTH else None


@lru_cache(maxsize=4096)
def _base_of(code: str) -> Base | None:
    found = measure(code)
    if found is None:
        return None
    name = ".".join(f"{unit}{power}" for unit, power in found.dimensions) or "1"
    offset = _EXACT.divide(Decimal(found.offset.numerator), Decimal(found.offset.denominator))
    return Base(name, offset, Decimal(found.factor.numerator), Decimal(found.factor.denominator))
