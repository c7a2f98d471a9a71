"""What rules and builders need of the profiles, so that definitions can refer to those that are compiled later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from fhir_dmp.conformance.binding import Terminology
from fhir_dmp.conformance.finding import Findings
from fhir_dmp.conformance.group import GroupRule
from fhir_dmp.conformance.visit import Rule, Visit
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.outcome import Issue
from fhir_dmp.snapshot.node import Node
from fhir_dmp.spec.registry import Registry


@dataclass(frozen=True, slots=True)
class Context:
    """Where an extension may stand: https://hl7.org/fhir/R4/defining-extensions.html#context."""

    type: str
    expression: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A compiled definition. `rule` is None where it demands nothing; `fault` says why it cannot be used.

    `unusable` says of each of its constraints that cannot be used, by key, why.
    """

    canonical: str
    type_name: str
    rule: Rule | None
    contexts: tuple[Context, ...] = ()
    context_invariants: tuple[str, ...] = ()
    is_modifier: bool = False
    fault: str = ""
    unusable: tuple[tuple[str, str], ...] = ()


class Known(Protocol):
    """The definitions at hand, compiled on first use and kept."""

    @property
    def model(self) -> Registry:
        """The types of R4."""

    @property
    def terminology(self) -> Terminology:
        """Where codes are looked up."""

    def profile(self, canonical: str) -> Profile | None:
        """Returns the profile with this canonical, with version or without; None where it is unknown."""

    def versions(self, url: str) -> Iterator[Profile]:
        """Yields each version of a definition that can be used, where there are several side by side."""

    def tree(self, canonical: str) -> Node | None:
        """Returns the snapshot of a definition as a tree; None where it is unknown or has none that can be made."""

    def type_of(self, canonical: str) -> str | None:
        """Returns the type that a definition constrains or is; None where it is unknown."""

    def check_snapshot(self, definition: JsonObject) -> Sequence[Issue]:
        """Returns why no snapshot can be generated for a StructureDefinition, nothing where one can."""

    def group(self, name: str) -> GroupRule:
        """Returns the rules of R4 itself for a type or backbone element, which may be filled later."""

    def conform(self, canonical: str, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns what a profile has to say of a value; that it is unknown, as an information."""

    def validate_resource(self, resource: JsonObject, visit: Visit) -> Findings:
        """Returns what R4 and the profiles that a resource claims have to say of it; `visit` is its own."""
