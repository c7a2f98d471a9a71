"""fixed[x] and pattern[x]: https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.fixed_x_.

Fixed values are equal in everything, patterns are contained: each property, and for each item of an array some item.
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_dmp.conformance.finding import RIGHT, Code, Findings, one
from fhir_dmp.conformance.visit import Visit
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.validation.finding import quote


@dataclass(frozen=True, slots=True)
class FixedRule:
    """The value is exactly this one."""

    fixed: Json

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns where the value differs first."""
        del element, visit
        if matches(value, self.fixed, exact=True):
            return RIGHT
        difference = explain_difference(value, self.fixed, exact=True)
        return one("error", Code.FIXED, f"the value is fixed: {difference}")

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"fixed": self.fixed}


@dataclass(frozen=True, slots=True)
class PatternRule:
    """The value contains this one."""

    pattern: Json

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns what the value lacks first."""
        del element, visit
        if matches(value, self.pattern, exact=False):
            return RIGHT
        difference = explain_difference(value, self.pattern, exact=False)
        return one("error", Code.PATTERN, f"the value has to match a pattern: {difference}")

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"pattern": self.pattern}


def matches(value: Json, expected: Json, *, exact: bool) -> bool:
    """Tells whether a value is the expected one, or contains it; what explain_difference explains, in no words."""
    kind = type(expected)
    if kind is dict:
        if type(value) is not dict or (exact and len(value) != len(expected)):
            return False
        return all(key in value and matches(value[key], item, exact=exact) for key, item in expected.items())
    if kind is not list:
        return type(value) not in {dict, list} and _same_primitive(value, expected)
    if type(value) is not list:
        return False
    if exact:
        pairs = zip(value, expected, strict=False)
        return len(value) == len(expected) and all(matches(item, wanted, exact=True) for item, wanted in pairs)
    return all(any(matches(item, wanted, exact=False) for item in value) for wanted in expected)


def explain_difference(value: Json, expected: Json, *, exact: bool, path: str = "") -> str:
    """Returns the first difference as "system: expected 'a', found 'b'", empty where there is none."""
    if type(expected) is dict and type(value) is dict:
        return _explain_object(value, expected, path, exact=exact)
    if type(expected) is list and type(value) is list:
        return _explain_array(value, expected, path, exact=exact)
    if type(value) in {dict, list} or type(expected) in {dict, list} or not _same_primitive(value, expected):
        return f"{path + ': ' if path else ''}expected {_show(expected)}, found {_show(value)}"
    return ""


def _explain_object(value: JsonObject, expected: JsonObject, path: str, *, exact: bool) -> str:
    for key, item in expected.items():
        below = f"{path}.{key}" if path else key
        difference = explain_difference(value.get(key), item, exact=exact, path=below)
        if difference:
            return difference
    added = [key for key in value if key not in expected] if exact else []
    return f"{path + ': ' if path else ''}'{added[0]}' is not part of it" if added else ""


def _explain_array(value: list[Json], expected: list[Json], path: str, *, exact: bool) -> str:
    if exact:
        if len(value) != len(expected):
            return f"{path}: expected {len(expected)} items, found {len(value)}"
        differences = (
            explain_difference(item, wanted, exact=True, path=f"{path}[{index}]")
            for index, (item, wanted) in enumerate(zip(value, expected, strict=True))
        )
        return next((text for text in differences if text), "")
    for wanted in expected:
        differences_of = [explain_difference(item, wanted, exact=False, path=path) for item in value]
        if all(differences_of):
            return differences_of[0] if len(value) == 1 else f"{path}: none of the items has {_show(wanted)}"
    return ""


def _same_primitive(value: Json, expected: Json) -> bool:
    return bool(value == expected) and (type(value) is bool) == (type(expected) is bool)


def _show(value: Json) -> str:
    return "nothing" if value is None else quote(value)
