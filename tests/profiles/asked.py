"""What a differential asks, as FHIRPath: enough to tell resources that keep a profile from those that break it."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.loader import load_registry


def broken_expressions(profile: JsonObject, resource: JsonObject) -> list[str]:
    """Returns what the differential asks and the resource does not keep, warnings included."""
    return [text for text in expressions(profile) if evaluate(text, profile["type"], resource) != [True]]


def evaluate(expression: str, type_name: str, value: JsonObject) -> list[Json]:
    """Returns the values that an expression yields."""
    program = compile_expression(expression, model=load_registry(), type_name=type_name)
    return [node.value for node in program.evaluate(value)]


def expressions(profile: JsonObject) -> Iterator[str]:
    """Yields constraints, cardinality and patterns of codes; slices by their pattern, bindings and targets not."""
    for row in profile["differential"]["element"]:
        path = row["path"].removesuffix("[x]").removeprefix(profile["type"]).removeprefix(".")
        focus, _, child = path.rpartition(".")
        yield from (f"{path or '$this'}.all({item['expression']})" for item in row.get("constraint", ()))
        if path and ":" not in row["id"].rpartition(".")[0]:
            yield from _asked_of_element(row, focus or "$this", child)


def _asked_of_element(row: JsonObject, focus: str, child: str) -> Iterator[str]:
    pattern = _pattern(row)
    counted = f"{child}.where({pattern})" if "sliceName" in row and pattern else child
    if row.get("min"):
        yield f"{focus}.all({counted}.count() >= {row['min']})"
    if row.get("max", "*") != "*":
        yield f"{focus}.all({counted}.count() <= {row['max']})"
    if pattern and "sliceName" not in row:
        yield f"{focus}.all({child}.all({pattern}))"


def _pattern(row: JsonObject) -> str:
    if "patternCode" in row:
        return f"$this = '{row['patternCode']}'"
    if "patternCoding" in row:
        return _coded(row["patternCoding"])
    if "patternCodeableConcept" in row:
        return f"coding.exists({_coded(row['patternCodeableConcept']['coding'][0])})"
    return ""


def _coded(coding: JsonObject) -> str:
    return f"system = '{coding['system']}' and code = '{coding['code']}'"
