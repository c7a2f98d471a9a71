"""Every shape of query that tests ask for runs on an index, by a real mongod's explain; shapes.json lists them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from fhir_dmp.search.index import Indexer
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import AboutPatient, Clause, Everything, Handling, Or
from fhir_dmp.store.mongo.indexes import INDEXES, RESOURCE
from fhir_dmp.store.mongo.plan import SearchPlan, build_plan
from tests.store.mongo.test_plan import build_document
from tests.strategies.search import NOW, SPACE

Document = dict[str, Any]

TABLE = json.loads((Path(__file__).parent / "cases" / "shapes.json").read_text(encoding="utf8"))
INDEXER = Indexer(SPACE)
ROWS = 600
RESTRICTIONS: dict[str, Clause] = {
    "all": Everything(),
    "some patients": Or((AboutPatient(("7",)), AboutPatient(("8", "9")))),
}


@pytest.fixture(scope="module")
def collection(mongodb_client: MongoClient[Document]) -> Iterator[Collection[Document]]:
    """Patients and Observations, with the indexes that a server creates."""
    database = mongodb_client["test_explain"]
    database[RESOURCE].create_indexes(INDEXES[RESOURCE])
    rows = [build(number) for number in range(ROWS) for build in (_patient, _observation)]
    database[RESOURCE].insert_many([build_document(INDEXER.facts(row)) for row in rows])
    yield database[RESOURCE]
    mongodb_client.drop_database("test_explain")


def _common(resource_type: str, number: int) -> Document:
    updated = f"2024-01-01T00:{number // 60:02}:{number % 60:02}Z"
    identifier = [{"system": "http://s", "value": f"a{number}"}]
    return {
        "resourceType": resource_type,
        "id": str(number),
        "meta": {"lastUpdated": updated},
        "identifier": identifier,
    }


def _patient(number: int) -> Document:
    name = [{"family": f"Dub{number}", "given": ["Jean" if number % 3 else "Marie"]}]
    born = f"19{number % 60 + 30}-0{number % 9 + 1}-02"
    return {**_common("Patient", number), "name": name, "birthDate": born, "gender": "female" if number % 2 else "male"}


def _observation(number: int) -> Document:
    return {
        **_common("Observation", number),
        "status": "final" if number % 3 else "amended",
        "code": {"coding": [{"system": "http://s", "code": f"c{number % 50}"}]},
        "category": [{"coding": [{"code": "vital-signs" if number % 4 else "laboratory"}]}],
        "subject": {"reference": f"Patient/{number % 20}"},
        "effectiveDateTime": f"20{number % 24:02}-0{number % 9 + 1}-11",
        "valueQuantity": {"value": number, "code": "mg"},
        "note": [{"text": "x"}],
        **({"contained": [{**_patient(number), "id": "p"}], "performer": [{"reference": "#p"}]} if number % 30 else {}),
    }


def _plan(shape: str, restriction: Clause) -> SearchPlan:
    resource_type, _, written = shape.partition("?")
    pairs = parse_qsl(written)
    query = parse_search(resource_type or None, pairs, space=SPACE, handling=Handling.STRICT, now=NOW, may_contain=True)
    return build_plan(query, restriction)


def _explain(collection: Collection[Document], plan: SearchPlan) -> Document:
    database = collection.database
    command: Document
    if plan.computed:
        command = {"aggregate": collection.name, "pipeline": plan.build_pipeline(20, {"v": 1}), "cursor": {}}
    else:
        command = {"find": collection.name, "filter": plan.find_filter, "sort": dict(plan.order), "limit": 20}
    return database.command({"explain": command, "verbosity": "queryPlanner"})


def _stages(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("stage"), str):
            yield value["stage"]
        for name, child in value.items():
            if name != "rejectedPlans":
                yield from _stages(child)
    elif isinstance(value, list):
        for child in value:
            yield from _stages(child)


@pytest.mark.parametrize("who", RESTRICTIONS)
@pytest.mark.parametrize("shape", TABLE["shapes"])
def test_each_shape_of_query_runs_on_an_index(collection: Collection[Document], shape: str, who: str) -> None:
    stages = list(_stages(_explain(collection, _plan(shape, RESTRICTIONS[who]))))
    assert stages
    assert "COLLSCAN" not in stages, stages
