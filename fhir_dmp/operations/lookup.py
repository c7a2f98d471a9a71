"""$lookup: what a code system says of a code, https://hl7.org/fhir/R4/codesystem-operation-lookup.html."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from fhir_dmp.conformance.rules import Rules
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.parameters import Inputs, answer_parameters, missing, read_inputs
from fhir_dmp.outcome import Category, error
from fhir_dmp.terminology.concept import Concept

_KNOWN = ("code", "system", "version", "coding", "displayLanguage", "property")
_HEAD = frozenset({"url", "system", "name", "version", "display"})
"""Properties that are told in any case: https://hl7.org/fhir/R4/codesystem.html#defined-props."""


async def lookup(context: Context, request: Request) -> Result:
    """Returns the names, properties and place in the hierarchy of a code."""
    check_exposed(context, request, "operation")
    inputs = read_inputs(context, request, _KNOWN)
    system, version, code = read_coding(inputs, "coding", "code")
    if not system:
        raise missing("system")
    rules = context.rules()
    concept = rules.terminology.lookup_code(system, code, version=version)
    return answer_parameters(
        _write(concept, rules, inputs.text("displayLanguage"), frozenset(inputs.texts("property")))
    )


def read_coding(inputs: Inputs, coding_name: str, code_name: str) -> tuple[str, str, str]:
    """Returns system, version and code of a coding, or of the parameters system, version and code."""
    coding = inputs.structure(coding_name, "Coding")
    if coding is not None and code_name in inputs:
        message = f"{coding_name} and {code_name} both name the code: one will do."
        raise error(Category.INVALID_PARAMETER, "parameter-conflict", message)
    if coding is None:
        return inputs.text("system"), inputs.text("version"), inputs.needed_text(code_name)
    system, code = coding.get("system", inputs.text("system")), coding.get("code", "")
    if not code:
        raise missing(f"{coding_name}.code")
    return system, coding.get("version", inputs.text("version")), code


def _write(concept: Concept, rules: Rules, language: str, wanted: Collection[str]) -> Iterator[JsonObject]:
    definition = rules.find(concept.system) or {}
    yield {"name": "name", "valueString": definition.get("name") or concept.system}
    if concept.version:
        yield {"name": "version", "valueString": concept.version}
    yield {"name": "display", "valueString": _choose_display(concept, language)}
    if not wanted or "designation" in wanted:
        yield from (_write_designation(row) for row in concept.designations if "value" in row)
    for code, key, value in _properties(concept):
        if not wanted or code in wanted:
            yield {"name": "property", "part": [{"name": "code", "valueCode": code}, {"name": "value", key: value}]}


def _choose_display(concept: Concept, language: str) -> str:
    for row in concept.designations:
        tag = row.get("language", "").casefold()
        if language and "value" in row and (tag == language.casefold() or tag.startswith(f"{language.casefold()}-")):
            return str(row["value"])
    return concept.display or concept.code


def _write_designation(row: JsonObject) -> JsonObject:
    parts = [
        {"name": name, key: row[name]}
        for name, key in (("language", "valueCode"), ("use", "valueCoding"), ("value", "valueString"))
        if name in row
    ]
    return {"name": "designation", "part": parts}


def _properties(concept: Concept) -> Iterator[tuple[str, str, object]]:
    """Code, JSON key and value of each property; `inactive` and `abstract` are told where nothing else says so."""
    given = [row["code"] for row in concept.properties]
    for row in concept.properties:
        key = next((key for key in row if key.startswith("value")), None)
        if key:
            yield row["code"], key, row[key]
    if "inactive" not in given:
        yield "inactive", "valueBoolean", concept.inactive
    if concept.abstract and "abstract" not in given and "notSelectable" not in given:
        yield "abstract", "valueBoolean", True
    if "parent" not in given:
        yield from (("parent", "valueCode", code) for code in concept.parents)
    if "child" not in given:
        yield from (("child", "valueCode", code) for code in concept.children)
