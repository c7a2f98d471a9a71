"""The file of what a load could not bring in: a line of JSON for each entry, with where it comes from and its issues.

    {"file", "line", "at", "request", "resource", "outcome"}

`line` is that of an ndjson file, else 1; `at` is the FHIRPath of the resource in its text. `request` and `resource` are
as they were sent; what could not be sent at all has neither, and its `text` where it came from a line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fhir_dmp.commands.connection import read_message
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.files import open_private
from fhir_dmp.commands.report import Place, Refusal, read_refusal
from fhir_dmp.json_text import Json, JsonObject, write_json

_TOGETHER: JsonObject = {
    "severity": "error",
    "code": "incomplete",
    "details": {"text": "Refused together with an entry of its Bundle."},
}


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that was refused: its place, itself as it was sent (None where it could not be), the server's issues."""

    place: Place
    entry: Json
    issues: Sequence[Mapping[str, object]]

    @property
    def refusals(self) -> list[Refusal]:
        """The issues as they are reported."""
        return [read_refusal(self.place, issue) for issue in self.issues]


class RefusedFile:
    """See open_refused."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file

    def write(self, rows: Iterable[Refused]) -> None:
        """Adds entries, at once; raises CommandError (environment) where that is impossible."""
        lines = b"".join(write_json(_build_line(row)) + b"\n" for row in rows)
        try:
            self._file.write(lines)
        except OSError as fault:
            raise _unwritable(self.path, fault) from None


@contextmanager
def open_refused(path: Path | None, roots: Iterable[Path]) -> Iterator[RefusedFile | None]:
    """Opens the file for the length of a `with`, readable by its owner alone; what was in it is gone. None without one.

    What was refused before is sent again, and so is in it again. Raises CommandError (usage) where it is among what is
    loaded, and (environment) where it cannot be written.
    """
    if path is None:
        yield None
        return
    if any(path.resolve().is_relative_to(root.resolve()) for root in roots):
        raise CommandError(Exit.USAGE, f"--refused {path} is among what is loaded")
    try:
        file = open(path, "wb", buffering=0, opener=open_private)  # noqa: SIM115  a fault here is not one inside of the with
    except OSError as fault:
        raise _unwritable(path, fault) from None
    with file:
        os.fchmod(file.fileno(), 0o600)
        yield RefusedFile(path, file)


def read_unsent(refusal: Refusal) -> Refused:
    """Returns what could not be sent as what was refused."""
    coding = {"details": {"coding": [{"code": refusal.code}], "text": refusal.message}}
    expression = {"expression": [refusal.expression]} if refusal.expression else {}
    return Refused(refusal.place, None, [{"severity": "error", "code": "invalid", **coding, **expression}])


def _build_line(row: Refused) -> JsonObject:
    place, entry = row.place, row.entry if isinstance(row.entry, dict) else {}
    is_sent = row.entry is not None
    issues = [_translate(place, issue) if is_sent else issue for issue in row.issues] or [_TOGETHER]
    line: JsonObject = {"file": str(place.file), "line": place.line, "at": place.frame}
    if not is_sent and place.text:
        line["text"] = place.text.decode(errors="replace")
    line |= {name: entry[name] for name in ("request", "resource") if name in entry}
    return {**line, "outcome": {"resourceType": "OperationOutcome", "issue": issues}}


def _translate(place: Place, issue: Mapping[str, object]) -> JsonObject:
    """An issue about the entry that was sent as one about the file."""
    expression = read_refusal(place, issue).expression
    kept = {name: value for name, value in issue.items() if name not in {"expression", "location"}}
    shown = {**kept, "details": kept.get("details") or {"text": read_message(issue)}}
    return {**shown, "expression": [expression]} if expression else shown


def _unwritable(path: Path, fault: OSError) -> CommandError:
    return CommandError(Exit.ENVIRONMENT, f"{path} cannot be written: {fault.strerror}")
