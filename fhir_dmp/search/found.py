"""Found: where conversions put the facts of a resource while it is walked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo

from fhir_dmp.json_text import Json
from fhir_dmp.search.facts import DateFact, LinkFact, PointFact, QuantityFact, StringFact, TokenFact
from fhir_dmp.search.path import Route


@dataclass(slots=True)
class Found:
    """Facts in the order in which they are met; the same fact may be met twice."""

    tokens: list[TokenFact] = field(default_factory=list)
    strings: list[StringFact] = field(default_factory=list)
    links: list[LinkFact] = field(default_factory=list)
    dates: list[DateFact] = field(default_factory=list)
    quantities: list[QuantityFact] = field(default_factory=list)
    points: list[PointFact] = field(default_factory=list)
    present: set[str] = field(default_factory=set)
    """The parameters of which a value was met, whether or not it has facts."""

    def add(self, other: Found) -> None:
        """Adds what was met elsewhere in the resource."""
        self.tokens += other.tokens
        self.strings += other.strings
        self.links += other.links
        self.dates += other.dates
        self.quantities += other.quantities
        self.points += other.points
        self.present |= other.present


@dataclass(frozen=True, slots=True)
class Target:
    """What a conversion is made for: a parameter, the route to its values, and the settings they are read by.

    `system` is the implicit system of codes, "" where there is none.
    """

    parameter: str
    route: Route
    system: str
    base_url: str
    zone: tzinfo
    resource_types: frozenset[str]


Conversion = Callable[[Json, Found], None]
"""Puts the facts of one JSON value into Found; a value that is not of the type it should have has none."""
Conversions = Callable[[Target], Conversion]
"""Makes the conversion of one FHIR type for a target."""
