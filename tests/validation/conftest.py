"""What the tests of validation share: the schemas of R4, compiled once."""

from __future__ import annotations

import pytest

from fhir_dmp.loader import load_registry
from fhir_dmp.validation.compiler import Schemas


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    """The schemas of R4 4.0.1."""
    return Schemas(load_registry())
