"""Finding: what one rule has to say, and the stable codes it says it under.

A finding travels up the tree of rules; each node puts its own step in front of the path, so that nothing is spent on
paths as long as everything is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from fhir_dmp.json_text import Json, write_json
from fhir_dmp.outcome import Issue

LIMIT = 200
"""Findings after which validation stops: nobody reads more, and a hostile resource could make millions."""

_QUOTED = 80
_WRITTEN_BITS = 63
"""Integers beyond are only counted: nothing that was parsed is larger."""


class FindingCode(Enum):
    """The codes of `issue.details.coding`, each with its http://hl7.org/fhir/issue-type and its meaning."""

    RESOURCE_TYPE = ("structure-resource-type", "structure", "resourceType is missing, unknown or abstract.")
    UNKNOWN_PROPERTY = ("structure-unknown-property", "structure", "A JSON property that the type does not have.")
    REQUIRED = ("structure-required", "required", "An element that has to be there is absent.")
    CARDINALITY = ("structure-cardinality", "structure", "An array has more or fewer items than the element may have.")
    ARRAY = ("structure-array", "structure", "An array where one value stands, or one value where an array stands.")
    TYPE = ("structure-type", "structure", "Another JSON type than the one that the element is written as.")
    CHOICE = ("structure-choice", "structure", "More than one type is given for a choice element such as value[x].")
    EMPTY = ("structure-empty", "structure", "An empty object, array or string, or a null.")
    ALIGNMENT = ("structure-alignment", "structure", "A primitive's array and its '_' array do not match.")
    NO_CONTENT = ("structure-no-content", "invariant", "An element has neither value nor children (ele-1).")
    EXTENSION = ("extension-content", "invariant", "An extension has both value and extensions, or neither (ext-1).")
    FORMAT = ("primitive-format", "value", "A primitive is not written as its type demands.")
    RANGE = ("primitive-range", "value", "A number is beyond what its type, or this server, can hold.")
    NARRATIVE = ("narrative-xhtml", "invariant", "A narrative is not the limited XHTML of txt-1.")
    REFERENCE_FORMAT = ("reference-format", "value", "A literal reference that can lead to no resource.")
    REFERENCE_TARGET = ("reference-target", "structure", "A reference to a type that the element does not allow.")
    REFERENCE_CONTAINED = ("reference-contained", "not-found", "A local reference to no contained resource.")
    CONTAINED_NESTED = ("contained-nested", "structure", "A contained resource contains resources (dom-2).")
    CONTAINED_ID = ("contained-id", "structure", "A contained resource has no id of its own.")
    DEPTH = ("structure-depth", "too-costly", "The resource nests too deeply to be validated.")
    TOO_MANY = ("structure-too-many", "too-costly", "Validation stopped: there are more findings than are told.")

    def __init__(self, code: str, issue_type: str, meaning: str) -> None:
        """Names the parts of the value."""
        self.code = code
        self.issue_type = issue_type
        self.meaning = meaning


class Step(NamedTuple):
    """A step down into an object: the JSON property, and the element's name, which is what FHIRPath calls it."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with the value at `path`, counted from the value that the rule was given."""

    code: FindingCode
    message: str
    path: tuple[Step | int, ...] = ()

    def under(self, *steps: Step | int) -> Finding:
        """Returns the finding as seen from further up."""
        return Finding(self.code, self.message, (*steps, *self.path))

    def as_issue(self, root: str) -> Issue:
        """Returns the Issue for the client; `root` is the type of the resource that was validated.

        The message names JSON properties (`valueQuantity`), the expression elements (`value`).
        """
        keys, names = [root], [root]
        for step in self.path:
            keys.append(f"[{step}]" if isinstance(step, int) else f".{step.key}")
            names.append(f"[{step}]" if isinstance(step, int) else f".{step.name}")
        return Issue("error", self.code.code, f"{''.join(keys)}: {self.message}", "".join(names), self.code.issue_type)


Findings = Sequence[Finding]
"""What a rule returns; empty where the value is right."""

RIGHT: Findings = ()


def one(code: FindingCode, message: str, *path: Step | int) -> Findings:
    """Returns a single finding."""
    return (Finding(code, message, path),)


def wrong_type(expected: str, value: Json) -> Findings:
    """Returns the finding for a value that is not of the `expected` JSON type, as in "a string (date)"."""
    if value is None:
        return one(FindingCode.EMPTY, "null stands for no value: leave the property out")
    if type(value) is list:
        return one(FindingCode.ARRAY, f"expected {expected}, found an array where one value stands")
    return one(FindingCode.TYPE, f"expected {expected}, found {name_type(value)}")


def name_type(value: Json) -> str:
    """Returns the JSON type of a value, with its article, and the value where it is a scalar."""
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float | Decimal):
        return f"the number {quote(value)}"
    if isinstance(value, str):
        return f"the string {quote(value)}"
    if isinstance(value, dict):
        return "an object"
    return "null" if value is None else "an array"


def quote(value: Json) -> str:
    """Returns a scalar as a message may quote it: one line of at most 80 characters."""
    if isinstance(value, str):
        return f"'{_printable(value)}'"
    if isinstance(value, int) and value.bit_length() > _WRITTEN_BITS:
        return "a number of many digits"
    return _printable(write_json(value).decode())


def _printable(text: str) -> str:
    shown = text[:_QUOTED]
    if not shown.isprintable():
        shown = shown.encode("unicode_escape").decode()
    return shown if len(text) <= _QUOTED and len(shown) <= _QUOTED else shown[: _QUOTED - 1] + "…"
