"""_include and _revinclude: what a page carries beside its matches, https://hl7.org/fhir/R4/search.html#include.

What the requester may not see is not there, on no way: it is not included, nothing is followed from it, and it counts
for no limit. Each round of reading goes one step further; only includes that iterate take part in the second and later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.joins import see
from fhir_dmp.interactions.request import Request, parse_version_id
from fhir_dmp.json_text import parse_json_object
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.include import ANY, followed_parameters
from fhir_dmp.search.links import RelativeReference, split_reference
from fhir_dmp.search.query import Has, Include, LinkValue, OfType, SearchQuery, all_of, any_of

MOST = 1000
"""Resources that one page may carry beside its matches."""
ROUNDS = 10
"""Steps that `:iterate` may go."""
COMPARISONS = 20_000
"""References that a search for what refers to a page's resources may ask for."""
_READ = 200
"""So many candidates are read at once."""

Place = tuple[Identity, int]
"""A resource in one of its versions."""


async def find_included(
    context: Context, request: Request, query: SearchQuery, matched: Sequence[Version]
) -> list[Version]:
    """Returns what the includes of a query add to a page with these matches, in the order in which it was found.

    Raises FhirError (too costly) where that is more than a page may carry, or than `:iterate` may follow.
    """
    page = _Page(context, request, query, {_place(version): version for version in matched})
    fresh: Sequence[Version] = matched
    includes = query.includes
    for _ in range(ROUNDS):
        fresh = await page.step(includes, fresh)
        includes = tuple(include for include in query.includes if include.iterates)
        if not fresh or not includes:
            return page.included
    if await page.step(includes, fresh):
        raise _too_costly(f"Includes that iterate are followed {ROUNDS} steps.")
    return page.included


@dataclass(slots=True)
class _Page:
    """A page as it grows. `known` is all that is on it."""

    context: Context
    request: Request
    query: SearchQuery
    known: dict[Place, Version]
    included: list[Version] = field(default_factory=list)

    async def step(self, includes: Iterable[Include], sources: Sequence[Version]) -> Sequence[Version]:
        """Adds what these resources refer to, and what refers to them; returns what is new."""
        before = len(self.included)
        if not sources:
            return ()
        wanted = list(includes)
        await self._add_targets([include for include in wanted if not include.is_reverse], sources)
        for include in wanted:
            if include.is_reverse:
                await self._add_referrers(include, sources)
        return self.included[before:]

    def _add(self, versions: Iterable[Version]) -> None:
        for version in versions:
            if version.content is not None and _place(version) not in self.known:
                self.known[_place(version)] = version
                self.included.append(version)
        if len(self.included) > MOST:
            raise _too_costly(f"A page carries at most {MOST:,} included resources: ask for fewer matches by _count.")

    async def _add_targets(self, includes: Sequence[Include], sources: Sequence[Version]) -> None:
        by_type: dict[str, dict[RelativeReference, None]] = {}
        for source in sources:
            for reference in self._references(includes, source):
                by_type.setdefault(reference.resource_type, {})[reference] = None
        for resource_type, references in by_type.items():
            wanted = list(references)
            for start in range(0, len(wanted), _READ):
                await self._read(resource_type, wanted[start : start + _READ])

    def _references(self, includes: Sequence[Include], source: Version) -> Iterator[RelativeReference]:
        """The references of a resource that these includes follow, versioned ones by their version alone."""
        kind = source.identity.resource_type
        asked = [include for include in includes if include.resource_type in {"", kind}]
        followed = followed_parameters(kind, self.context.space) if asked else {}
        if not followed:
            return
        links = self.context.indexer.facts(parse_json_object(source.content or b"{}")).links
        found = [
            (link.parameter, reference)
            for link in links
            if link.parameter in followed
            and (reference := split_reference(link.text, self.context.space.resource_types))
            and any(_follows(include, link.parameter, reference.resource_type) for include in asked)
        ]
        # a versioned reference has a fact without its version, too
        versioned = {(code, reference[:2]) for code, reference in found if reference.version_id}
        yield from (row for code, row in found if row.version_id or (code, row[:2]) not in versioned)

    async def _read(self, resource_type: str, references: Sequence[RelativeReference]) -> None:
        identities = {reference: Identity(*reference[:2]) for reference in references}
        wanted = frozenset(identities.values())
        restriction = await see(self.context, self.request, resource_type, self.query.clause, wanted)
        current = await self.context.reader.read(wanted, restriction)
        for reference, identity in identities.items():
            version = current.get(identity)
            if reference.version_id and (version is None or str(version.version_id) != reference.version_id):
                number = parse_version_id(reference.version_id)
                version = await self.context.reader.read_version(identity, number, restriction) if number else None
            self._add([version] if version else [])

    async def _add_referrers(self, include: Include, sources: Sequence[Version]) -> None:
        kind = include.resource_type
        followed = followed_parameters(kind, self.context.space)
        targets = [row.identity for row in sources if include.target in {"", row.identity.resource_type}]
        asked = [
            Has(kind, code, (LinkValue(texts),))
            for code, reached in followed.items()
            if include.parameter in {ANY, code}
            and (texts := tuple(str(identity) for identity in targets if identity.resource_type in reached))
        ]
        if sum(len(value.texts) for has in asked for value in has.values if isinstance(value, LinkValue)) > COMPARISONS:
            raise _too_costly(f"_revinclude compares at most {COMPARISONS:,} references: ask for fewer matches.")
        if asked:
            room = MOST - len(self.included) + len(self.known)
            query = SearchQuery((kind,), all_of([OfType((kind,)), any_of(asked)]), count=room + 1)
            restriction = await see(self.context, self.request, kind, self.query.clause)
            self._add((await self.context.reader.search(query, restriction)).versions)


def _follows(include: Include, parameter: str, target: str) -> bool:
    return include.parameter in {ANY, parameter} and include.target in {"", target}


def _place(version: Version) -> Place:
    return version.identity, version.version_id


def _too_costly(message: str) -> FhirError:
    return error(Category.TOO_COSTLY, "search-too-costly", message, "http._include")
