"""Finding: what a rule has to say, how grave it is, and the stable codes it says it under.

A finding travels up the tree of rules, and each node puts its own step in front of the path: as long as everything is
right nothing is spent on paths. Rules of profiles have severities, which those of the structure have not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias

from fhir_dmp.outcome import Issue
from fhir_dmp.validation.finding import Step

Severity: TypeAlias = Literal["error", "warning", "information"]

LIMIT = 200
"""Findings after which validation stops."""


class Code(Enum):
    """The codes of `issue.details.coding`, each with its http://hl7.org/fhir/issue-type and its meaning."""

    CARDINALITY = ("profile-cardinality", "structure", "An element occurs less or more often than a profile allows.")
    TYPE = ("profile-type", "structure", "A choice element has a type that a profile leaves out.")
    RESOURCE = ("profile-resource", "structure", "A profile of another type than the resource is claimed.")
    FIXED = ("profile-fixed", "value", "A value is not exactly the one that a profile fixes.")
    PATTERN = ("profile-pattern", "value", "A value does not contain what a profile's pattern demands.")
    SLICE = ("profile-slice", "structure", "An item is in none of the slices of a closed slicing, or out of order.")
    CONFORMS = ("profile-none-matches", "structure", "A value conforms to none of the profiles an element allows.")
    INVARIANT = ("invariant", "invariant", "A constraint does not hold; the message names its key.")
    BINDING = ("binding", "code-invalid", "A code is not in the value set that an element is bound to.")
    TARGET = ("reference-profile", "structure", "A reference leads to a resource that a profile does not allow there.")
    AGGREGATION = ("reference-aggregation", "structure", "A target is not contained, or bundled, as a profile demands.")
    VERSIONING = ("reference-versioning", "structure", "A reference names a version, or none, against a profile.")
    BUNDLE_REFERENCE = ("bundle-reference", "not-found", "A urn: reference to none of the entries of its Bundle.")
    BUNDLE_URL = ("bundle-fullurl", "value", "The fullUrl of an entry disagrees with the resource in it.")
    BUNDLE_LINK = ("bundle-link", "structure", "A link relation of a Bundle occurs twice.")
    SYSTEM = ("coding-system", "value", "The system of a Coding is not absolute.")
    UNKNOWN_CODE = ("coding-code", "code-invalid", "The code system of a Coding does not have its code.")
    RELATIVE_URL = ("url-relative", "value", "A uri that has to be absolute is not.")
    DERIVED = ("search-parameter-derived", "value", "A search parameter differs from that which it is derived from.")
    SNAPSHOT = ("profile-snapshot", "processing", "No snapshot can be generated for a StructureDefinition.")
    EXTENSION_URL = ("extension-url", "value", "The url of an extension is not absolute.")
    EXTENSION_CONTEXT = (
        "extension-context",
        "structure",
        "An extension stands where its definition does not allow it.",
    )
    MODIFIER = ("extension-modifier", "extension", "A modifier extension that this server does not understand.")
    IMPLICIT_RULES = ("implicit-rules", "not-supported", "implicitRules names rules that this server does not know.")
    UNKNOWN_EXTENSION = ("extension-unknown", "informational", "The definition of an extension is not here.")
    UNKNOWN_PROFILE = ("profile-unknown", "not-found", "A profile is not here: it was not checked.")
    UNUSABLE_PROFILE = ("profile-unusable", "processing", "A profile is here but cannot be used: it was not checked.")
    NOT_CHECKED = (
        "not-checked",
        "informational",
        "Something could not be decided here; the message says what and why.",
    )
    TOO_MANY = ("conformance-too-many", "too-costly", "Validation stopped: there are more findings than are told.")
    COSTLY = ("conformance-costly", "too-costly", "The invariants take more steps than one validation may.")
    DEPTH = ("conformance-depth", "too-costly", "The resource, or a chain of profiles, nests too deeply.")

    def __init__(self, code: str, issue_type: str, meaning: str) -> None:
        """Names the parts of the value."""
        self.code = code
        self.issue_type = issue_type
        self.meaning = meaning


class Part(NamedTuple):
    """A step to an item of an element that is in a slice: messages name the slice, expressions the index."""

    slice_name: str
    position: int | None


PathStep: TypeAlias = Step | Part | int


@dataclass(frozen=True, slots=True)
class Finding:
    """What there is to say about the value at `path`, counted from the value that the rule was given.

    `contexts` are the elements where an extension may stand; such a finding is dropped where one is on its path.
    """

    severity: Severity
    code: Code
    message: str
    path: tuple[PathStep, ...] = ()
    contexts: frozenset[str] = frozenset()

    def under(self, *steps: PathStep) -> Finding:
        """Returns the finding as seen from further up."""
        return Finding(self.severity, self.code, self.message, (*steps, *self.path), self.contexts)

    def as_issue(self, root: str) -> Issue:
        """Returns the Issue for the client; `root` is the type of the resource that was validated."""
        expression = root + "".join(_as_expression(step) for step in self.path)
        label = root + "".join(_as_label(self.path))
        return Issue(self.severity, self.code.code, f"{label}: {self.message}", expression, self.code.issue_type)


Findings = Sequence[Finding]
"""What a rule returns; empty where there is nothing to say."""

RIGHT: Findings = ()


def one(severity: Severity, code: Code, message: str, *path: PathStep) -> Findings:
    """Returns a single finding."""
    return (Finding(severity, code, message, path),)


def has_error(findings: Findings) -> bool:
    """Tells whether one of the findings is an error."""
    return any(finding.severity == "error" for finding in findings)


def _as_expression(step: PathStep) -> str:
    if isinstance(step, Part):
        return "" if step.position is None else f"[{step.position}]"
    return f"[{step}]" if isinstance(step, int) else f".{step.name}"


def _as_label(path: Sequence[PathStep]) -> list[str]:
    """The steps as a profile's author writes them: `identifier:INS-NIR.use`, a slice in place of its index."""
    shown: list[str] = []
    for step in path:
        if isinstance(step, Part):
            shown.append(f":{step.slice_name}")
        else:
            shown.append(f"[{step}]" if isinstance(step, int) else f".{step.key}")
    return shown
