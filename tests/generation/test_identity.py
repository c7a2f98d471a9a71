"""Numbers with a right key, and matricules that nobody has twice."""

from __future__ import annotations

from datetime import date

import pytest

from fhir_dmp.generation.identity import BirthRegister, with_luhn_digit

# numbers of the demonstration records
LUHN = [("9990000001", "99900000011"), ("99000001", "990000010"), ("99999900", "999999006")]


@pytest.mark.parametrize(("number", "whole"), LUHN)
def test_luhn_digit_is_that_of_known_numbers(number: str, whole: str) -> None:
    assert with_luhn_digit(number) == whole


def test_matricule_says_sex_month_commune_and_order() -> None:
    register = BirthRegister(["80001", "2A004"], seed=0)
    assert register.register(date(1953, 3, 17), "80001", is_male=True)[:13] == "1530380001001"
    assert register.register(date(1953, 3, 2), "80001", is_male=True)[:13] == "1530380001002"
    assert register.register(date(1953, 3, 2), "80001", is_male=False)[:13] == "2530380001001"
    assert register.register(date(1999, 12, 31), "2A004", is_male=True)[:13] == "199122A004001"


def test_matricules_of_one_month_and_commune_differ() -> None:
    register = BirthRegister(["75056"], seed=7)
    given = [register.register(date(1990, 1, 1), "75056", is_male=True) for _ in range(990)]
    assert len(set(given)) == 990
