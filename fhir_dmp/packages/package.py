"""A package and its definitions, each kept compressed until it is asked for: most never are."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from fhir_dmp.json_text import FhirDecimal, Json, JsonObject
from fhir_dmp.packages.manifest import Manifest, PackageId

TYPES = frozenset({"StructureDefinition", "ValueSet", "CodeSystem"})
"""What the rules are made of."""
PARAMETER = "SearchParameter"
"""What searches are made of, beside."""

_PROSE = ("mapping", "definition", "comment", "requirements", "alias", "meaningWhenMissing", "example")
_FRACTION = re.compile(rb"[:\[,]-?\d+[.e]")
"""A number that is no integer, in JSON without spaces; or something like it in a text, which does no harm."""
_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition of some package, or one that is stored: what it is found by, and itself, compressed.

    `place` is the file of the package, or the reference of the resource; `supplements` the canonical of the code
    system that it is a supplement to, empty for none.
    """

    place: str
    url: str
    version: str
    supplements: str
    data: bytes

    def read(self) -> JsonObject:
        """Returns the resource, anew each time."""
        data = zlib.decompress(self.data)
        resource: JsonObject = (
            json.loads(data, parse_float=FhirDecimal) if _FRACTION.search(data) else orjson.loads(data)
        )
        return resource


@dataclass(frozen=True, slots=True)
class Package:
    """The definitions of a package. `label` says where it is from; `digest` is the SHA-256 of its archive, in hex.

    An archive without package.json has no manifest: it can be used, and cannot be installed.
    """

    label: str
    manifest: Manifest | None
    definitions: tuple[Definition, ...]
    digest: str = ""

    @property
    def id(self) -> PackageId:
        """The name and version, empty without manifest."""
        return self.manifest.id if self.manifest else PackageId("", "")

    @property
    def dependencies(self) -> Mapping[str, str]:
        """The versions of the packages that this one depends on."""
        return self.manifest.dependencies if self.manifest else {}


def is_definition(resource: Json) -> bool:
    """Tells whether a JSON value is a StructureDefinition, ValueSet or CodeSystem that has a canonical."""
    if not isinstance(resource, dict):
        return False
    texts = all(isinstance(resource.get(name, ""), str) for name in ("resourceType", "url", "version"))
    return texts and resource.get("resourceType") in TYPES and bool(resource.get("url"))


def pack_definition(resource: JsonObject, place: str) -> Definition:
    """Returns a definition without its prose: what no rule reads is most of it."""
    is_supplement = resource["resourceType"] == "CodeSystem" and resource.get("content") == "supplement"
    return Definition(
        place=place,
        url=resource["url"],
        version=resource.get("version", ""),
        supplements=str(resource.get("supplements") or "") if is_supplement else "",
        data=zlib.compress(orjson.dumps(_without_prose(resource)), _LEVEL),
    )


def _without_prose(resource: JsonObject) -> JsonObject:
    """Leaves out what no rule reads. Of a profile with a snapshot, that is the differential too."""
    plain = {name: value for name, value in resource.items() if name not in {"text", "mapping"}}
    if resource["resourceType"] != "StructureDefinition":
        return plain
    has_snapshot = bool(_rows(resource.get("snapshot")))
    if has_snapshot:
        plain.pop("differential", None)
    view = "snapshot" if has_snapshot else "differential"
    if _rows(resource.get(view)):
        plain[view] = {**resource[view], "element": [_without_words(row) for row in resource[view]["element"]]}
    return plain


def _rows(view: Json) -> Json:
    rows = view.get("element") if isinstance(view, dict) else None
    return rows if isinstance(rows, list) else None


def _without_words(row: Json) -> Json:
    return {name: value for name, value in row.items() if name not in _PROSE} if isinstance(row, dict) else row
