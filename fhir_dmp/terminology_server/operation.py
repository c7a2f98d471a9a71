"""$validate-code as text: the request of a question, and what an answer says.

https://hl7.org/fhir/R4/valueset-operation-validate-code.html, https://hl7.org/fhir/R4/codesystem-operation-validate-code.html
"""

from __future__ import annotations

from urllib.parse import urlencode

from fhir_dmp.json_text import Json, parse_json
from fhir_dmp.outcome import FhirError
from fhir_dmp.terminology.question import CodeQuestion

_NOT_KNOWN = frozenset({"not-found", "not-supported", "too-costly", "timeout", "transient", "exception"})
"""Issue types of a server that says no because it does not have the value set or the code system either."""
_NOT_KNOWN_PARAMETERS = frozenset({"x-unknown-system", "x-caused-by-unknown-system"})
"""The same in the words of the terminology server that HL7 runs."""


def build_target(question: CodeQuestion) -> str:
    """Returns the path below the base URL, with its query."""
    if not question.value_set:
        rows = {"url": question.system, "code": question.code, "version": question.version}
        return f"CodeSystem/$validate-code?{_encode(rows)}"
    url, _, version = question.value_set.partition("|")
    rows = {
        "url": url,
        "valueSetVersion": version,
        "system": question.system,
        "systemVersion": question.version,
        "code": question.code,
        "inferSystem": "" if question.system else "true",
    }
    return f"ValueSet/$validate-code?{_encode(rows)}"


def _encode(rows: dict[str, str]) -> str:
    return urlencode({name: text for name, text in rows.items() if text})


def read_answer(body: bytes) -> bool | None:
    """Returns what Parameters say; None for a server that does not know, and for anything else than Parameters."""
    try:
        found = parse_json(body)
    except FhirError:
        return None
    rows = found.get("parameter") if isinstance(found, dict) and found.get("resourceType") == "Parameters" else None
    named = {str(row.get("name")): row for row in rows if isinstance(row, dict)} if isinstance(rows, list) else {}
    result = named.get("result", {}).get("valueBoolean")
    if not isinstance(result, bool):
        return None
    if not result and (not _NOT_KNOWN_PARAMETERS.isdisjoint(named) or _does_not_know(named.get("issues"))):
        return None
    return result


def _does_not_know(issues: Json) -> bool:
    outcome = issues.get("resource") if issues else None
    rows = outcome.get("issue") if isinstance(outcome, dict) else None
    kinds = [row.get("code") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return any(isinstance(kind, str) and kind in _NOT_KNOWN for kind in kinds)
