"""A running server gives what is stored the facts of its parameters, whatever else cannot be rebuilt."""

from __future__ import annotations

from fhir_dmp.resource import Identity
from fhir_dmp.store.mongo.renewal import Renewal
from fhir_dmp.store.mongo.store import MongoStore
from tests.audit.trail import NOW, indexer
from tests.store.mongo.test_reindex import next_change, write


async def test_what_cannot_be_rebuilt_keeps_nothing_else_from_it(store: MongoStore) -> None:
    for resource_type, names in {"Observation": "abc", "Patient": "de"}.items():
        await write(store, *(next_change(Identity(resource_type, name), None) for name in names))
    resources = store.database["resource"]
    await resources.update_many({}, {"$set": {"f": "of parameters that are no more"}})
    await resources.update_many({"ty": "Observation", "_id": {"$ne": "Observation/c"}}, {"$set": {"b": b"{"}})
    renewal = Renewal(store, indexer().space, indexer(), lambda: NOW)
    await renewal._renew()  # noqa: SLF001  what the server does every two seconds
    left = await resources.find({"f": {"$exists": True}}, {"_id": 1}).sort("_id").to_list()
    assert [row["_id"] for row in left] == ["Observation/a", "Observation/b"]
