"""What a developer is told about a property that does not exist."""

from __future__ import annotations

import pytest

from fhir_dmp.loader import load_registry
from fhir_dmp.validation.rules.unknown import build_unknown

NO_COMPANION = ": only primitive elements have a companion with '_', and extensions stand in the object itself"
FIRST_TYPES = "valueBase64Binary, valueBoolean, valueCanonical, valueCode, valueDate, valueDateTime…"
VALUE_TYPES = f": value[x] is written as one of {FIRST_TYPES}"


@pytest.mark.parametrize(
    ("group", "key", "hint"),
    [
        ("Patient", "birthdate", ": did you mean 'birthDate'?"),
        ("Patient", "identifiers", ": did you mean 'identifier'?"),
        ("Patient", "zzz", ""),
        ("Patient", "", ""),
        ("Patient", "_", ""),
        ("Patient", "name" * 20, ""),
        ("Patient", "_name", NO_COMPANION),
        ("Patient", "deceasedInteger", ": deceased[x] is written as one of deceasedBoolean, deceasedDateTime"),
        ("Extension", "value", VALUE_TYPES),
        ("Observation", "valueset", ": did you mean 'valueString'?"),
    ],
)
def test_hint_names_what_could_have_been_meant(group: str, key: str, hint: str) -> None:
    assert build_unknown(load_registry().group(group)).hint(key) == hint
