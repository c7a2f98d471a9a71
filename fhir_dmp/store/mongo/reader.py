"""The reading half of the store on MongoDB. Each query carries the requester's restriction; none is made elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.query import And, Clause, Has, Hop, SearchQuery
from fhir_dmp.store.mongo.contained import build_contained_count
from fhir_dmp.store.mongo.document import HISTORY_PROJECTION, PROJECTION, parse_version
from fhir_dmp.store.mongo.fault import QUERY_MILLISECONDS, database_errors
from fhir_dmp.store.mongo.filter import Filter, all_of, build_filter
from fhir_dmp.store.mongo.history import build_deletion_filter, build_history_filter, build_past_pipeline
from fhir_dmp.store.mongo.hop import build_hop_pipeline
from fhir_dmp.store.mongo.indexes import FORM, HISTORY, RESOURCE
from fhir_dmp.store.mongo.judge import Judge
from fhir_dmp.store.mongo.own import Asked, Own, build_forms, find_asked, lacks, no_own, not_ready
from fhir_dmp.store.mongo.plan import SAMPLED_PART, SearchPlan, build_plan, build_sample, read_sort_keys
from fhir_dmp.store.mongo.predicate import DECIDING
from fhir_dmp.store.mongo.recorded import EVENT, about, sought, sought_by_id
from fhir_dmp.store.port import HistoryQuery, RestrictionOf, SearchPage, Stamps

Document = dict[str, Any]
_JUDGED = {**PROJECTION, **DECIDING}


class MongoReader:
    """Reads inside a transaction, where there is a session, or else what is durable."""

    def __init__(
        self,
        database: AsyncDatabase[Document],
        session: AsyncClientSession | None = None,
        milliseconds: int = QUERY_MILLISECONDS,
        own: Callable[[], Own] = no_own,
    ) -> None:
        """`database` has a read concern of majority; a query runs so many `milliseconds` at most.

        `own` gives the parameters of this server's own that may be asked for.
        """
        self._milliseconds = milliseconds
        self._own = own
        self._resources = database[RESOURCE]
        self._versions = database[HISTORY]
        self._session = session
        self._judge = Judge()

    async def _look_for_events(self, wanted: Filter | None) -> None:
        """Is awaited before anything is read that may be an event, with which of them (recorded.py); None: none is."""

    async def read(self, identities: Iterable[Identity], restriction: Restriction) -> Mapping[Identity, Version]:
        """See the port."""
        identities = list(identities)
        await self._look_for_events(sought_by_id(identities))
        wanted = all_of(
            [{"_id": {"$in": [str(identity) for identity in identities]}}, build_filter(restriction.clause)]
        )
        return {version.identity: version for version in await self._find(self._resources, wanted, PROJECTION)}

    async def read_each(
        self, identities: Iterable[Identity], restriction: RestrictionOf
    ) -> Mapping[Identity, Version] | None:
        """See the port."""
        identities = list(identities)
        await self._look_for_events(sought_by_id(identities))
        return self._judge.judge((await self._documents(identities)).values(), restriction)

    async def _documents(self, identities: Iterable[Identity]) -> Mapping[Identity, Document]:
        """Returns current versions with what access control asks of them, for `_judge` alone."""
        found = {str(identity): identity for identity in identities}
        with database_errors():
            rows = self._resources.find({"_id": {"$in": list(found)}}, _JUDGED, session=self._session)
            return {found[row["_id"]]: row for row in await rows.to_list()}

    async def read_latest(self, identities: Iterable[Identity], restriction: Restriction) -> Mapping[Identity, Version]:
        """See the port."""
        wanted = set(identities)
        found = dict(await self.read(wanted, restriction))
        missing = [str(identity) for identity in wanted - found.keys()]
        if missing:
            deleted = all_of([{"r": {"$in": missing}}, build_deletion_filter(restriction.clause)])
            for version in await self._find(self._versions, deleted, HISTORY_PROJECTION):
                found[version.identity] = version
        return found

    async def read_version(self, identity: Identity, version_id: int, restriction: Restriction) -> Version | None:
        """See the port."""
        newest = (await self.read_latest((identity,), restriction)).get(identity)
        if newest is None or newest.version_id == version_id:
            return newest
        key = {"_id": f"{identity}/{version_id}"}
        shown = build_history_filter(HistoryQuery(1, identity), restriction.clause, "r", paged=False)
        found = await self._find(self._versions, all_of([key, shown]), HISTORY_PROJECTION)
        return found[0] if found else None

    async def search(self, query: SearchQuery, restriction: Restriction) -> SearchPage:
        """See the port."""
        await self._look_for_events(sought(query.resource_types, query.clause, restriction.clause))
        await self._require_own(find_asked(self._own, query.clause, query.resource_types, query.sort))
        count = query.count or 0
        with database_errors():
            plan = build_plan(query, restriction.clause, built=self._judge.parts(restriction))
            rows = await self._rows(plan, count + 1)
        shown, is_more = rows[:count], len(rows) > count
        if query.before:
            shown.reverse()
        is_followed, is_preceded = (True, is_more) if query.before else (is_more, query.after is not None)
        return SearchPage(
            [parse_version(row) for row in shown],
            read_sort_keys(shown[-1], query) if shown and is_followed else None,
            read_sort_keys(shown[0], query) if shown and is_preceded else None,
        )

    async def reach(self, query: SearchQuery, restriction: Restriction) -> tuple[str, int]:
        """See the port."""
        await self._look_for_events(sought(query.resource_types, query.clause, restriction.clause))
        plan = build_plan(query, restriction.clause, built=self._judge.parts(restriction))
        pipeline: list[Document] = [
            {"$match": plan.find_filter},
            {"$sort": dict(plan.order)},
            {"$limit": query.count or 1},
            {"$group": {"_id": None, "last": {"$max": "$_id"}, "n": {"$sum": 1}}},
        ]
        with database_errors():
            found = await self._resources.aggregate(pipeline, session=self._session, maxTimeMS=self._milliseconds)
            rows = await found.to_list()
        return (rows[0]["last"], rows[0]["n"]) if rows else ("", 0)

    async def count(self, clause: Clause, restriction: Restriction, limit: int) -> int:
        """See the port."""
        await self._look_for_events(sought((), clause, restriction.clause))
        await self._require_own(find_asked(self._own, clause, (), ()))
        wanted = build_filter(clause, restriction.clause)
        bound: dict[str, Any] = {"limit": limit} if limit else {}
        with database_errors():
            return await self._resources.count_documents(
                wanted, session=self._session, maxTimeMS=self._milliseconds, **bound
            )

    async def count_contained(self, clause: Clause, restriction: Restriction, limit: int) -> int:
        """See the port."""
        pipeline = build_contained_count(clause, restriction.clause, limit)
        with database_errors():
            found = await self._resources.aggregate(pipeline, session=self._session, maxTimeMS=self._milliseconds)
            rows = await found.to_list()
        return int(rows[0]["total"]) if rows else 0

    async def estimate(self, query: SearchQuery, restriction: Restriction) -> int:
        """See the port. Ids of ours are random: their first digits divide all matches into parts of like size."""
        wanted = all_of([build_filter(query.clause, restriction.clause), build_sample(query.resource_types)])
        with database_errors():
            found = await self._resources.count_documents(wanted, session=self._session, maxTimeMS=self._milliseconds)
        return found * SAMPLED_PART

    async def find_ids(self, clause: Clause, restriction: Restriction, hop: Hop | None, limit: int) -> Sequence[str]:
        """See the port."""
        await self._look_for_events(sought((), clause, restriction.clause))
        asked = And((clause, Has(hop.resource_type, hop.parameter, ()))) if hop else clause
        await self._require_own(find_asked(self._own, asked, (), ()))
        wanted = build_filter(clause, restriction.clause)
        with database_errors():
            if hop is None:
                found = self._resources.find(wanted, {"_id": 1}, session=self._session)
                rows = await found.limit(limit).max_time_ms(self._milliseconds).to_list()
            else:
                pipeline = build_hop_pipeline(wanted, hop, limit)
                led = await self._resources.aggregate(pipeline, session=self._session, maxTimeMS=self._milliseconds)
                rows = await led.to_list()
        return [row["_id"].rpartition("/")[2] for row in rows]

    async def stamps(
        self, patients: Collection[str], resource_types: Collection[str], restriction: Restriction
    ) -> Mapping[str, Stamps]:
        """See the port."""
        if EVENT in resource_types:
            await self._look_for_events(about(patients))
        of_patients = {"pt": {"$in": list(patients)}, "ty": {"$in": list(resource_types)}}
        wanted = all_of([of_patients, build_filter(restriction.clause)])
        found: dict[str, set[tuple[str, int]]] = {}
        with database_errors():
            rows = self._resources.find(wanted, {"v": 1, "pt": 1}, session=self._session)
            for row in await rows.max_time_ms(self._milliseconds).to_list():
                found.setdefault(row["pt"], set()).add((row["_id"], row["v"]))
        return {patient: frozenset(stamps) for patient, stamps in found.items()}

    async def history(self, query: HistoryQuery, restriction: Restriction) -> Sequence[Version]:
        """See the port."""
        await self._look_for_events(_sought_by_history(query, restriction))
        # the current versions first: one that is superseded meanwhile is then read twice, but never missed
        current = await self._current_part(query, restriction)
        superseded = await self._past_part(query, restriction)
        both = {_history_key(version): version for version in [*superseded, *current]}
        return [both[key] for key in sorted(both, reverse=True)][: query.limit]

    async def count_history(self, query: HistoryQuery, restriction: Restriction, limit: int) -> int:
        """See the port."""
        await self._look_for_events(_sought_by_history(query, restriction))
        wanted = build_history_filter(query, restriction.clause, "_id", paged=False)
        bound: dict[str, Any] = {"limit": limit} if limit else {}
        with database_errors():
            current = await self._resources.count_documents(
                wanted, session=self._session, maxTimeMS=self._milliseconds, **bound
            )
            if limit and current >= limit:
                return current
            stages: list[Document] = [{"$limit": limit - current}] if limit else []
            past = build_past_pipeline(query, restriction.clause, [*stages, {"$count": "total"}], paged=False)
            rows = await self._versions.aggregate(past, session=self._session, maxTimeMS=self._milliseconds)
            counted = await rows.to_list()
        return current + (int(counted[0]["total"]) if counted else 0)

    async def _require_own(self, asked: Asked) -> None:
        """Raises FhirError where a resource has no facts yet of a parameter of this server's own."""
        for resource_type, parameter in asked:
            with database_errors():
                pipeline = build_forms(resource_type)
                rows = await self._resources.aggregate(pipeline, session=self._session, hint=FORM)
                if lacks(await rows.to_list(), parameter):
                    raise not_ready(parameter)

    async def _rows(self, plan: SearchPlan, limit: int) -> list[Document]:
        if plan.computed:
            pipeline = plan.build_pipeline(limit, PROJECTION)
            found = await self._resources.aggregate(pipeline, session=self._session, maxTimeMS=self._milliseconds)
            return await found.to_list()
        rows = self._resources.find(plan.find_filter, plan.build_projection(PROJECTION), session=self._session)
        # one round trip: of itself a first batch has 101 documents
        rows = rows.sort(plan.order).limit(limit).batch_size(limit + 1).max_time_ms(self._milliseconds)
        return await rows.to_list()

    async def _current_part(self, query: HistoryQuery, restriction: Restriction) -> list[Version]:
        wanted = build_history_filter(query, restriction.clause, "_id", paged=True)
        order = [("lu", -1), ("_id", -1), ("v", -1)]
        with database_errors():
            rows = self._resources.find(wanted, PROJECTION, session=self._session).sort(order).limit(query.limit)
            return [parse_version(row) for row in await rows.max_time_ms(self._milliseconds).to_list()]

    async def _past_part(self, query: HistoryQuery, restriction: Restriction) -> list[Version]:
        stages: list[Document] = [{"$limit": query.limit}, {"$project": HISTORY_PROJECTION}]
        past = build_past_pipeline(query, restriction.clause, stages, paged=True)
        with database_errors():
            rows = await self._versions.aggregate(past, session=self._session, maxTimeMS=self._milliseconds)
            return [parse_version(row) for row in await rows.to_list()]

    async def _find(
        self, collection: AsyncCollection[Document], wanted: Document, projection: Document
    ) -> list[Version]:
        with database_errors():
            rows = collection.find(wanted, projection, session=self._session).max_time_ms(self._milliseconds)
            return [parse_version(row) for row in await rows.to_list()]


def _sought_by_history(query: HistoryQuery, restriction: Restriction) -> Filter | None:
    if query.identity:
        return sought_by_id((query.identity,))
    return sought(query.resource_types, restriction.clause)


def _history_key(version: Version) -> tuple[int, str, int]:
    return version.last_updated, str(version.identity), version.version_id
