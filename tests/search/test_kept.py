"""What is kept of texts that clients write: short ones only, or a few thousand requests would fill the memory."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from datetime import UTC

import pytest

from fhir_dmp.fhirpath.temporal import parse_temporal
from fhir_dmp.fhirpath.ucum import measure
from fhir_dmp.search.links import reference_texts
from fhir_dmp.search.span import parse_span
from fhir_dmp.search.text import normalise
from fhir_dmp.search.unit import UCUM_SYSTEM, base_of
from fhir_dmp.search.words import stems

LENGTH, TIMES = 100_000, 50
READ: dict[str, Callable[[str], object]] = {
    "a date": lambda text: parse_span(text, UTC),
    "a date with a long fraction": lambda text: parse_span(f"2024-01-01T00:00:00.{text}", UTC),
    "a FHIRPath date": lambda text: parse_temporal(text, "DateTime"),
    "a FHIRPath date with a long fraction": lambda text: parse_temporal(f"2024-01-01T00:00:00.{text}", "DateTime"),
    "a unit": measure,
    "the code of a unit": lambda text: base_of(UCUM_SYSTEM, text),
    "the system of a unit": lambda text: base_of(text, "kg"),
    "a reference": lambda text: reference_texts(text, "http://a", frozenset({"Patient"})),
    "a name": normalise,
    "a word": stems,
}


@pytest.mark.parametrize("name", READ)
def test_long_texts_are_not_kept(name: str) -> None:
    READ[name]("1")
    tracemalloc.start()
    try:
        for number in range(TIMES):
            READ[name](f"{number}" + "1" * LENGTH)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < LENGTH * TIMES / 10
