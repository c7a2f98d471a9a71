"""The published packages and resources of ../shared, for the tests that need them."""

from __future__ import annotations

import json
import os
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared"))
CORPUS = SHARED / "corpus"
REASON = f"there is no shared folder at {SHARED}"

Json = dict[str, Any]


def read_list(name: str) -> list[Json]:
    """Returns the rows of a list of resources with known outcomes, none where there is no corpus."""
    file = CORPUS / name
    rows: list[Json] = json.loads(file.read_bytes()) if file.is_file() else []
    return rows


@cache
def read_package(name: str) -> tuple[Json, ...]:
    """Returns the definitions of a package, such as `hl7.fhir.fr.core-2.2.0`."""
    with tarfile.open(SHARED / "packages" / f"{name}.tgz") as archive:
        files = [item for item in archive.getmembers() if _is_definition(item.name)]
        rows = [json.loads(archive.extractfile(item).read()) for item in files]  # type: ignore[union-attr]  # files
    return tuple(row for row in rows if isinstance(row, dict) and "resourceType" in row and "url" in row)


def _is_definition(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    return folder == "package" and file.endswith(".json") and file not in {"package.json", ".index.json"}
