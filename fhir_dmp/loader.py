"""Reads definition files: the only module that does. Their compiled form is written by build_definitions.py."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import Literal

import orjson

from fhir_dmp.json_text import JsonObject
from fhir_dmp.spec.capability import Capability, parse_capability
from fhir_dmp.spec.registry import Registry

_DEFINITIONS = Path(__file__).parent / "definitions"
Subject = Literal["structures", "search", "terminology", "operations"]


class DefinitionsMissing(RuntimeError):
    """The compiled R4 definitions are not beside this package: it was not built."""


def load_definitions(subject: Subject) -> list[JsonObject]:
    """Returns the R4 definitions of one subject. Raises DefinitionsMissing where the package was not built."""
    file = _DEFINITIONS / f"{subject}.bin"
    try:
        resources: list[JsonObject] = orjson.loads(gzip.decompress(file.read_bytes()))
    except FileNotFoundError:
        raise DefinitionsMissing(f"{file} is missing: run `make install` to build the R4 definitions") from None
    return resources


@cache
def load_registry() -> Registry:
    """Returns the registry of R4 4.0.1: types, search parameters, compartments."""
    return Registry([*load_definitions("structures"), *load_definitions("search")])


def load_capability() -> Capability:
    """Returns what capability/server.json exposes, and which profiles of profiles/ there are for it."""
    table = orjson.loads((data_folder("capability") / "server.json").read_bytes())
    shipped = load_shipped_definitions()
    return parse_capability(table, (row for row in shipped if row["resourceType"] == "StructureDefinition"))


def load_habilitation() -> JsonObject:
    """Returns the table of capability/habilitation.json, which fhir_dmp.access.matrix parses."""
    table: JsonObject = orjson.loads((data_folder("capability") / "habilitation.json").read_bytes())
    return table


def load_habilitation_schema() -> JsonObject:
    """Returns the JSON schema of such tables."""
    schema: JsonObject = orjson.loads((data_folder("capability") / "habilitation.schema.json").read_bytes())
    return schema


def load_shipped_definitions() -> list[JsonObject]:
    """Returns the conformance resources of profiles/. Raises DefinitionsMissing where the folder is not installed."""
    files = sorted(data_folder("profiles").glob("*/*.json"))
    if not files:
        raise DefinitionsMissing(f"{data_folder('profiles')} holds no profiles: install the package again")
    return [orjson.loads(file.read_bytes()) for file in files]


@cache
def load_pages() -> dict[str, str]:
    """Returns the documentation in Markdown, by path in the repository, such as `docs/guide/fr/pharmacy.md`."""
    root = data_folder("docs").parent
    files = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("examples/*.md")]
    return {file.relative_to(root).as_posix(): file.read_text(encoding="utf8") for file in files}


@cache
def load_shipped_parameters() -> tuple[JsonObject, ...]:
    """Returns the SearchParameters of profiles/: what the guides that are restated there search by, beside R4's."""
    return tuple(row for row in load_shipped_definitions() if row["resourceType"] == "SearchParameter")


def data_folder(name: Literal["capability", "docs", "examples", "profiles"]) -> Path:
    """Returns a data folder: beside the package in a checkout, inside it in an installed wheel."""
    installed = Path(__file__).parent / "data" / name
    return installed if installed.is_dir() else Path(__file__).parent.parent / name
