"""What `fhir-dmp validate` holds resources against: R4, the profiles that they claim, and those that it is given.

https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fhir_dmp.commands.check import Finding, parse_or_explain, place_issues
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.conformance.rules import Rules
from fhir_dmp.conformance.validate import validate_resource
from fhir_dmp.conformance.visit import Environment
from fhir_dmp.loader import load_registry
from fhir_dmp.packages.archive import read_archive
from fhir_dmp.packages.definitions import Definitions
from fhir_dmp.packages.manifest import PackageUnusable
from fhir_dmp.validation.compiler import Schemas


@dataclass(frozen=True, slots=True)
class Checks:
    """The rules, where they come from, and the canonicals of profiles that every resource has to meet."""

    rules: Rules
    definitions: Definitions
    canonicals: tuple[str, ...]
    environment: Environment


def build_checks(canonicals: Iterable[str], packages: Iterable[Path]) -> Checks:
    """Returns the checks with the definitions of these archives.

    Raises CommandError where one cannot be read, or a profile is not known or cannot be used.
    """
    try:
        packaged = [read_archive(file) for file in packages]
    except PackageUnusable as fault:
        raise CommandError(Exit.ENVIRONMENT, str(fault)) from None
    definitions = Definitions(packaged, Schemas(load_registry()))
    now = Environment(now=datetime.now(UTC))
    checks = Checks(definitions.build_rules(), definitions, tuple(canonicals), now)
    for canonical in checks.canonicals:
        _check_usable(canonical, checks)
    return checks


def check_text(data: bytes, checks: Checks) -> list[Finding]:
    """Returns what there is to say of the one resource in a text, empty when it is right."""
    resource = parse_or_explain(data)
    if isinstance(resource, Finding):
        return [resource]
    report = validate_resource(
        resource, checks.rules.schemas, checks.rules.profiles, checks.canonicals, checks.environment
    )
    return place_issues(data.decode(), report.issues)


def _check_usable(canonical: str, checks: Checks) -> None:
    """What the command names is checked, or the command ends: `no errors` has to mean something."""
    profile = checks.rules.profiles.profile(canonical)
    if profile is None:
        reason = "; ".join(checks.definitions.faults.values()) or "--package adds definitions"
        raise CommandError(Exit.ENVIRONMENT, f"the profile {canonical} is not known: {reason}")
    if profile.fault:
        raise CommandError(Exit.ENVIRONMENT, f"the profile {canonical} cannot be used: {profile.fault.rstrip('.')}")
