"""`fhir-dmp validate`: checks files offline, https://hl7.org/fhir/R4/validation.html. So far: the structure of R4.

As text, one line per issue as compilers write them, so that editors jump to it; as JSON, one OperationOutcome per
file, one per line, whose `diagnostics` begin with the place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from pathlib import Path

import typer

from fhir_dmp.commands.check import Finding, check_text, count_errors, under_line
from fhir_dmp.commands.files import find_files, is_ndjson, read_file, read_lines, total_size
from fhir_dmp.commands.progress import Meter, show_progress
from fhir_dmp.json_text import JsonObject, write_json
from fhir_dmp.loader import load_registry
from fhir_dmp.outcome import Issue
from fhir_dmp.validation.compiler import Schemas


class Format(Enum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"


@dataclass(slots=True)
class Totals:
    """What the summary counts."""

    files: int = 0
    errors: int = 0
    invalid_files: int = 0

    def add(self, errors: int) -> None:
        """Adds a file."""
        self.files += 1
        self.errors += errors
        self.invalid_files += errors > 0

    def __str__(self) -> str:
        files = _number(self.files, "file")
        if not self.errors:
            return f"{files}, no errors"
        return f"{files}, {_number(self.errors, 'error')} in {_number(self.invalid_files, 'file')}"


def validate_paths(paths: Iterable[Path], form: Format) -> bool:
    """Checks files and folders and writes what is wrong on stdout; returns whether nothing is.

    Raises CommandError where a file cannot be read, and DefinitionsMissing.
    """
    files = find_files(paths)
    schemas = Schemas(load_registry())
    totals = Totals()
    with show_progress("validating", total_size(files)) as meter:
        for file in files:
            totals.add(_write_file(file, check_file(file, schemas, meter), form))
    if form is Format.TEXT:
        typer.echo(str(totals))
    return not totals.errors


def check_file(file: Path, schemas: Schemas, meter: Meter) -> Iterator[list[Finding]]:
    """Yields, for each resource of a file, what is wrong with it."""
    if not is_ndjson(file):
        data = read_file(file)
        yield check_text(data, schemas)
        meter.read(len(data))
        meter.count(1)
        return
    for number, line in enumerate(read_lines(file), start=1):
        meter.read(len(line))
        if line.strip():
            yield under_line(number, check_text(line.rstrip(b"\r\n"), schemas))
            meter.count(1)


def _write_file(file: Path, results: Iterable[list[Finding]], form: Format) -> int:
    """Writes the findings about one file, and returns how many are errors."""
    if form is Format.JSON:
        findings = list(chain.from_iterable(results))
        typer.echo(write_json(_build_outcome(file, findings)).decode())
        return count_errors(findings)
    errors = 0
    for found in results:
        for finding in found:
            typer.echo(f"{_place(file, finding)}: {finding.issue.severity}: {_explain(finding.issue)}")
        errors += count_errors(found)
    return errors


def _place(file: Path, finding: Finding) -> str:
    return f"{file}:{finding.position.line}:{finding.position.column}"


def _explain(issue: Issue) -> str:
    return f"{issue.message} [{issue.code}]"


def _build_outcome(file: Path, findings: Iterable[Finding]) -> JsonObject:
    """Builds the OperationOutcome of a file; R4 demands an issue, so a valid file has one that says so."""
    issues = [_build_issue(_place(file, finding), finding.issue) for finding in findings]
    valid = Issue("information", "structure-valid", "no issues were found", issue_type="informational")
    return {"resourceType": "OperationOutcome", "issue": issues or [_build_issue(str(file), valid)]}


def _build_issue(place: str, issue: Issue) -> JsonObject:
    return {**issue.as_json("invalid"), "diagnostics": f"{place}: {issue.message}"}


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
