"""What `fhir-dmp validate` holds resources against: R4, the profiles that they claim, and those that it is given.

https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from fhir_dmp.commands.archive import read_archive
from fhir_dmp.commands.check import Finding, parse_or_explain, place_issues
from fhir_dmp.commands.definitions import Definitions
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.conformance.profiles import Profiles
from fhir_dmp.conformance.validate import validate_resource
from fhir_dmp.conformance.visit import Environment
from fhir_dmp.loader import load_registry
from fhir_dmp.validation.compiler import Schemas


@dataclass(frozen=True, slots=True)
class Rules:
    """The definitions, compiled as they are needed, and the canonicals of profiles that every resource has to meet."""

    schemas: Schemas
    definitions: Definitions
    profiles: Profiles
    canonicals: tuple[str, ...]
    environment: Environment


def build_rules(canonicals: Iterable[str], packages: Iterable[Path]) -> Rules:
    """Returns the rules with the definitions of these archives.

    Raises CommandError where one cannot be read, or a profile is not known or cannot be used.
    """
    schemas = Schemas(load_registry())
    packaged = chain.from_iterable(read_archive(file) for file in packages)
    definitions = Definitions(packaged, schemas)
    now = Environment(now=datetime.now(UTC))
    rules = Rules(schemas, definitions, definitions.build_profiles(), tuple(canonicals), now)
    for canonical in rules.canonicals:
        _check_usable(canonical, rules)
    return rules


def check_text(data: bytes, rules: Rules) -> list[Finding]:
    """Returns what there is to say of the one resource in a text, empty when it is right."""
    resource = parse_or_explain(data)
    if isinstance(resource, Finding):
        return [resource]
    report = validate_resource(resource, rules.schemas, rules.profiles, rules.canonicals, rules.environment)
    return place_issues(data.decode(), report.issues)


def _check_usable(canonical: str, rules: Rules) -> None:
    """What the command names is checked, or the command ends: `no errors` has to mean something."""
    profile = rules.profiles.profile(canonical)
    if profile is None:
        reason = "; ".join(rules.definitions.faults.values()) or "--package adds definitions"
        raise CommandError(Exit.ENVIRONMENT, f"the profile {canonical} is not known: {reason}")
    if profile.fault:
        raise CommandError(Exit.ENVIRONMENT, f"the profile {canonical} cannot be used: {profile.fault.rstrip('.')}")
