"""The language, chapter by chapter, as a table: expressions, what they give, what is refused and why.

http://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/fhirpath.html
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.fhirpath.functions.conversion import to_string
from fhir_dmp.fhirpath.node import Node
from fhir_dmp.fhirpath.singleton import system_of, system_type_of
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.loader import load_registry
from fhir_dmp.outcome import Category, FhirError

TABLE = parse_json_object((Path(__file__).parent / "cases" / "language.json").read_bytes())
CASES = [(section, case) for section, cases in TABLE["sections"].items() for case in cases]


def _written(node: Node) -> str:
    name = node.type_name.removeprefix("System.")
    value = system_of(node)
    if value is not None and name != "Quantity":
        return f"{name} {to_string(value)}"
    if node.type_name == "System.Quantity":
        return f"{name} {value}"
    if isinstance(node.value, dict):
        return f"{name} {node.value['id']}" if "id" in node.value else name
    return f"{name} null" if system_type_of(node) else name


@pytest.mark.parametrize(
    ("section", "case"), CASES, ids=[f"{section}: {case['expression']}" for section, case in CASES]
)
def test_expression(section: str, case: JsonObject) -> None:
    assert section
    now = datetime.fromisoformat(TABLE["now"])
    if "refused" in case:
        with pytest.raises(FhirError) as caught:
            _evaluate(case["expression"], now)
        assert caught.value.category is Category.INVALID_PARAMETER
        assert case["refused"] in caught.value.issues[0].message
        return
    assert [_written(node) for node in _evaluate(case["expression"], now)] == case["gives"]


def _evaluate(expression: str, now: datetime) -> list[Node]:
    program = compile_expression(expression, model=load_registry(), type_name=TABLE["type"])
    return program.evaluate(TABLE["resource"], now=now)
