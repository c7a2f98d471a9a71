"""Each shipped file is a right resource, written as the others are."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.loader import load_definitions, load_registry
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.validate import validate_structure
from tests.profiles.shipped import FILES, FOLDER, PUBLISHED, constraints, read, shipped

R4_CHECKS = {
    definition["type"]: [
        constraint
        for constraint in definition["snapshot"]["element"][0].get("constraint", ())
        if constraint["severity"] == "error" and "expression" in constraint
    ]
    for definition in load_definitions("structures")
    if definition["url"].rpartition("/")[2]
    in {"StructureDefinition", "ValueSet", "CodeSystem", "ConceptMap", "OperationDefinition", "SearchParameter"}
}
"""The invariants of R4 on the types we ship, by type."""

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return Schemas(load_registry())


@each_file
def test_file_is_valid_by_our_structure_validation(path: Path, schemas: Schemas) -> None:
    assert validate_structure(parse_json_object(path.read_bytes()), schemas) == []


@each_file
def test_file_is_valid_by_fhir_resources(path: Path) -> None:
    resource = read(path)
    model = get_fhir_model_class(resource["resourceType"])
    assert model.model_validate_json(path.read_bytes()).get_resource_type() == resource["resourceType"]


@each_file
def test_file_keeps_the_invariants_of_r4(path: Path) -> None:
    resource = read(path)
    assert _broken(resource) == []


def _broken(resource: JsonObject) -> list[str]:
    kind, model = resource["resourceType"], load_registry()
    return [
        check["key"]
        for check in R4_CHECKS[kind]
        if [
            node.value
            for node in compile_expression(check["expression"], model=model, type_name=kind).evaluate(resource)
        ]
        == [False]
    ]


@each_file
def test_file_is_named_and_written_like_the_others(path: Path) -> None:
    resource = read(path)
    assert path.name == f"{resource['resourceType']}-{resource['id']}.json"
    assert path.read_text(encoding="utf-8") == json.dumps(resource, ensure_ascii=False, indent=2) + "\n"
    assert resource["publisher"] == "fhir-dmp"
    assert resource["description"].endswith(".")


def test_canonicals_are_those_of_the_publishers_and_ours() -> None:
    bases = {
        "fr-core": ("https://hl7.fr/ig/fhir/core/",),
        "pdsm": ("https://interop.esante.gouv.fr/ig/fhir/pdsm/",),
        "mhd": ("https://profiles.ihe.net/ITI/MHD/",),
        "dmp": ("https://fhir-dmp.fr/", "https://mos.esante.gouv.fr/NOS/"),
    }
    assert sorted(path.name for path in FOLDER.iterdir() if path.is_dir()) == sorted(bases)
    assert [path for path in FILES if not read(path)["url"].startswith(bases[path.parent.name])] == []
    counted = Counter(read(path)["url"] for path in FILES)
    assert [url for url, count in counted.items() if count > 1] == []


def test_each_restated_resource_has_the_version_of_its_package() -> None:
    versions = {folder: name.rpartition("-")[2] for folder, name in PUBLISHED.items()}
    restated = [path for path in FILES if path.parent.name in versions]
    assert [path.name for path in restated if read(path)["version"] != versions[path.parent.name]] == []


@pytest.mark.parametrize("definition", shipped("StructureDefinition"), ids=lambda definition: definition["id"])
def test_expressions_of_constraints_compile(definition: JsonObject) -> None:
    model = load_registry()
    for path, constraint in constraints(definition):
        if "expression" in constraint:
            program = compile_expression(constraint["expression"], model=model, type_name=path.partition(".")[0])
            assert program.source
