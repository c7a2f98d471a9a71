"""Joins resolved: what goes from one resource to another becomes a clause over ids, hop by hop, through the reader.

Each hop sees what the requester may see of its own types, as the gate says of the records that the search is about: of
those it names, or else of all that are open to him. So a search finds what it would find if the rest were not here
(fhir_dmp.search.joined). Nothing is kept: each page, and each write that has criteria, asks anew.

A search that is confined to some patients, or to some ids, is followed from there; any other from its far end. A chain
also leads to what is contained: of that, all is asked of the container.
https://hl7.org/fhir/R4/search.html#chaining
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from fhir_dmp.access.professional import BREAK_GLASS, REGULATION
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Identity, is_id
from fhir_dmp.search.confines import identities_in, patients_in
from fhir_dmp.search.query import (
    AboutPatient,
    And,
    Chained,
    Clause,
    Contains,
    Has,
    Hop,
    LinkValue,
    Not,
    Nothing,
    OfType,
    Or,
    Referred,
    SearchQuery,
    WithId,
    has_joins,
)

MOST = 10_000
"""Resources, of those that the requester may see, that a hop may lead over."""


async def resolve_joins(context: Context, request: Request, query: SearchQuery) -> SearchQuery:
    """Returns a query without joins that selects the same. Raises FhirError (too costly) where a hop is too wide."""
    return (await follow_joins(context, request, query))[0]


async def follow_joins(context: Context, request: Request, query: SearchQuery) -> tuple[SearchQuery, frozenset[str]]:
    """As resolve_joins; with the patients whom hops name, in whose records they look for what leads to a match."""
    if not has_joins(query.clause):
        return query, frozenset()
    joins = Joins(context, request, query.clause)
    clause = await joins.resolve(query.clause, None)
    return replace(query, clause=clause), frozenset(filter(is_id, joins.patients))


async def see(
    context: Context,
    request: Request,
    resource_type: str,
    confined: Clause,
    identities: Collection[Identity] = (),
) -> Restriction:
    """Returns what a requester may see of a type, on the way from a search that is `confined`.

    That is in the records that these resources are in, where some are given; else in those of the patients to whom the
    clause confines the search, or of all whose record is open to him.
    """
    part = replace(request, resource_type=resource_type, resource_id="")
    patients = patients_in(confined)
    about = None if patients is None else AboutPatient(tuple(sorted(patients)))
    if identities and not (about and is_emergency(request)):
        return await open_gate(context, part, "search-type", identities=identities)
    return await open_gate(context, part, "search-type", about)


def is_emergency(request: Request) -> bool:
    """Tells whether one record at a time is opened to the requester: a hop into another would shut both."""
    return not request.requester.purposes.isdisjoint({BREAK_GLASS, REGULATION})


@dataclass(frozen=True, slots=True)
class Joins:
    """The resolution of the joins of one search, whose clause is `whole`."""

    context: Context
    request: Request
    whole: Clause
    patients: set[str] = field(default_factory=set)
    """Those whom the hops so far have named."""

    async def resolve(self, clause: Clause, within: Clause | None) -> Clause:  # noqa: PLR0911  one for each kind
        """Returns a clause without joins that is true of the same resources, of those of which `within` is true."""
        match clause:
            case And(clauses):
                bound = _bound(clauses, within)
                return And(tuple([await self.resolve(inner, bound) for inner in clauses]))
            case Or(clauses):
                return Or(tuple([await self.resolve(inner, within) for inner in clauses]))
            case Not(inner):
                return Not(await self.resolve(inner, within))
            case Contains(inner, way):
                return Contains(await self._resolve_inside(inner), way)
            case Chained(hop, inner):
                return await self._resolve_chained(hop, inner, within)
            case Referred(hop, inner):
                return await self._resolve_referred(hop, inner, within)
        return clause

    async def _resolve_chained(self, hop: Hop, inner: Clause, within: Clause | None) -> Clause:
        near = await self._find_near(hop.resource_type, within, hop)
        asked = inner if near is None else And((WithId(hop.target, near), inner))
        leading = _leading_to(self.context, hop, await self._find(hop.target, asked) if near != () else ())
        containers = await self._find_containers(hop, inner, within)
        return Or((leading, WithId(hop.resource_type, containers))) if containers else leading

    async def _find_containers(self, hop: Hop, inner: Clause, within: Clause | None) -> tuple[str, ...]:
        """The ids of the resources in which a hop leads to such a contained one; there rarely is any."""
        around = (OfType((hop.resource_type,)), *((within,) if within else ()))
        leads = And((*around, Contains(OfType((hop.target,)), hop)))
        restriction = await self._see(hop.resource_type, leads)
        if not await self.context.reader.find_ids(leads, restriction, None, 1):
            return ()
        asked = And((OfType((hop.target,)), await self._resolve_inside(inner)))
        found = await self.context.reader.find_ids(And((*around, Contains(asked, hop))), restriction, None, MOST + 1)
        return _bounded(found)

    async def _resolve_inside(self, clause: Clause) -> Clause:
        """As resolve, of what is contained: it contains nothing, and only its container refers to it."""
        match clause:
            case And(clauses):
                return And(tuple([await self._resolve_inside(inner) for inner in clauses]))
            case Or(clauses):
                return Or(tuple([await self._resolve_inside(inner) for inner in clauses]))
            case Not(inner):
                return Not(await self._resolve_inside(inner))
            case Chained(hop, inner):
                return _leading_to(self.context, hop, await self._find(hop.target, inner))
            case Referred() | Contains():
                return Nothing()
        return clause

    async def _resolve_referred(self, hop: Hop, inner: Clause, within: Clause | None) -> Clause:
        near = await self._find_near(hop.target, within)
        asked = inner if near is None else And((_leading_to(self.context, hop, near), inner))
        return WithId(hop.target, await self._find(hop.resource_type, asked, hop) if near != () else ())

    async def _find_near(
        self, resource_type: str, within: Clause | None, hop: Hop | None = None
    ) -> tuple[str, ...] | None:
        """The ids of all resources that a hop may start from, or lead to; None where that confines it to nothing."""
        if within is None:
            return None
        clause = And((OfType((resource_type,)), within))
        restriction = await self._see(resource_type, clause)
        found = await self.context.reader.find_ids(clause, restriction, hop, MOST + 1)
        return None if len(found) > MOST else tuple(sorted(found))

    async def _find(self, resource_type: str, asked: Clause, hop: Hop | None = None) -> tuple[str, ...]:
        """The ids of the resources of a type that match, or of what they lead to by a hop."""
        clause = await self.resolve(And((OfType((resource_type,)), asked)), None)
        restriction = await self._see(resource_type, clause)
        return _bounded(await self.context.reader.find_ids(clause, restriction, hop, MOST + 1))

    async def _see(self, resource_type: str, clause: Clause) -> Restriction:
        self.patients.update(patients_in(clause) or ())
        is_named = patients_in(clause) is not None and not is_emergency(self.request)
        confined = clause if is_named or patients_in(self.whole) is None else self.whole
        identities = () if is_named else identities_in(clause)
        return await see(self.context, self.request, resource_type, confined, identities)


def _bounded(found: Sequence[str]) -> tuple[str, ...]:
    if len(found) > MOST:
        message = f"A chain leads over more than {MOST:,} resources: narrow the search."
        raise error(Category.TOO_COSTLY, "search-too-costly", message)
    return tuple(sorted(found))


def _bound(clauses: tuple[Clause, ...], within: Clause | None) -> Clause | None:
    """What confines a conjunction to few resources: its patients or ids, with all else that needs no other resource."""
    plain = And(tuple(inner for inner in clauses if not has_joins(inner)))
    if within:
        return And((within, plain))
    return plain if patients_in(plain) is not None or identities_in(plain) else None


def _leading_to(context: Context, hop: Hop, ids: tuple[str, ...]) -> Clause:
    """Asks for what refers to one of these by a hop; of Patients that is, where it can be, to be about them."""
    if hop.target == "Patient" and hop.parameter in context.space.main(hop.resource_type).patient_aliases:
        return And((OfType((hop.resource_type,)), AboutPatient(ids)))
    if not ids:
        return Nothing()
    return Has(hop.resource_type, hop.parameter, (LinkValue(tuple(f"{hop.target}/{name}" for name in ids)),))
