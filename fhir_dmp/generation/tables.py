"""The figures that people and care are drawn by: the JSON files of `data/`, each table with its source and year."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhir_dmp.generation.chance import Weighted
from fhir_dmp.json_text import JsonObject

Rates = tuple[float, ...]
"""A figure for each age class."""


@dataclass(frozen=True, slots=True)
class Department:
    """A département, with its prefecture: the commune where its people live."""

    code: str
    thousands: int
    commune: str
    postal_code: str
    city: str


@dataclass(frozen=True, slots=True)
class Country:
    """A country of birth: its Insee code, its name, its ISO 3166 code."""

    code: str
    name: str
    iso: str


@dataclass(frozen=True, slots=True)
class Population:
    """Who lives in France: ages, sexes, places, names."""

    ages: Weighted[int]
    women: tuple[tuple[int, float], ...]
    departments: tuple[Department, ...]
    homes: Weighted[Department]
    abroad: tuple[Country, ...]
    countries: Weighted[Country]
    mobility: Mapping[str, float]
    families: list[str]
    given: tuple[tuple[int, list[str], list[str]], ...]
    streets: list[str]


@dataclass(frozen=True, slots=True)
class Tables:
    """Every figure. `care` and `medicine` hold the rows of the tables of those files, by name."""

    population: Population
    bands: tuple[int, ...]
    care: Mapping[str, Any]
    medicine: Mapping[str, Any]

    def band(self, age: int) -> int:
        """Returns the number of an age's class."""
        return max(bisect_right(self.bands, age) - 1, 0)


def parse_tables(population: JsonObject, care: JsonObject, medicine: JsonObject) -> Tables:
    """Reads the three files. Raises KeyError where a table is missing."""
    rows = {name: table["rows"] for name, table in care.items()}
    return Tables(
        population=_parse_population({name: table["rows"] for name, table in population.items()}),
        bands=tuple(rows["bands"]),
        care=rows,
        medicine={name: table["rows"] for name, table in medicine.items()},
    )


def _parse_population(rows: JsonObject) -> Population:
    departments = tuple(Department(*row) for row in rows["departments"])
    abroad = [(Country(code, name, iso), weight) for code, name, iso, weight in rows["countries"]]
    return Population(
        ages=_parse_ages(rows["ages"]),
        women=tuple((first, share) for first, share in rows["women"]),
        departments=departments,
        homes=Weighted((row, row.thousands) for row in departments),
        abroad=tuple(country for country, _ in abroad),
        countries=Weighted(abroad),
        mobility=rows["mobility"],
        families=rows["families"],
        given=tuple((first, men, women) for first, men, women in rows["given"]),
        streets=rows["streets"],
    )


def _parse_ages(rows: list[list[int]]) -> Weighted[int]:
    """Spreads each class evenly over its years."""
    ends = [first for first, _ in rows[1:]] + [105]
    classes = zip(rows, ends, strict=True)
    return Weighted((age, size / (end - first)) for (first, size), end in classes for age in range(first, end))
