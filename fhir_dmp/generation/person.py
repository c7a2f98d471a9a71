"""A person: age, sex, names, birth and home, drawn from the population."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from fhir_dmp.generation.chance import draw_between, draw_one, happens
from fhir_dmp.generation.paris import age_at
from fhir_dmp.generation.tables import Department, Population

ADULT = 18
_MARRIED_NAME = 0.45
_MARRYING_AGE = 26


@dataclass(frozen=True, slots=True)
class Place:
    """Where someone is born: the Insee code of the commune or country, its name, the ISO code of the country."""

    code: str
    city: str
    country: str


@dataclass(frozen=True, slots=True)
class Person:
    """Someone. `family` is the name of birth; `used_family` differs for some women who are or were married."""

    is_male: bool
    birth: date
    age: int
    family: str
    used_family: str
    given: tuple[str, ...]
    birth_place: Place
    home: Department
    street: str

    @property
    def name(self) -> str:
        """The name that people call this person by."""
        return f"{self.given[0]} {self.used_family}"

    @property
    def is_minor(self) -> bool:
        """Tells whether someone else decides."""
        return self.age < ADULT


def draw_person(chance: Random, population: Population, until: date) -> Person:
    """Draws someone who lives in France at a date."""
    age = population.ages.draw(chance)
    is_male = not happens(chance, _share_of_women(population, age))
    birth = _draw_birth(chance, age, until)
    home = population.homes.draw(chance)
    family = draw_one(chance, population.families)
    is_renamed = not is_male and age >= _MARRYING_AGE and happens(chance, _MARRIED_NAME)
    return Person(
        is_male=is_male,
        birth=birth,
        age=age,
        family=family,
        used_family=draw_one(chance, population.families) if is_renamed else family,
        given=draw_given(chance, population, birth.year, is_male=is_male),
        birth_place=_draw_birth_place(chance, population, home),
        home=home,
        street=f"{draw_between(chance, 1, 120)} {draw_one(chance, population.streets)}",
    )


def draw_given(chance: Random, population: Population, year: int, *, is_male: bool) -> tuple[str, ...]:
    """Draws two given names of a year of birth."""
    place = bisect_right([first for first, _, _ in population.given], year) - 1
    _, men, women = population.given[max(place, 0)]
    first, second = draw_one(chance, men if is_male else women), draw_one(chance, men if is_male else women)
    return (first,) if first == second else (first, second)


def as_civil_name(text: str) -> str:
    """Returns a name as the INS has it: capital letters without accents, ligatures in two letters."""
    plain = unicodedata.normalize("NFD", text.replace("œ", "oe").replace("Œ", "OE").replace("\u00a0", " "))
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).upper()


def _share_of_women(population: Population, age: int) -> float:
    place = bisect_right([first for first, _ in population.women], age) - 1
    return population.women[place][1]


def _draw_birth(chance: Random, age: int, until: date) -> date:
    """Draws a birthday that makes someone this old at a date."""
    latest = date(until.year - age, until.month, min(until.day, 28))
    birth = latest - timedelta(days=draw_between(chance, 1, 364))
    return birth if age_at(birth, until) == age else latest


def _draw_birth_place(chance: Random, population: Population, home: Department) -> Place:
    if happens(chance, population.mobility["abroad"]):
        country = population.countries.draw(chance)
        return Place(country.code, country.name, country.iso)
    at_home = happens(chance, population.mobility["same_department"])
    department = home if at_home else population.homes.draw(chance)
    return Place(department.commune, department.city, "FRA")
