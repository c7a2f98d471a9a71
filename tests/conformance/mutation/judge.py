"""Judges: validation with a set of definitions over R4's, which says what is wrong with a resource."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from zoneinfo import available_timezones

from fhir_dmp.conformance.profiles import Profiles
from fhir_dmp.conformance.validate import validate_resource
from fhir_dmp.conformance.visit import Environment
from fhir_dmp.loader import load_definitions, load_registry
from fhir_dmp.outcome import Issue
from fhir_dmp.terminology.terminology import Terminology
from fhir_dmp.validation.compiler import Schemas
from tests.conformance.mutation.mutant import Mutant
from tests.conformance.mutation.place import Json


@dataclass(frozen=True, slots=True)
class Judge:
    """Some definitions, and the structures of R4."""

    known: dict[str, Json]
    profiles: Profiles
    schemas: Schemas

    def issues(self, resource: Json, canonicals: Iterable[str], targets: dict[str, Json]) -> list[Issue]:
        """Returns all that there is to say; `targets` are what references lead to."""
        environment = Environment(resolve=targets.get)
        return list(validate_resource(resource, self.schemas, self.profiles, canonicals, environment).issues)

    def errors(self, mutant: Mutant) -> list[Issue]:
        """Returns the errors of a mutant."""
        return [issue for issue in self.judge(mutant) if issue.severity == "error"]

    def judge(self, mutant: Mutant) -> list[Issue]:
        """Returns all that there is to say of a mutant."""
        if mutant.definition:
            self.known[mutant.definition["url"]] = mutant.definition
        return self.issues(mutant.resource, mutant.canonicals, mutant.targets)

    def finds(self, mutant: Mutant) -> bool:
        """Tells whether the finding that a mutant has to have is there."""
        return any(
            issue.code in mutant.codes and issue.expression in mutant.expressions and mutant.text in issue.message
            for issue in self.judge(mutant)
        )

    def is_alone(self, mutant: Mutant) -> bool:
        """Tells whether nothing is wrong with a mutant but at and below what is broken."""
        return all(issue.expression.startswith(tuple(mutant.expressions)) for issue in self.errors(mutant))


def build_judge(definitions: Iterable[Json]) -> Judge:
    """Builds a Judge; of two definitions with one canonical, the first counts, and R4's come last."""
    found: dict[str, Json] = {}
    for row in (*definitions, *_terminology()):
        for key in (row["url"], f"{row['url']}|{row.get('version', '')}"):
            found.setdefault(key, row)
    profiles = Profiles(found.get, Terminology(found.get, time_zones=available_timezones()), load_registry())
    return Judge(found, profiles, Schemas(load_registry()))


@cache
def _terminology() -> tuple[Json, ...]:
    return tuple(row for row in load_definitions("terminology") if "url" in row)
