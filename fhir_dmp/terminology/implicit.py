"""Value sets that have no resource: their canonical says what they hold.

    http://snomed.info/sct[/edition[/version/date]]?fhir_vs[=isa/X | =refset[/X] | =ecl/X]
    http://loinc.org/vs[/LL… answer list | /LP… part | /LG… group]
    http://unitsofmeasure.org/vs[/unit]
    {code system}?vs, {code system}?fhir_vs

https://hl7.org/fhir/R4/valueset.html#implicit, https://hl7.org/fhir/R4/snomedct.html, https://hl7.org/fhir/R4/loinc.html,
https://hl7.org/fhir/R4/ucum.html
"""

from __future__ import annotations

from urllib.parse import unquote

from fhir_dmp.json_text import JsonObject

_SNOMED = "http://snomed.info/sct"
_LOINC = "http://loinc.org"
_UCUM = "http://unitsofmeasure.org"


def build_implicit(canonical: str) -> JsonObject | None:
    """Returns the ValueSet that a canonical stands for, or None."""
    base, question, query = canonical.partition("?")
    name, _, value = query.partition("=")
    if question and base.startswith(_SNOMED) and name == "fhir_vs":
        return _build_snomed(base, value)
    if question and query in {"vs", "fhir_vs"} and base:
        return _value_set({"system": base})
    for system, build in ((_LOINC, _build_loinc), (_UCUM, _build_ucum)):
        if canonical.startswith(f"{system}/vs"):
            return build(canonical.removeprefix(f"{system}/vs"))
    return None


def _build_snomed(base: str, value: str) -> JsonObject | None:
    include: JsonObject = {"system": _SNOMED}
    if base != _SNOMED:
        include["version"] = base
    kind, _, code = unquote(value).partition("/")
    operators = {"isa": ("concept", "is-a"), "refset": ("concept", "in"), "ecl": ("constraint", "=")}
    if kind not in {"", *operators}:
        return None
    if kind:
        name, operator = operators[kind]
        include["filter"] = [{"property": name, "op": operator, "value": code}]
    return _value_set(include)


def _build_loinc(rest: str) -> JsonObject | None:
    if not rest:
        return _value_set({"system": _LOINC})
    code = rest.removeprefix("/")
    name, operator = ("LIST", "=") if code.startswith("LL") else ("concept", "is-a")
    return _value_set({"system": _LOINC, "filter": [{"property": name, "op": operator, "value": code}]})


def _build_ucum(rest: str) -> JsonObject | None:
    if not rest:
        return _value_set({"system": _UCUM})
    value = unquote(rest.removeprefix("/"))
    return _value_set({"system": _UCUM, "filter": [{"property": "canonical", "op": "=", "value": value}]})


def _value_set(include: JsonObject) -> JsonObject:
    return {"resourceType": "ValueSet", "status": "active", "compose": {"include": [include]}}
