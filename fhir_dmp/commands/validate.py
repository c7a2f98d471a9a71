"""`fhir-dmp validate`: checks files offline, https://hl7.org/fhir/R4/validation.html.

Structure, invariants and bindings of R4, the profiles that a resource claims, and those that the command names.

As text, one line per issue as compilers write them, so that editors jump to it; as JSON, one OperationOutcome per
file, one per line, whose `diagnostics` begin with the place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import typer

from fhir_dmp.commands.check import Finding, Format, count_errors, count_warnings, under_line
from fhir_dmp.commands.checks import Checks, build_checks, check_text
from fhir_dmp.commands.files import find_files, is_ndjson, read_file, read_lines, total_size
from fhir_dmp.commands.progress import Meter, show_progress
from fhir_dmp.json_text import JsonObject, write_json
from fhir_dmp.outcome import Issue


class Tally(NamedTuple):
    """How many findings of a file are errors and warnings."""

    errors: int
    warnings: int


@dataclass(slots=True)
class Totals:
    """What the summary counts."""

    files: int = 0
    errors: int = 0
    warnings: int = 0
    invalid_files: int = 0

    def add(self, tally: Tally) -> None:
        """Adds a file."""
        self.files += 1
        self.errors += tally.errors
        self.warnings += tally.warnings
        self.invalid_files += tally.errors > 0

    def __str__(self) -> str:
        parts = [_number(self.files, "file"), "no errors"]
        if self.errors:
            parts[1] = f"{_number(self.errors, 'error')} in {_number(self.invalid_files, 'file')}"
        if self.warnings:
            parts.append(_number(self.warnings, "warning"))
        return ", ".join(parts)


def validate_paths(paths: Iterable[Path], form: Format, canonicals: Iterable[str], packages: Iterable[Path]) -> bool:
    """Checks files and folders and writes what there is to say on stdout; returns whether nothing is an error.

    `canonicals` are profiles that every resource has to meet, `packages` archives of more definitions. Raises
    CommandError where a file or package cannot be read, or a profile cannot be used, and DefinitionsMissing.
    """
    files = find_files(paths)
    checks = build_checks(canonicals, packages)
    totals = Totals()
    with show_progress("validating", total_size(files)) as meter:
        for file in files:
            totals.add(_write_file(file, check_file(file, checks, meter), form))
    if form is Format.TEXT:
        typer.echo(str(totals))
    for fault in checks.definitions.faults.values():
        typer.echo(f"fhir-dmp: left out: {fault}", err=True)
    return not totals.errors


def check_file(file: Path, checks: Checks, meter: Meter) -> Iterator[list[Finding]]:
    """Yields, for each resource of a file, what there is to say of it."""
    if not is_ndjson(file):
        data = read_file(file)
        yield check_text(data, checks)
        meter.read(len(data))
        meter.count(1)
        return
    for number, line in enumerate(read_lines(file), start=1):
        meter.read(len(line))
        if line.strip():
            yield under_line(number, check_text(line.rstrip(b"\r\n"), checks))
            meter.count(1)


def _write_file(file: Path, results: Iterable[list[Finding]], form: Format) -> Tally:
    """Writes the findings about one file, and returns how many are errors and warnings."""
    if form is Format.JSON:
        findings = list(chain.from_iterable(results))
        typer.echo(write_json(_build_outcome(file, findings)).decode())
        return Tally(count_errors(findings), count_warnings(findings))
    errors = warnings = 0
    for found in results:
        for finding in found:
            typer.echo(f"{_place(file, finding)}: {finding.issue.severity}: {_explain(finding.issue)}")
        errors += count_errors(found)
        warnings += count_warnings(found)
    return Tally(errors, warnings)


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
