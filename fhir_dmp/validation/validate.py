"""Validates a resource against the structure of its type: https://hl7.org/fhir/R4/validation.html.

Structure is what R4 says of every resource: properties, cardinality, types, formats, references. Findings are Issues
with the codes of fhir_dmp.validation.finding.FindingCode.
"""

from __future__ import annotations

from fhir_dmp.json_text import Json
from fhir_dmp.outcome import Issue
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.finding import LIMIT, Finding, FindingCode, Findings
from fhir_dmp.validation.rule import Scope
from fhir_dmp.validation.rules.resource import ResourceRule

_NOWHERE = Scope("", {})


def validate_structure(resource: Json, schemas: Schemas) -> list[Issue]:
    """Returns what is wrong with a resource, empty when it is right; never raises on any JSON value.

    At most LIMIT issues, and then one that says that there are more.
    """
    try:
        findings: Findings = ResourceRule(schemas).validate(resource, _NOWHERE)
    except RecursionError:
        findings = (Finding(FindingCode.DEPTH, "the resource nests too deeply"),)
    if not findings:
        return []
    root = _name_root(resource, schemas)
    issues = [finding.as_issue(root) for finding in findings[:LIMIT]]
    if len(findings) >= LIMIT:
        message = f"validation stopped after {LIMIT} findings; there may be more"
        issues.append(Finding(FindingCode.TOO_MANY, message).as_issue(root))
    return issues


def _name_root(resource: Json, schemas: Schemas) -> str:
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    return name if isinstance(name, str) and name in schemas.model.resource_types else "Resource"
