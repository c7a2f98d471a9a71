"""What is generated, once for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from random import Random

import pytest

from fhir_dmp.commands.generate import load_tables
from fhir_dmp.generation.links import Links
from fhir_dmp.generation.records import Batch, Plan, generate
from fhir_dmp.generation.tables import Tables

UNTIL = date(2026, 11, 22)
Generate = Callable[..., list[Batch]]


@pytest.fixture(scope="session")
def tables() -> Tables:
    """The figures that come with the package."""
    return load_tables()


@pytest.fixture(scope="session")
def generate_batches(tables: Tables) -> Generate:
    """Generates so many patients from a seed."""

    def run(patients: int, seed: int = 1, links: Links = Links.BY_ID, until: date = UNTIL) -> list[Batch]:
        return list(generate(Plan(patients, seed, until, 3, links), tables, Random))

    return run
