"""Restriction: what a Permit lets a requester see, as a clause that enters every query of the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_dmp.access.clauses import among
from fhir_dmp.access.simplify import simplify
from fhir_dmp.search.query import Clause, Everything


@dataclass(frozen=True, slots=True)
class Restriction:
    """A clause every resource must satisfy to exist for the requester."""

    clause: Clause

    @classmethod
    def none(cls) -> Restriction:
        """Returns the restriction that hides nothing; only the gate may use it."""
        return cls(Everything())

    def among(self, resource_types: Iterable[str]) -> Restriction:
        """Returns the restriction of a query over these types only: the same of them, in far fewer words."""
        return Restriction(simplify(among(self.clause, frozenset(resource_types))))
