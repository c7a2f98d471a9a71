"""What the tests of conformance share: the definitions of R4, and profiles over them and others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import pytest

from fhir_dmp.conformance.profiles import Profiles
from fhir_dmp.loader import load_definitions, load_registry
from fhir_dmp.terminology.terminology import Terminology
from fhir_dmp.validation.compiler import Schemas

MakeProfiles = Callable[[Iterable[dict[str, Any]]], Profiles]


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    """The schemas of R4 4.0.1."""
    return Schemas(load_registry())


@pytest.fixture(scope="session")
def make_profiles() -> MakeProfiles:
    """Makes Profiles of R4 and some more definitions; those of R4 are found where there is no other."""
    return _make_profiles


def _make_profiles(definitions: Iterable[dict[str, Any]]) -> Profiles:
    found = dict(_terminology())
    for row in definitions:
        found[row["url"]] = row
        found[f"{row['url']}|{row.get('version', '')}"] = row
    return Profiles(found.get, Terminology(found.get), load_registry())


@cache
def _terminology() -> dict[str, dict[str, Any]]:
    rows = [row for row in load_definitions("terminology") if "url" in row]
    return {key: row for row in rows for key in (row["url"], f"{row['url']}|{row.get('version', '')}")}
