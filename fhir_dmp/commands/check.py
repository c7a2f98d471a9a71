"""What is wrong with the resources of a file, and where: the validator's issues with lines and columns.

Pure: text in, findings out. https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from fhir_dmp.json_position import START, Position, find_fault, locate
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import FhirError, Issue

_PATH = re.compile(r"[A-Z]\w*(\.\w+|\[\d+\])*: ")


class Format(Enum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Finding:
    """An issue and the place in the text that it is about."""

    position: Position
    issue: Issue


def parse_or_explain(data: bytes) -> JsonObject | Finding:
    """Returns the JSON object of a text, or where and why there is none."""
    try:
        return parse_json_object(data)
    except FhirError as fault:
        issue = fault.issues[0]
        position, reason = find_fault(data) or (START, issue.message.partition(": ")[2] or issue.message)
        message = f"not acceptable JSON: {reason.rstrip('.')}"
        return Finding(position, Issue("error", issue.code, message, "", fault.category.issue_type))


def place_issues(text: str, issues: Iterable[Issue]) -> list[Finding]:
    """Returns issues about a text with their positions, in the order of the text."""
    found = list(issues)
    if not found:
        return []
    positions = locate(text, {issue.expression for issue in found})
    return sorted((Finding(positions[issue.expression], issue) for issue in found), key=lambda row: row.position)


def split_path(message: str) -> tuple[str, str]:
    """Splits a message of the validator into the path it starts with (empty where there is none) and the rest."""
    found = _PATH.match(message)
    return (found[0][:-2], message[found.end() :]) if found else ("", message)


def under_line(line: int, findings: Iterable[Finding]) -> list[Finding]:
    """Returns the findings about one line of an ndjson file, as seen from the file."""
    return [Finding(Position(line, finding.position.column), finding.issue) for finding in findings]


def count_errors(findings: Iterable[Finding]) -> int:
    """Returns how many findings make a resource invalid."""
    return sum(finding.issue.severity in {"error", "fatal"} for finding in findings)


def count_warnings(findings: Iterable[Finding]) -> int:
    """Returns how many findings are worth a look, and refuse nothing."""
    return sum(finding.issue.severity == "warning" for finding in findings)
