"""The report of a load: how many resources were created, updated, unchanged, refused, and why each was refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fhir_dmp.commands.check import split_path
from fhir_dmp.commands.connection import read_message
from fhir_dmp.json_position import START, Position, locate

OUTCOMES = ("created", "updated", "unchanged", "deleted", "read", "refused")
_ALWAYS_TOLD = frozenset({"created", "updated", "unchanged", "refused"})
_ENTRY = re.compile(r"Bundle\.entry\[(\d+)\](\.resource)?(.*)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a resource comes from. `frame` is the FHIRPath of the resource in its text.

    `text` and `line` are those of an ndjson file's line; without a text the place is in the file as a whole.
    """

    file: Path
    frame: str = ""
    line: int = 1
    text: bytes = b""

    def translate(self, expression: str) -> str:
        """Returns an expression about the entry that was sent as one about the file."""
        found = _ENTRY.fullmatch(expression)
        if not found:
            return self.frame
        if found[2]:
            return self.frame + found[3]
        return self.frame.removesuffix(".resource") + found[3] if self.frame.endswith(".resource") else self.frame


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why something was not loaded; `position` is looked up in the file when it is None."""

    place: Place
    message: str
    code: str = ""
    expression: str = ""
    position: Position | None = None

    def as_line(self, position: Position) -> str:
        """Returns the refusal as compilers write an error."""
        message = split_path(self.message)[1]
        at = f"{self.expression}: " if self.expression else ""
        code = f" [{self.code}]" if self.code else ""
        return f"{self.place.file}:{position.line}:{position.column}: error: {at}{message.rstrip('.')}{code}"


@dataclass(slots=True)
class Report:
    """What became of the resources. `skipped` were acknowledged in an earlier, interrupted run."""

    tally: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    skipped: int = 0

    def add(self, tally: Mapping[str, int], refusals: Iterable[Refusal]) -> None:
        """Adds what became of one request."""
        self.tally.update(tally)
        self.refusals.extend(refusals)

    def lines(self) -> Iterator[str]:
        """Yields the refusals, and then the counts."""
        by_file: dict[Path, list[Refusal]] = {}
        for refusal in self.refusals:
            by_file.setdefault(refusal.place.file, []).append(refusal)
        for file, refusals in by_file.items():
            yield from _list_refusals(file, refusals)
        yield ", ".join(f"{self.tally[name]:,} {name}" for name in OUTCOMES if self.tally[name] or name in _ALWAYS_TOLD)
        if self.skipped:
            yield f"{self.skipped:,} were loaded before and skipped (--restart sends them again)"


def read_refusal(place: Place, issue: Mapping[str, object]) -> Refusal:
    """Returns the refusal that an issue of the server stands for."""
    message = read_message(issue)
    expression = place.translate(_read_expression(issue))
    path = split_path(message)[0]
    if path and expression in {place.frame, place.frame.removesuffix(".resource")}:
        # the answer to a batch names the entry, and the message the element in it
        expression = place.translate(path) if path.startswith("Bundle.") else place.frame + _below_type(path)
    return Refusal(place, message, read_code(issue), expression)


def entry_index(issue: Mapping[str, object]) -> int:
    """Returns which entry of the Bundle an issue is about, 0 where it does not say."""
    entry = _ENTRY.fullmatch(_read_expression(issue))
    return int(entry[1]) if entry else 0


def _read_expression(issue: Mapping[str, object]) -> str:
    found = issue.get("expression") or issue.get("location")
    return str(found[0]) if isinstance(found, list) and found else ""


def _below_type(path: str) -> str:
    """`Patient.name[0]` → `.name[0]`."""
    return path[len(path.partition(".")[0].partition("[")[0]) :]


def read_code(issue: Mapping[str, object]) -> str:
    """Returns an issue's most telling code: that of its details, else that of FHIR."""
    details = issue.get("details")
    coding = details.get("coding") if isinstance(details, dict) else None
    first = coding[0] if isinstance(coding, list) and coding else None
    code = first.get("code") if isinstance(first, dict) else None
    return str(code or issue.get("code") or "")


def _list_refusals(file: Path, refusals: list[Refusal]) -> list[str]:
    """Returns the refusals of a file as lines, in the order of the file."""
    unplaced = {row.expression for row in refusals if row.position is None and not row.place.text}
    found = _locate_in(file, unplaced) if unplaced else {}
    placed = [(row.position or _locate_in_line(row) or found.get(row.expression, START), row) for row in refusals]
    return [row.as_line(position) for position, row in sorted(placed, key=lambda pair: pair[0])]


def _locate_in_line(row: Refusal) -> Position | None:
    if not row.place.text:
        return None
    inside = locate(row.place.text.decode(), [row.expression])[row.expression]
    return Position(row.place.line, inside.column)


def _locate_in(file: Path, expressions: set[str]) -> Mapping[str, Position]:
    """Returns where expressions are in a file; nothing where it has changed into something else meanwhile."""
    try:
        return locate(file.read_text(encoding="utf-8"), expressions)
    except (OSError, ValueError, IndexError):
        return {}
