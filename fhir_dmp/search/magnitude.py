"""Numbers with the precision they are written in. https://hl7.org/fhir/R4/search.html#number.

Both sides are held to 34 digits, which is what the store can compare exactly.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal

from fhir_dmp.json_text import Json

_FORM = re.compile(r"[+-]?\d{1,64}(\.\d{1,64})?(?:[eE]([+-]?\d{1,5}))?", re.ASCII)
_HELD = Context(prec=34, rounding=ROUND_HALF_EVEN, Emin=-6143, Emax=6144, clamp=1, traps=[])
_EXACT = Context(prec=200, rounding=ROUND_HALF_EVEN, traps=[])
_LARGEST_EXPONENT = 6000

INFINITY = Decimal("Infinity")


def hold(number: Decimal) -> Decimal:
    """Returns a number to 34 digits; what is too large for that is infinite."""
    return _HELD.plus(number)


def hold_json(value: Json) -> Decimal | None:
    """Returns the number that a JSON value is, or None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = hold(value if isinstance(value, Decimal) else Decimal(str(value)))
    return None if number.is_nan() else number


def just_below(number: Decimal) -> Decimal:
    """Returns the next smaller number that is held."""
    return _HELD.next_minus(number)


def just_above(number: Decimal) -> Decimal:
    """Returns the next greater number that is held."""
    return _HELD.next_plus(number)


def parse_number(text: str) -> tuple[Decimal, Decimal] | None:
    """Returns a written number and half the unit of its last digit; None where the text is no number.

    `100` is 100 and 0.5. An exponent without a decimal point counts one digit more, as the specification's example
    wants: `1e2` is 100 and 5.
    """
    form = _FORM.fullmatch(text)
    if form is None or abs(int(form[2] or 0)) > _LARGEST_EXPONENT:
        return None
    number = _EXACT.create_decimal(text)
    exponent = int(number.as_tuple().exponent)
    if form[2] is not None and form[1] is None:
        exponent -= 1
    return number, Decimal((0, (5,), exponent - 1))


def span_of(number: Decimal, margin: Decimal) -> tuple[Decimal, Decimal]:
    """Returns [number - margin, number + margin), held."""
    return hold(_EXACT.subtract(number, margin)), hold(_EXACT.add(number, margin))
