"""R4's search parameters: every expression compiles for each base, and finds what its type of parameter indexes.

https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.loader import load_definitions, load_registry
from fhir_dmp.spec.search_parameter import SearchParameter

SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared"))
EXAMPLES = SHARED / "corpus" / "spec-examples"
CASES = json.loads((Path(__file__).parent / "cases" / "search_parameters.json").read_text(encoding="utf-8"))
PARAMETERS = [row for row in load_definitions("search") if row["resourceType"] == "SearchParameter"]

INDEXED = {
    "date": {"date", "dateTime", "instant", "Period", "Timing"},
    "number": {"decimal", "integer", "unsignedInt", "positiveInt"},
    "quantity": {"Quantity", "Age", "Duration", "Count", "Money", "Range", "SampledData"},
    "reference": {"Reference", "canonical", "uri", "Attachment"},
    "string": {"string", "markdown", "HumanName", "Address"},
    "token": {
        "CodeableConcept", "Coding", "ContactPoint", "Extension", "Identifier", "System.Boolean", "boolean", "code",
        "id", "string", "uri", "canonical",
    },
    "uri": {"uri", "url", "canonical", "oid", "uuid"},
}  # fmt: skip
SAID_BY_ITSELF = {
    # entry[0].resource is the resource itself, not a reference to it
    "http://hl7.org/fhir/SearchParameter/Bundle-composition",
    "http://hl7.org/fhir/SearchParameter/Bundle-message",
}
TEXT_AMONG_DATES = {
    # their choices have a string among dates and periods, and the expressions take the whole choice
    "http://hl7.org/fhir/SearchParameter/CarePlan-activity-date",
    "http://hl7.org/fhir/SearchParameter/clinical-date",
}


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda row: row["id"])
def test_every_expression_compiles_for_each_of_its_bases(parameter: JsonObject) -> None:
    for base in parameter.get("base", ()):
        program = compile_expression(parameter.get("expression", "{}"), model=load_registry(), type_name=base)
        found = program.select({"resourceType": base})
        # A composite starts at the resource itself, Patient-deceased is a boolean that is never empty
        assert {node.type_name for node in found} <= {base, "System.Boolean"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_expression_finds(case: JsonObject) -> None:
    program = compile_expression(case["expression"], model=load_registry(), type_name=case["type"])
    found = [[node.type_name, node.value] for node in program.select(case["resource"])]
    assert found == case["found"]


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason=f"the specification's examples are not at {EXAMPLES}")
def test_parameters_find_values_that_their_type_can_index() -> None:
    registry, counted, odd = load_registry(), Counter[str](), Counter[tuple[str, str, str]]()
    for file in sorted(EXAMPLES.rglob("*.json")):
        resource = parse_json_object(file.read_bytes())
        for parameter in registry.search_parameters(resource["resourceType"]).values():
            expression = parameter.expression or "{}"
            program = compile_expression(expression, model=registry, type_name=resource["resourceType"])
            found = [node.type_name for node in program.select(resource)]
            counted[parameter.type] += len(found)
            odd.update((parameter.type, name, parameter.url) for name in found if not _can_index(parameter, name))
    assert counted.total() > 4000
    assert not odd


def _can_index(parameter: SearchParameter, type_name: str) -> bool:
    return (
        type_name in INDEXED.get(parameter.type, {type_name})
        or parameter.url in SAID_BY_ITSELF
        or (type_name == "string" and parameter.url in TEXT_AMONG_DATES)
    )
