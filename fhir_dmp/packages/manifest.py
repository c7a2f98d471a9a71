"""package.json: what a package says of itself, https://confluence.hl7.org/display/FHIR/NPM+Package+Specification."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.packages.version import is_match

R4_CORE = "hl7.fhir.r4.core"
"""The package of R4 itself, which is built in."""

_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")
_R4 = "4.0"
_MOST_DEPENDENCIES = 500


class PackageUnusable(Exception):
    """What should be a package is none, or none for R4; the message names it and says why."""


class PackageId(NamedTuple):
    """The name and the version of a package; as a wish, the version may be `latest` or `2.1.x`."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def parse_package_id(text: str) -> PackageId | None:
    """Returns the package that NAME@VERSION (or NAME#VERSION) names, None where the text is no such name."""
    name, _, version = text.replace("#", "@", 1).partition("@")
    is_name = _NAME.fullmatch(name) and _VERSION.fullmatch(version.replace("*", "x"))
    return PackageId(name, version) if is_name else None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A package's name and version, its title, the FHIR versions it is for, and the packages it depends on."""

    id: PackageId
    title: str = ""
    fhir_versions: tuple[str, ...] = ()
    dependencies: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_for_r4(self) -> bool:
        """Tells whether the package is for R4, or does not say."""
        return not self.fhir_versions or any(is_match(_R4, version) for version in self.fhir_versions)

    def as_json(self) -> JsonObject:
        """Returns the manifest as package.json has it."""
        return {
            "name": self.id.name,
            "version": self.id.version,
            "title": self.title,
            "fhirVersions": list(self.fhir_versions),
            "dependencies": dict(self.dependencies),
        }


def parse_manifest(value: Json) -> Manifest | None:
    """Returns what package.json says, None where it names no package."""
    name, version = (value.get("name"), value.get("version")) if isinstance(value, dict) else (None, None)
    found = parse_package_id(f"{name}@{version}") if isinstance(name, str) and isinstance(version, str) else None
    if found is None:
        return None
    versions = value.get("fhirVersions", value.get("fhir-version-list"))
    dependencies = value.get("dependencies")
    rows = dependencies.items() if isinstance(dependencies, dict) else ()
    wanted = [parse_package_id(f"{name}@{version or 'latest'}") for name, version in rows]
    return Manifest(
        id=found,
        title=str(value.get("title") or "")[:200],
        fhir_versions=tuple(str(row) for row in versions) if isinstance(versions, list) else (),
        dependencies=MappingProxyType({row.name: row.version for row in wanted[:_MOST_DEPENDENCIES] if row}),
    )
