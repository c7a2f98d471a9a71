"""The store's port: what interactions need of it. Every reading method takes a Restriction, without default.

What a restriction hides is absent: no method tells hidden from absent. Every method may raise FhirError
(unavailable) when the database does not answer, and FhirError (too costly) when a query exceeds its time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.instant import Milliseconds
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.query import Clause, Hop, SearchQuery, SortKeys
from fhir_dmp.statistics.figures import Opening
from fhir_dmp.store.content_port import Contents
from fhir_dmp.store.import_port import Import, Imports, Place
from fhir_dmp.store.job_port import Job, JobKind
from fhir_dmp.store.statistics_port import Statistics

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Change:
    """A new version to write, the version it follows, and the facts of its content (None for a deletion).

    `previous_facts` are those of the version it follows: the history is shown by them. Without them only unrestricted
    requesters see that version.
    """

    version: Version
    previous: Version | None
    facts: Facts | None
    previous_facts: Facts | None = None


@dataclass(frozen=True, slots=True)
class SearchPage:
    """The versions of a page in order; `next_keys` continue after it, None on the last page.

    `previous_keys` are the place before which the page before it ends, None on the first page.
    """

    versions: Sequence[Version]
    next_keys: SortKeys | None
    previous_keys: SortKeys | None = None


@dataclass(frozen=True, slots=True)
class HistoryKey:
    """The place of a version in a history, newest first."""

    last_updated: Milliseconds
    reference: str
    version_id: int


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """A history: of one resource, of some types, or (both empty) of the system.

    `since` is inclusive; `at` keeps the versions that were current some time within [start, end).
    """

    limit: int
    identity: Identity | None = None
    resource_types: Sequence[str] = ()
    since: Milliseconds | None = None
    at: tuple[Milliseconds, Milliseconds] | None = None
    after: HistoryKey | None = None


Stamps = frozenset[tuple[str, int]]
"""Versions: `Type/id` and version id of each."""

RestrictionOf: TypeAlias = Callable[[str], Restriction | None]
"""The restriction of what is in one patient's record, by his id ("": of what is in nobody's); None where not known."""


class Reader(Protocol):
    """The reading half of the store."""

    async def read(self, identities: Iterable[Identity], restriction: Restriction) -> Mapping[Identity, Version]:
        """Returns the current versions; an identity that is absent, hidden or deleted is no key."""
        ...

    async def read_each(
        self, identities: Iterable[Identity], restriction: RestrictionOf
    ) -> Mapping[Identity, Version] | None:
        """Does what `read` does, with each resource under the restriction of the record that it turns out to be in.

        None where one of these is not known, or cannot be judged by what was read: then `read` has to be asked.
        """
        ...

    async def read_latest(self, identities: Iterable[Identity], restriction: Restriction) -> Mapping[Identity, Version]:
        """Returns the newest versions, deletions among them; an identity that is absent or hidden is no key."""
        ...

    async def read_version(self, identity: Identity, version_id: int, restriction: Restriction) -> Version | None:
        """Returns one version, which may be a deletion; None where absent or hidden.

        A past version is hidden where it would be by its own facts, or the newest one is; so it is in a history.
        """
        ...

    async def search(self, query: SearchQuery, restriction: Restriction) -> SearchPage:
        """Returns one page of the current versions that match; `query.count` is the largest page."""
        ...

    async def reach(self, query: SearchQuery, restriction: Restriction) -> tuple[str, int]:
        """Returns the reference of the last resource of a page in the order of ids, and how many the page has.

        "" and 0 where it is empty. Reads no content: a page of tens of thousands is cheap.
        """
        ...

    async def count(self, clause: Clause, restriction: Restriction, limit: int) -> int:
        """Returns how many current versions match, counting no further than `limit` (0: no limit)."""
        ...

    async def count_contained(self, clause: Clause, restriction: Restriction, limit: int) -> int:
        """Returns of how many contained resources a clause is true, counting no further than `limit` (0: no limit).

        The restriction is that of their containers.
        """
        ...

    async def estimate(self, query: SearchQuery, restriction: Restriction) -> int:
        """Returns about how many current versions match, for far less than counting them costs.

        What is estimated from are matches alone, among what the restriction shows.
        """
        ...

    async def find_ids(self, clause: Clause, restriction: Restriction, hop: Hop | None, limit: int) -> Sequence[str]:
        """Returns the ids of current versions that match, all of one type; or, with a hop, of what they refer to by it.

        Each id once, at most `limit` of them, in no order. What is referred to may be hidden, or not here at all.
        """
        ...

    async def stamps(
        self, patients: Collection[str], resource_types: Collection[str], restriction: Restriction
    ) -> Mapping[str, Stamps]:
        """Returns, by patient, which versions of these types are current; a patient who has none is no key."""
        ...

    async def history(self, query: HistoryQuery, restriction: Restriction) -> Sequence[Version]:
        """Returns versions, newest first."""
        ...

    async def count_history(self, query: HistoryQuery, restriction: Restriction, limit: int) -> int:
        """Returns how many versions the whole history has, whatever the query's own limit and `after`.

        It counts no further than `limit` (0: no limit).
        """
        ...


class Writer(Reader, Protocol):
    """A transaction under way: it sees its own writes; others see all of them or none."""

    async def guard(self, keys: Iterable[str]) -> None:
        """Makes transactions that guard a same key run one after another (conditional interactions need it)."""
        ...

    async def schedule(self, job: Job) -> None:
        """Has a job done when it is due; it takes the place of the one of its kind and subject."""
        ...

    async def find_job(self, kind: JobKind, subject: str) -> Job | None:
        """Returns a job that is not done yet."""
        ...

    async def cancel(self, kind: JobKind, subject: str) -> None:
        """Takes back a job; nothing where there is none. A worker that holds it ends before its next step."""
        ...

    async def count_opening(self, opening: Opening) -> None:
        """Counts a record that this transaction opens. What is kept of it names nobody."""
        ...

    async def advance(self, found: Import, after: Place) -> None:
        """Moves an import on from where it was found; raises Overtaken where it is there no more."""
        ...

    async def write(self, changes: Sequence[Change]) -> None:
        """Writes versions. If one no longer follows the current version, the whole transaction runs again."""
        ...


class Store(Reader, Protocol):
    """The store as interactions see it."""

    @property
    def contents(self) -> Contents:
        """What is too large for a resource. It is reached by versions alone, and so by what the restriction shows."""
        ...

    @property
    def statistics(self) -> Statistics:
        """Numbers across all records, for whoever may be told numbers alone."""
        ...

    @property
    def imports(self) -> Imports:
        """What is taken in from uploads."""
        ...

    async def insert(self, change: Change) -> None:
        """Writes the first version of a resource with an id of ours; returns when it is durable."""
        ...

    async def transact(self, work: Callable[[Writer], Awaitable[Result]]) -> Result:
        """Runs `work` in a transaction and returns its result when that is durable.

        `work` runs again when another transaction got in its way, so it has no effect but on its Writer.
        """
        ...

    async def erase(self, patient: str, limit: int) -> int:
        """Removes, for good, what is in a patient's record: at most `limit` resources with all of their versions.

        Returns how many it removed; 0 once nothing is left. The traces (AuditEvent) stay; the Patient goes last.
        """
        ...

    async def remove(self, identity: Identity) -> None:
        """Removes one resource for good, with all of its versions and the Binaries that it alone cites, or did."""
        ...
