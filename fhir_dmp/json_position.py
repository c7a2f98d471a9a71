"""Where an element stands in a JSON text: FHIRPath expression → line and column, https://hl7.org/fhir/R4/json.html.

An OperationOutcome names elements as FHIRPath does (`Observation.value.value`), their text is found under JSON's keys
(`valueQuantity`, `_birthDate`). One walk over the text finds any number of expressions; what none of them leads into
is skipped by the JSON scanner.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import NamedTuple


class Position(NamedTuple):
    """A place in a text, counted from 1; columns are characters."""

    line: int
    column: int


START = Position(1, 1)

_SCANNER = json.JSONDecoder(parse_int=str, parse_float=str, strict=False)
_BLANK = re.compile(r"[\s,:]*")
_COMMENT = re.compile(r"/\*.*?\*/")
_PART = re.compile(r"\[(\d+)\]|([A-Za-z_]\w*)(\([^)]*\))?")
_EXACT, _CHOICE, _COMPANION = 0, 1, 2
_NOWHERE = (9, -1)
_QUOTED = 64


class _Step:
    """What some expression names at this depth. `found` is the best key's rank and its offset in the text."""

    __slots__ = ("children", "found")

    def __init__(self) -> None:
        self.children: dict[str | int, _Step] = {}
        self.found = _NOWHERE

    def mark(self, rank: int, offset: int) -> None:
        """Keeps the offset unless a better key has led here before."""
        if rank < self.found[0]:
            self.found = (rank, offset)

    def match(self, key: str) -> tuple[_Step | None, int]:
        """Returns the step that a property belongs to, and how well its key fits the step's name."""
        name = key.removeprefix("_")
        companion = _EXACT if name == key else _COMPANION
        if name in self.children:
            return self.children[name], companion
        for wanted, step in self.children.items():
            if isinstance(wanted, str) and name.startswith(wanted) and name[len(wanted)].isupper():
                return step, _CHOICE + companion
        return None, _EXACT


def locate(text: str, expressions: Iterable[str]) -> dict[str, Position]:
    """Returns where each expression's element begins: its key, or the value of an array's item.

    An element that the text does not have is found at the nearest one around it. Expressions count from the root of
    the text, with or without its type (`Patient.name[0]`, `name[0]`). The text must be JSON that parses.
    """
    wanted = {expression: _parse_steps(expression) for expression in expressions}
    root = _Step()
    for steps in wanted.values():
        _plant(root, steps)
    begin = _skip_blank(text, 0)
    root.mark(_EXACT, begin)
    _visit(text, begin, root, _EXACT)
    return {expression: to_position(text, _deepest(root, steps)) for expression, steps in wanted.items()}


def find_fault(data: bytes) -> tuple[Position, str] | None:
    """Returns where a text stops being FHIR JSON, and why: its encoding, its syntax, or a property given twice.

    None where it is acceptable in these three respects.
    """
    try:
        text = data.decode()
        if text.startswith("\ufeff"):
            return Position(1, 1), "the text starts with a byte order mark; FHIR JSON is UTF-8 without one"
        json.loads(text)
        offset = _find_duplicate(text, _skip_blank(text, 0))
    except UnicodeDecodeError as fault:
        return to_position(data[: fault.start].decode(), fault.start), "the text is not UTF-8"
    except json.JSONDecodeError as fault:
        return Position(fault.lineno, fault.colno), fault.msg
    except (RecursionError, ValueError):
        return None
    if offset < 0:
        return None
    key = _SCANNER.raw_decode(text, offset)[0]
    return to_position(text, offset), f"the property '{key[:_QUOTED]}' appears twice in one object"


def to_position(text: str, offset: int) -> Position:
    """Returns the line and column of an offset in a text (its end, where the text is shorter)."""
    offset = min(offset, len(text))
    return Position(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def _parse_steps(expression: str) -> list[str | int]:
    """Splits an expression into names and indexes; functions (`ofType(Quantity)`) are no steps in JSON."""
    steps: list[str | int] = []
    for index, name, call in _PART.findall(_COMMENT.sub("", expression)):
        if index:
            steps.append(int(index))
        elif not call:
            steps.append(name)
    has_type = bool(steps) and isinstance(steps[0], str) and steps[0][0].isupper()
    return steps[1:] if has_type else steps


def _plant(step: _Step, steps: Iterable[str | int]) -> None:
    for name in steps:
        step = step.children.setdefault(name, _Step())


def _deepest(step: _Step, steps: Iterable[str | int]) -> int:
    """Returns the offset of the last of the steps that the text has."""
    offset = step.found[1]
    for name in steps:
        step = step.children[name]
        if step.found is _NOWHERE:
            break
        offset = step.found[1]
    return offset


def _visit(text: str, offset: int, step: _Step | None, rank: int) -> int:
    """Marks what is wanted within the value at an offset; returns where the value ends."""
    if step and step.children and text[offset] == "{":
        return _visit_object(text, offset, step, rank)
    if step and step.children and text[offset] == "[":
        return _visit_array(text, offset, step, rank)
    return _SCANNER.raw_decode(text, offset)[1]


def _visit_object(text: str, offset: int, step: _Step, rank: int) -> int:
    offset = _skip_blank(text, offset + 1)
    while text[offset] != "}":
        key, end = _SCANNER.raw_decode(text, offset)
        child, fit = step.match(key)
        if child:
            child.mark(rank + fit, offset)
        offset = _skip_blank(text, _visit(text, _skip_blank(text, end), child, rank + fit))
    return offset + 1


def _visit_array(text: str, offset: int, step: _Step, rank: int) -> int:
    """Visits the items; an expression without index means the first."""
    offset = _skip_blank(text, offset + 1)
    if text[offset] == "{":
        _visit_object(text, offset, step, rank)
    index = 0
    while text[offset] != "]":
        child = step.children.get(index)
        if child:
            child.mark(rank, offset)
        offset = _skip_blank(text, _visit(text, offset, child, rank))
        index += 1
    return offset + 1


def _find_duplicate(text: str, offset: int) -> int:
    """Returns the offset of the first key that its object has already, searching inwards; -1 where there is none."""
    seen: set[str] = set()
    is_object = text[offset] == "{"
    if not is_object and text[offset] != "[":
        return -1
    offset = _skip_blank(text, offset + 1)
    while text[offset] not in "]}":
        if is_object:
            begin = offset
            key, end = _SCANNER.raw_decode(text, offset)
            if key in seen:
                return begin
            seen.add(key)
            offset = _skip_blank(text, end)
        inside = _find_duplicate(text, offset)
        if inside >= 0:
            return inside
        offset = _skip_blank(text, _SCANNER.raw_decode(text, offset)[1])
    return -1


def _skip_blank(text: str, offset: int) -> int:
    """Returns the offset of the next token; in a text that parses, commas and colons carry nothing."""
    found = _BLANK.match(text, offset)
    return found.end() if found else offset
