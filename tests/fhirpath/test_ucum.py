"""UCUM codes: what they measure, and which codes are none: https://ucum.org/ucum."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.fhirpath.quantity import Quantity, compare_quantity, convert, is_comparable, quantity_key
from fhir_dmp.fhirpath.ucum import measure
from fhir_dmp.fhirpath.ucum_units import BASE_UNITS, METRIC, OTHER, TEMPERATURES

SYMBOLS = [*BASE_UNITS, *TEMPERATURES, *(word.partition("=")[0] for word in (METRIC + OTHER).split() if "=" in word)]


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_unit_of_the_table_has_a_measure(symbol: str) -> None:
    found = measure(symbol)
    assert found is not None
    assert found.factor > 0


@pytest.mark.parametrize(
    ("number", "unit", "expected", "other"),
    [
        ("1", "kg", "1000", "g"),
        ("1", "h", "3600", "s"),
        ("1", "mm[Hg]", "133.322", "Pa"),
        ("1", "[in_i]", "2.54", "cm"),
        ("1", "[lb_av]", "453.59237", "g"),
        ("10", "[S]", "1", "ps"),
        ("1", "[LPF]", "100", "[HPF]"),
        ("1", "Ao", "0.1", "nm"),
        ("1", "[acr_br]", "160", "[rd_br]2"),
        ("1", "[pied]", "144", "[ligne]"),
        ("1", "L", "1", "dm3"),
        ("1", "mL", "1", "cm3"),
        ("1", "10*3/uL", "1", "10*9/L"),
        ("1", "mg/dL", "10", "mg/L"),
        ("1", "%", "0.01", "1"),
        ("1", "mmol/L", "1000", "umol/L"),
        ("1", "kcal", "4.184", "kJ"),
        ("37", "Cel", "98.6", "[degF]"),
        ("0", "Cel", "273.15", "K"),
        ("1", "a", "365.25", "d"),
        ("1", "wk", "7", "d"),
        ("1", "g/m2", "0.001", "kg/m2"),
        ("60", "/min", "1", "/s"),
        ("1", "{beats}/min", "1", "/min"),
        ("1", "ug/kg/min", "60", "ug/kg/h"),
        ("1", "m.s-2", "1", "m/s2"),
        ("1", "(m/s)/s", "1", "m/s2"),
        ("1", "[IU]/L", "1000", "m[iU]/L"),
        ("1", "KiBy", "8192", "bit"),
        ("1", "m2.kg/s2", "1", "J"),
        ("1", "meq/L", "1", "mmol/L"),
        ("2", "[ft_i]", "24", "[in_i]"),
        ("1", "mg{creat}", "1", "mg"),
    ],
)
def test_conversion(number: str, unit: str, expected: str, other: str) -> None:
    quantity = Quantity(Decimal(number), unit)
    found = convert(quantity, Quantity(Decimal(1), other))
    assert found is not None
    assert abs(found - Decimal(expected)) < Decimal("1e-9")
    assert is_comparable(quantity, Quantity(Decimal(1), other))


@pytest.mark.parametrize(
    "code",
    [
        "",
        "foo",
        "kkg",
        "k[in_i]",
        "kg/",
        "/",
        "kg//m",
        "(kg",
        "kg)",
        "kg m",
        "{open",
        "[in_i",
        "m^2",
        "m²",
        "KG",
        "kg.",
        "..",
        "m200",
        "(" * 30 + "m" + ")" * 30,
        "m." * 150 + "m",
        "k%",
        "da",
        "-",
        "1.5.m.x",
    ],
)
def test_what_is_no_ucum_code_has_no_measure(code: str) -> None:
    assert measure(code) is None


@pytest.mark.parametrize(
    ("left", "right"),
    [("kg", "m"), ("[iU]", "mol"), ("[iU]", "[arb'U]"), ("Cel", "s"), ("http://example.org|pill", "1"), ("[pH]", "1")],
)
def test_units_of_different_kinds_do_not_compare(left: str, right: str) -> None:
    one, other = Quantity(Decimal(1), left), Quantity(Decimal(1), right)
    assert compare_quantity(one, other) is None
    assert convert(one, other) is None
    assert not is_comparable(one, other)
    assert quantity_key(one) != quantity_key(other)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (Quantity(Decimal(1), "week", calendar=True), Quantity(Decimal(7), "day", calendar=True), 0),
        (Quantity(Decimal(1), "day", calendar=True), Quantity(Decimal(24), "h"), 0),
        (Quantity(Decimal(1), "year", calendar=True), Quantity(Decimal(12), "month", calendar=True), 0),
        (Quantity(Decimal(1), "year", calendar=True), Quantity(Decimal(1), "a"), None),
        (Quantity(Decimal(2), "month", calendar=True), Quantity(Decimal(1), "month", calendar=True), 1),
        (Quantity(Decimal(1), "x|pill"), Quantity(Decimal(2), "x|pill"), -1),
    ],
)
def test_calendar_durations_and_local_units(left: Quantity, right: Quantity, expected: int | None) -> None:
    assert compare_quantity(left, right) == expected
    assert (quantity_key(left) == quantity_key(right)) == (expected == 0)


LENGTHS = st.sampled_from(["m", "cm", "km", "[in_i]", "[ft_i]", "mm", "10*-3.m"])
NUMBERS = st.decimals(-1000, 1000, places=3)


@given(NUMBERS, LENGTHS, NUMBERS, LENGTHS)
def test_lengths_compare_by_their_metres(left: Decimal, unit: str, right: Decimal, other: str) -> None:
    metres = []
    for number, code in ((left, unit), (right, other)):
        found = measure(code)
        assert found is not None
        metres.append(Fraction(number) * found.factor)
    one, another = Quantity(left, unit), Quantity(right, other)
    assert compare_quantity(one, another) == (metres[0] > metres[1]) - (metres[0] < metres[1])
    assert (quantity_key(one) == quantity_key(another)) == (metres[0] == metres[1])


@given(st.text(alphabet="kmgLs/.()[]{}0123456789*^-'%aACeh", max_size=12))
def test_any_text_has_a_measure_or_none(code: str) -> None:
    found = measure(code)
    assert found is None or found.factor > 0
