"""Primitive values: the JSON type, and how the value is written. https://hl7.org/fhir/R4/datatypes.html#primitive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from fhir_dmp.json_text import FhirDecimal, Json, JsonObject
from fhir_dmp.validation.finding import RIGHT, FindingCode, Findings, one, quote, wrong_type
from fhir_dmp.validation.formats.format import Format
from fhir_dmp.validation.formats.narrative import NARRATIVE_FORMAT
from fhir_dmp.validation.formats.temporal import TEMPORAL_FORMATS
from fhir_dmp.validation.formats.text import ELEMENT_ID, TEXT_FORMATS
from fhir_dmp.validation.rule import Rule, Scope

_MAX_INTEGER = 2**31 - 1
MAX_DIGITS = 1000
"""Digits of a decimal; what is stored for searching keeps 34 of them."""
MAX_EXPONENT = 6000
"""The power of ten of a decimal's first digit, either way: within what MongoDB's Decimal128 can hold."""
_PLAIN = 34
"""Characters of a decimal without exponent that need not be counted."""


@dataclass(frozen=True, slots=True)
class StringRule:
    """A primitive that JSON writes as a string of a certain format."""

    format: Format

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns why the value is not one."""
        del scope
        if type(value) is not str:
            return wrong_type(f"a string ({self.format.type})", value)
        if self.format.accept(value):
            return RIGHT
        if not value:
            return one(FindingCode.EMPTY, "an empty string stands for no value: leave the property out")
        reason = self.format.explain(value)
        return one(self.format.code, f"{quote(value)} is not {self.format.title}: {reason}") if reason else RIGHT

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"primitive": self.format.type}


@dataclass(frozen=True, slots=True)
class BooleanRule:
    """true or false."""

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns a finding for anything else."""
        del scope
        return RIGHT if type(value) is bool else wrong_type("true or false", value)

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"primitive": "boolean"}


@dataclass(frozen=True, slots=True)
class IntegerRule:
    """A whole number of 32 bits; unsignedInt starts at 0, positiveInt at 1."""

    type: str
    title: str
    low: int

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns why the value is not one."""
        del scope
        if type(value) is int:
            is_right = self.low <= value <= _MAX_INTEGER
            return RIGHT if is_right else one(FindingCode.RANGE, self._explain(value))
        if isinstance(value, Decimal):
            is_whole = str(value).lstrip("-").isdigit()
            return one(FindingCode.RANGE if is_whole else FindingCode.FORMAT, self._explain(value))
        return wrong_type(f"a number ({self.type})", value)

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"primitive": self.type}

    def _explain(self, value: Json) -> str:
        expected = f"a whole number from {self.low} to {_MAX_INTEGER}, without fraction or exponent"
        return f"{quote(value)} is not {self.title}: expected {expected}"


@dataclass(frozen=True, slots=True)
class DecimalRule:
    """A number that the store can hold: up to MAX_DIGITS digits, up to ten to the power of MAX_EXPONENT."""

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns why the value is not one."""
        del scope
        if type(value) is int or isinstance(value, Decimal):
            return RIGHT if _is_bounded(value) else one(FindingCode.RANGE, self._explain(value))
        return wrong_type("a number (decimal)", value)

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"primitive": "decimal"}

    def _explain(self, value: Json) -> str:
        limits = f"at most {MAX_DIGITS} digits and an exponent from -{MAX_EXPONENT} to {MAX_EXPONENT}"
        return f"{quote(value)} is not a decimal that this server can hold: expected {limits}"


def _is_bounded(value: int | Decimal) -> bool:
    if isinstance(value, int):
        return abs(value) < 10**18 or abs(value) < 10**MAX_DIGITS
    if isinstance(value, FhirDecimal) and len(value.literal) <= _PLAIN and value.literal.replace(".", "").isdecimal():
        return True
    if not value.is_finite():
        return False
    _, digits, exponent = value.as_tuple()
    return (
        len(digits) <= MAX_DIGITS
        and -MAX_EXPONENT <= value.adjusted() <= MAX_EXPONENT
        and int(exponent) >= -MAX_EXPONENT
    )


def _string_rules() -> Mapping[str, Rule]:
    formats = (*TEXT_FORMATS, *TEMPORAL_FORMATS, NARRATIVE_FORMAT)
    return {item.type: StringRule(item) for item in formats}


PRIMITIVES: Mapping[str, Rule] = MappingProxyType(
    {
        **_string_rules(),
        "boolean": BooleanRule(),
        "integer": IntegerRule("integer", "an integer", -_MAX_INTEGER - 1),
        "unsignedInt": IntegerRule("unsignedInt", "an unsignedInt", 0),
        "positiveInt": IntegerRule("positiveInt", "a positiveInt", 1),
        "decimal": DecimalRule(),
    }
)
"""The rule of each primitive type of R4."""

ELEMENT_ID_RULE = StringRule(ELEMENT_ID)
