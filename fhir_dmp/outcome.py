"""The only error vocabulary: what a client may have many of (Issue) and what stops an interaction (FhirError).

    Issue                    severity, stable code of ours, message, expression → OperationOutcome.issue
    FhirError(category, …)   one or more issues and the Category that decides the HTTP status (rest/errors)

OperationOutcome: https://hl7.org/fhir/R4/operationoutcome.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

CODES = "https://fhir-dmp.fr/CodeSystem/outcome"
"""The code system of `issue.details.coding`: codes of ours that stay stable between versions."""

Severity = Literal["fatal", "error", "warning", "information"]


class Category(Enum):
    """Why an interaction stops. `issue_type` is its default `issue.code` (http://hl7.org/fhir/issue-type)."""

    MALFORMED = "malformed"
    INVALID_PARAMETER = "invalid-parameter"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    NOT_ALLOWED = "not-allowed"
    NOT_ACCEPTABLE = "not-acceptable"
    TIMED_OUT = "timed-out"
    CONFLICT = "conflict"
    DELETED = "deleted"
    PRECONDITION_FAILED = "precondition-failed"
    TOO_LARGE = "too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    UNPROCESSABLE = "unprocessable"
    TOO_COSTLY = "too-costly"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"

    @property
    def issue_type(self) -> str:
        """The code in http://hl7.org/fhir/issue-type."""
        return _ISSUE_TYPES[self]


_ISSUE_TYPES = {
    Category.MALFORMED: "structure",
    Category.INVALID_PARAMETER: "value",
    Category.UNAUTHENTICATED: "login",
    Category.FORBIDDEN: "forbidden",
    Category.NOT_FOUND: "not-found",
    Category.NOT_ALLOWED: "not-supported",
    Category.NOT_ACCEPTABLE: "not-supported",
    Category.TIMED_OUT: "timeout",
    Category.CONFLICT: "conflict",
    Category.DELETED: "deleted",
    Category.PRECONDITION_FAILED: "conflict",
    Category.TOO_LARGE: "too-long",
    Category.UNSUPPORTED_MEDIA_TYPE: "not-supported",
    Category.UNPROCESSABLE: "invalid",
    Category.TOO_COSTLY: "too-costly",
    Category.THROTTLED: "throttled",
    Category.UNAVAILABLE: "transient",
}


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding. `expression` is a FHIRPath to the element at fault, empty where there is none."""

    severity: Severity
    code: str
    message: str
    expression: str = ""
    issue_type: str = ""

    def as_json(self, default_type: str) -> dict[str, Any]:
        """Returns the OperationOutcome.issue; `default_type` is its code unless the issue has its own."""
        issue: dict[str, Any] = {
            "severity": self.severity,
            "code": self.issue_type or default_type,
            "details": {"coding": [{"system": CODES, "code": self.code}], "text": self.message},
            "diagnostics": self.message,
        }
        if self.expression:
            issue["expression"] = [self.expression]
        return issue


class FhirError(Exception):
    """Stops an interaction. Carries at least one issue, and the category that decides the status."""

    def __init__(self, category: Category, *issues: Issue) -> None:
        """Keeps the issues in the order in which the client will read them."""
        super().__init__(issues[0].message if issues else category.issue_type)
        self.category = category
        self.issues = issues


def error(category: Category, code: str, message: str, expression: str = "") -> FhirError:
    """Builds the FhirError of a single issue, to be raised by the caller."""
    return FhirError(category, Issue("error", code, message, expression))


def build_outcome(issues: Iterable[Issue], default_type: str = "informational") -> dict[str, Any]:
    """Builds the OperationOutcome resource of some issues (at least one, or the resource is not valid)."""
    return {"resourceType": "OperationOutcome", "issue": [issue.as_json(default_type) for issue in issues]}
