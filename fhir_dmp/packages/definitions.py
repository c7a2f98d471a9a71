"""The definitions that are known by canonical: those of packages, then the shipped ones, then R4's.

https://hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from zoneinfo import available_timezones

from fhir_dmp.conformance.profiles import Profiles
from fhir_dmp.conformance.rules import Rules
from fhir_dmp.json_text import JsonObject
from fhir_dmp.loader import load_definitions, load_registry, load_shipped_definitions
from fhir_dmp.packages.archive import PackagedDefinition
from fhir_dmp.terminology.terminology import Terminology
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.validate import validate_structure

Table = dict[str, JsonObject]


class Definitions:
    """What is known by canonical, with version or without. Of two packages with one canonical, the first counts."""

    def __init__(self, packaged: Iterable[PackagedDefinition], schemas: Schemas) -> None:
        """Reads nothing yet of what is shipped. `faults` will say what of the packages is not valid, and left out."""
        self._schemas = schemas
        self._packaged: dict[str, PackagedDefinition] = {}
        for row in packaged:
            for canonical in _canonicals(row.resource):
                self._packaged.setdefault(canonical, row)
        self._checked: set[str] = set()
        self.faults: dict[str, str] = {}

    def build_rules(self) -> Rules:
        """Returns the rules that these definitions make."""
        terminology = Terminology(self.find, supplements=self.supplements, time_zones=available_timezones())
        profiles = Profiles(self.find_beyond_r4, terminology, load_registry())
        return Rules(self._schemas, profiles, terminology, self.find)

    def find(self, canonical: str) -> JsonObject | None:
        """Returns the definition with a canonical, None where it is not known."""
        return self.find_beyond_r4(canonical) or _load_terminology().get(canonical)

    def find_beyond_r4(self, canonical: str) -> JsonObject | None:
        """Returns the definition of a package, or the shipped one, as `find` does; R4's are not read for it."""
        row = self._packaged.get(canonical)
        found = self._check(row) if row is not None else None
        return found or _load_shipped().get(canonical)

    def supplements(self, url: str) -> Sequence[JsonObject]:
        """Returns the supplements to a code system."""
        return [row for row in self._supplements if str(row.get("supplements")).partition("|")[0] == url]

    @cached_property
    def _supplements(self) -> list[JsonObject]:
        packaged = (self._check(row) for row in self._packaged.values() if _is_supplement(row.resource))
        rows = (*packaged, *_load_shipped().values(), *_load_terminology().values())
        distinct = {id(row): row for row in rows if row and _is_supplement(row)}
        return list(distinct.values())

    def _check(self, row: PackagedDefinition) -> JsonObject | None:
        """What is compiled has to have the structure of R4: checked when it is first asked for, without its text."""
        if row.place not in self._checked:
            self._checked.add(row.place)
            plain = {name: value for name, value in row.resource.items() if name != "text"}
            issues = validate_structure(plain, self._schemas)
            if issues:
                self.faults[row.place] = f"{row.place} is not valid: {issues[0].message}"
        return None if row.place in self.faults else row.resource


def _is_supplement(resource: JsonObject) -> bool:
    return resource.get("resourceType") == "CodeSystem" and resource.get("content") == "supplement"


def _canonicals(resource: JsonObject) -> tuple[str, ...]:
    url, version = str(resource["url"]), resource.get("version")
    return (url, f"{url}|{version}") if version else (url,)


def _tabulate(resources: Iterable[JsonObject]) -> Table:
    return {key: row for row in resources if "url" in row for key in _canonicals(row)}


@cache
def _load_shipped() -> Table:
    return _tabulate(load_shipped_definitions())


@cache
def _load_terminology() -> Table:
    return _tabulate(
        row for row in load_definitions("terminology") if row["resourceType"] in {"ValueSet", "CodeSystem"}
    )
