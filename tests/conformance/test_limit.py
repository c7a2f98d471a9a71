"""Limits as FHIRPath: one row for each way in which a limit is written."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from fhir_dmp.conformance.limit import build_limits
from fhir_dmp.conformance.row import Limit

if TYPE_CHECKING:
    from fhir_dmp.json_text import Json

DAYS = {"value": 30, "system": "http://unitsofmeasure.org", "code": "d"}


@pytest.mark.parametrize(
    ("limit", "type_name", "expressions"),
    [
        (Limit("maxLength", "", 5), "uri", ["$this.toString().length() <= 5"]),
        (Limit("minValue", "date", "2000"), "date", ["$this >= @2000"]),
        (Limit("minValue", "date", "2000"), "dateTime", ["$this >= @2000T"]),
        (Limit("maxValue", "time", "08:00:00"), "time", ["$this <= @T08:00:00"]),
        (Limit("minValue", "integer", -1), "positiveInt", ["$this >= (-1)"]),
        (Limit("maxValue", "decimal", Decimal("1E-7")), "decimal", ["$this <= (0.0000001)"]),
        (Limit("maxValue", "quantity", DAYS), "Age", ["$this <= (30 'd')"]),
        (Limit("minValue", "quantity", DAYS), "date", ["$this >= today() - (30 days)"]),
        (Limit("maxValue", "quantity", DAYS), "instant", ["$this <= now() + (30 days)"]),
        (Limit("maxValue", "quantity", {**DAYS, "system": "urn:x"}), "Quantity", []),
        (Limit("maxValue", "quantity", DAYS), "string", []),
        (Limit("maxValue", "integer", 1), "boolean", []),
    ],
)
def test_limit_is_a_constraint(limit: Limit, type_name: str, expressions: list[Json]) -> None:
    assert [item.expression for item in build_limits([limit], type_name)] == expressions
