"""The compiler: every type of R4 becomes a schema that says what its definition says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fhir_dmp.loader import load_definitions, load_registry
from fhir_dmp.validation.compiler import Schemas, compile_structure
from fhir_dmp.validation.rules.primitive import PRIMITIVES

REGISTRY = load_registry()
GOLDEN = Path(__file__).parent / "golden"
COMPILED = sorted(
    name
    for name in REGISTRY.types - REGISTRY.primitive_types
    if (structure := REGISTRY.structure(name)) and structure.kind in {"resource", "complex-type"}
)
GROUPS = [group for name in COMPILED if (structure := REGISTRY.structure(name)) for group in structure.groups]


def test_every_primitive_type_has_a_rule() -> None:
    assert set(PRIMITIVES) == REGISTRY.primitive_types


@pytest.mark.parametrize("name", GROUPS)
def test_schema_has_the_properties_of_its_definition(name: str, schemas: Schemas) -> None:
    group = REGISTRY.group(name)
    schema = schemas.schema(name)
    own = {"resourceType"} if name in REGISTRY.resource_types else set()
    assert set(schema.properties) == set(group.properties) | own
    primitives = {key for key, prop in group.properties.items() if prop.group in REGISTRY.primitive_types}
    attributes = {"id", "url"} if name == "Extension" else {"id"}
    assert set(schema.companions) == {f"_{key}" for key in primitives - attributes}
    repeating = {key for key, prop in group.properties.items() if prop.element.repeats}
    assert {key for key, item in schema.properties.items() if "array" in item.rule.as_json()} == repeating


def test_only_ids_and_the_url_of_extensions_are_attributes() -> None:
    """What the definitions type as FHIRPath's String has no extensions: the compiler knows it by name."""
    attributes = {
        row["path"]
        for definition in load_definitions("structures")
        if definition["resourceType"] == "StructureDefinition" and definition.get("derivation") != "constraint"
        for row in definition["snapshot"]["element"]
        if any(item["code"].startswith("http://hl7.org/fhirpath/System.") for item in row.get("type", ()))
    }
    others = {path for path in attributes if not path.endswith(".id")}
    assert others - {"Extension.url"} == {f"{name}.value" for name in REGISTRY.primitive_types}


def test_types_are_compiled_once_and_shared(schemas: Schemas) -> None:
    assert schemas.schema("Patient") is schemas.schema("Patient")
    names = schemas.schema("Patient").properties["name"].rule.as_json()
    assert names == {"array": "0..*", "schema": "HumanName"}


def test_structure_is_compiled_alone() -> None:
    assert compile_structure(REGISTRY, "Period").as_json() == {
        "name": "Period",
        "rules": [],
        "properties": {
            "id": {"primitive": "string"},
            "extension": {"array": "0..*", "schema": "Extension"},
            "start": {"primitive": "dateTime"},
            "end": {"primitive": "dateTime"},
        },
        "companions": {"_start": {"schema": "Element"}, "_end": {"schema": "Element"}},
    }


@pytest.mark.parametrize("name", ["Chicken", "Patient.chicken", ""])
def test_unknown_type_is_a_key_error(name: str) -> None:
    schemas = Schemas(REGISTRY)
    with pytest.raises(KeyError):
        schemas.schema(name)


@pytest.mark.parametrize("name", ["Patient", "Extension"])
def test_compiled_schema_is_the_golden_one(name: str) -> None:
    """After a wanted change: `python tests/validation/test_compiler.py` writes the golden files anew."""
    compiled = Schemas(REGISTRY).as_json(name)
    assert compiled == json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    for golden in GOLDEN.glob("*.json"):
        text = json.dumps(Schemas(REGISTRY).as_json(golden.stem), indent=1, ensure_ascii=False)
        golden.write_text(text + "\n", encoding="utf-8")
