"""The definitions that are known by canonical: stored ones, then those of packages, the shipped ones, and R4's.

https://hl7.org/fhir/R4/references.html#canonical

What a package says of a canonical without version is about the version that it depends on, which need not be the
newest: such a canonical gets its version as the definition is read (pin.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, cached_property, partial
from zoneinfo import available_timezones

from fhir_dmp.conformance.profiles import Profiles
from fhir_dmp.conformance.rules import Rules
from fhir_dmp.json_text import JsonObject
from fhir_dmp.loader import load_definitions, load_registry, load_shipped_definitions
from fhir_dmp.packages.package import TYPES, Definition, Package, pack_definition
from fhir_dmp.packages.pin import pin_canonicals
from fhir_dmp.packages.shelf import Row, Shelf, build_scope
from fhir_dmp.packages.version import version_key
from fhir_dmp.terminology.terminology import Terminology
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.validate import validate_structure

Table = dict[str, JsonObject]


class Definitions:
    """What is known by canonical, with version or without: without, the newest version that the first place has."""

    def __init__(self, packages: Iterable[Package], schemas: Schemas, stored: Iterable[Definition] = ()) -> None:
        """Reads none of the definitions yet. `faults` will say what of them is not valid, and left out."""
        self._schemas = schemas
        self._packages = tuple(packages)
        self._stored = Shelf([Package("", None, tuple(stored))])
        self._installed = Shelf(self._packages)
        self._read: dict[str, JsonObject | None] = {}
        self._scopes: dict[str, dict[str, str]] = {}
        self._found: dict[str, JsonObject] = {}
        self.faults: dict[str, str] = {}

    def build_rules(self) -> Rules:
        """Returns the rules that these definitions make."""
        terminology = Terminology(self.find, supplements=self.supplements, time_zones=available_timezones())
        profiles = Profiles(self.find_beyond_r4, terminology, load_registry(), self.versions)
        return Rules(self._schemas, profiles, terminology, self.find)

    @property
    def used_profiles(self) -> Sequence[str]:
        """The canonicals under which StructureDefinitions have been asked for, and found."""
        rows = list(self._found.items())
        return [canonical for canonical, row in rows if row["resourceType"] == "StructureDefinition"]

    def find(self, canonical: str) -> JsonObject | None:
        """Returns the definition with a canonical, None where it is not known."""
        return self.find_beyond_r4(canonical) or _load_terminology().get(canonical) or _find_structure(canonical)

    def find_beyond_r4(self, canonical: str) -> JsonObject | None:
        """Returns a stored, packaged or shipped definition, as `find` does; R4's are not read for it."""
        found = self._found.get(canonical)
        if found is None:
            found = self._find(canonical)
            # what is absent is not remembered: whoever writes may name any canonical
            self._found |= {canonical: found} if found is not None else {}
        return found

    def versions(self, url: str) -> Sequence[str]:
        """Returns the versions of a definition that are side by side; none where one is stored, which counts alone."""
        if self._stored.newest(url) is not None:
            return ()
        return sorted({version for shelf in self._shelves for version in shelf.versions(url)}, key=version_key)

    def supplements(self, url: str) -> Sequence[JsonObject]:
        """Returns the supplements to a code system."""
        return [row for row in self._supplements if str(row.get("supplements")).partition("|")[0] == url]

    def _find(self, canonical: str) -> JsonObject | None:
        url, _, version = canonical.partition("|")
        for shelf in self._shelves:
            row = shelf.find(url, version)
            found = self._check(row) if row is not None else None
            if found is not None:
                return found
        return None

    @property
    def _shelves(self) -> tuple[Shelf, ...]:
        """In the order in which they are looked through (docs/reference/packages.md)."""
        return self._stored, self._installed, _load_shipped_shelf()

    @cached_property
    def _supplements(self) -> list[JsonObject]:
        found: dict[str, JsonObject] = {}
        for row in self._supplement_rows():
            resource = self._check(row)
            if resource is not None:
                found.setdefault(row[1].url, resource)
        r4 = (row for row in _load_terminology().values() if row.get("content") == "supplement")
        return list({id(row): row for row in (*found.values(), *r4)}.values())

    def _supplement_rows(self) -> Iterator[Row]:
        for shelf in self._shelves:
            yield from shelf.supplements()

    def _check(self, row: Row) -> JsonObject | None:
        """What is compiled has to have the structure of R4: checked when it is first asked for."""
        package, definition = row
        place = f"{package.label}: {definition.place}" if package.label else definition.place
        if place not in self._read:
            resource = definition.read()
            issues = validate_structure(resource, self._schemas)
            if issues:
                self.faults[place] = f"{place} is not valid: {issues[0].message}"
            else:
                pin_canonicals(resource, self._build_pin(package))
            self._read[place] = None if issues else resource
        return self._read[place]

    def _build_pin(self, package: Package) -> Callable[[str], str]:
        """From a url to the version that a package means, where that is not what is found without version."""
        if not package.label:
            return _no_version
        if package is _load_shipped_package():
            return partial(self._version_in, _load_shipped_versions())
        if package.label not in self._scopes:
            self._scopes[package.label] = build_scope(package, self._packages)
        return partial(self._version_in, self._scopes[package.label])

    def _version_in(self, scope: dict[str, str], url: str) -> str:
        meant = scope.get(url, "")
        newest = self._installed.newest(url)
        is_plain = newest is None or newest == meant or self._stored.newest(url) is not None
        return "" if is_plain else meant


def is_r4_own(definition: Definition) -> bool:
    """Tells whether a stored definition says what R4's own does, whoever stored it: then it changes nothing."""
    found = _load_terminology().get(definition.url) or load_registry().definition(definition.url)
    return found is not None and _content(definition) == _content(pack_definition(found, definition.place))


def _content(definition: Definition) -> JsonObject:
    return {name: value for name, value in definition.read().items() if name != "meta"}


def _no_version(_: str) -> str:
    return ""


def _find_structure(canonical: str) -> JsonObject | None:
    url, _, version = canonical.partition("|")
    found = load_registry().definition(url)
    return found if found is None or not version or found.get("version") == version else None


@cache
def _load_shipped_package() -> Package:
    rows = (row for row in load_shipped_definitions() if row["resourceType"] in TYPES and "url" in row)
    return Package("profiles", None, tuple(pack_definition(row, f"{row['resourceType']}/{row['url']}") for row in rows))


@cache
def _load_shipped_shelf() -> Shelf:
    return Shelf([_load_shipped_package()])


@cache
def _load_shipped_versions() -> dict[str, str]:
    return {row.url: row.version for row in _load_shipped_package().definitions}


@cache
def _load_terminology() -> Table:
    rows = (row for row in load_definitions("terminology") if row["resourceType"] in {"ValueSet", "CodeSystem"})
    return {key: row for row in rows if "url" in row for key in _canonicals(row)}


def _canonicals(resource: JsonObject) -> tuple[str, ...]:
    url, version = str(resource["url"]), resource.get("version")
    return (url, f"{url}|{version}") if version else (url,)
