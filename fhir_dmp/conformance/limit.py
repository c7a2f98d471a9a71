"""maxLength, minValue[x] and maxValue[x], as constraints in FHIRPath: what does not compare holds.

https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.minValue_x_
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fhir_dmp.conformance.row import Constraint, Limit
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.validation.finding import quote

_NUMBERS = frozenset({"integer", "decimal", "positiveint", "unsignedint"})
_MOMENTS = frozenset({"date", "datetime", "instant"})
_QUANTITIES = frozenset({"quantity", "age", "count", "distance", "duration", "moneyquantity", "simplequantity"})
_UCUM = "http://unitsofmeasure.org"
_CALENDAR = {"a": "years", "mo": "months", "wk": "weeks", "d": "days", "h": "hours", "min": "minutes", "s": "seconds"}
"""UCUM's units of time, as durations that a moment can be moved by."""


def build_limits(limits: Iterable[Limit], type_name: str) -> Iterator[Constraint]:
    """Yields the constraints on values of one type; nothing for a limit of another type."""
    for limit in limits:
        if limit.kind == "maxLength":
            human = f"the value has at most {limit.value} characters"
            yield Constraint("maxLength", "error", human, f"$this.toString().length() <= {limit.value}")
            continue
        bound = _write(limit, type_name.lower())
        if bound:
            operator, words = (">=", "at least") if limit.kind == "minValue" else ("<=", "at most")
            human = f"the value is {words} {_show(limit.value)}"
            yield Constraint(limit.kind, "error", human, f"$this {operator} {bound}")


def _write(limit: Limit, kind: str) -> str:
    """The limit as FHIRPath has it, for values of a type in small letters; empty where the two do not compare."""
    value, of = limit.value, limit.type_name
    if kind in _NUMBERS and of in _NUMBERS:
        return f"({_number(value)})"
    if kind in _MOMENTS and of in _MOMENTS:
        return f"@{value}" if kind == "date" or "T" in value else f"@{value}T"
    if kind == of == "time":
        return f"@T{value}"
    if of not in _QUANTITIES or value.get("system", _UCUM) != _UCUM or "value" not in value:
        return ""
    if kind in _MOMENTS:
        return _move(value, kind, "-" if limit.kind == "minValue" else "+")
    return _quantity(value) if kind in _QUANTITIES else ""


def _quantity(value: JsonObject) -> str:
    unit = value.get("code", "1").replace("\\", "\\\\").replace("'", "\\'")
    return f"({_number(value['value'])} '{unit}')"


def _move(value: JsonObject, kind: str, sign: str) -> str:
    """A limit that moves with the present: so long before it, or after it."""
    unit = _CALENDAR.get(value.get("code", ""))
    present = "today()" if kind == "date" else "now()"
    return f"{present} {sign} ({_number(value['value'])} {unit})" if unit else ""


def _number(value: Json) -> str:
    """The number without exponent, which FHIRPath does not have."""
    return str(value) if isinstance(value, int) else f"{value:f}"


def _show(value: Json) -> str:
    if not isinstance(value, dict):
        return quote(value) if not isinstance(value, str) else value[:80]
    return " ".join(str(value[key])[:40] for key in ("value", "code") if key in value)
