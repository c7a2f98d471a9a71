"""Published resources with known outcomes: no false alarm, and what was found once stays found."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.json_text import parse_json_object
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.validate import validate_structure

CORPUS = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared")) / "corpus"
KNOWN: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "corpus.json").read_text(encoding="utf-8"))
"""The files with findings. `why` says of a resource that counts as valid what is wrong with it all the same."""

LISTS = ("spec-examples.json", "french-examples.json", "validator-cases.json")


def expected_valid() -> list[str]:
    rows = [row for name in LISTS if (CORPUS / name).is_file() for row in json.loads((CORPUS / name).read_bytes())]
    return sorted({row["file"] for row in rows if row["expected"] == "no-error"})


VALID = expected_valid()

pytestmark = pytest.mark.skipif(not VALID, reason=f"there is no corpus at {CORPUS}")


@pytest.mark.parametrize("file", [file for file in VALID if file not in KNOWN])
def test_valid_resource_has_no_findings(file: str, schemas: Schemas) -> None:
    assert validate_structure(parse_json_object((CORPUS / file).read_bytes()), schemas) == []


@pytest.mark.parametrize("file", KNOWN)
def test_wrong_resource_has_its_findings(file: str, schemas: Schemas) -> None:
    issues = validate_structure(parse_json_object((CORPUS / file).read_bytes()), schemas)
    assert [[issue.code, issue.expression] for issue in issues] == KNOWN[file]["findings"]


def test_exceptions_are_few_and_have_a_reason() -> None:
    assert {file for file in VALID if file in KNOWN} == {file for file, row in KNOWN.items() if "why" in row}
    assert len([file for file in VALID if file.startswith("spec-examples/") and file in KNOWN]) == 2
