"""The official examples of PDSm and PDSm4DMP, each as published and as it is once its own mistakes are repaired.

What is wrong with one is in the case: R4's dom-3 and dom-4, targets that have to be contained, sizes and hashes of
something else, no custodian, an INS without number.
https://interop.esante.gouv.fr/ig/fhir/pdsm, https://interop.esante.gouv.fr/ig/fhir/pdsm4dmp.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
from pymongo import MongoClient

from fhir_dmp.loader import load_shipped_parameters
from fhir_dmp.record.document_type import CLASS
from fhir_dmp.record.metadata_update import IS_ARCHIVED
from tests.rest.server import Server, run_server

Json = Any
SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared"))
PACKAGES = {"pdsm": "ans.fhir.fr.pdsm-3.1.1", "pdsm4dmp": "ans.fhir.fr.pdsm4dmp-0.1.0"}
CASES = json.loads((Path(__file__).parents[1] / "cases/rest/pdsm_examples.json").read_text(encoding="utf8"))
PATIENT = {
    "resourceType": "Patient",
    "id": "ana",
    "identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.8", "value": "123456789012345"}],
    "name": [{"family": "Test", "given": ["Ana"]}],
    "gender": "female",
    "birthDate": "1980-01-02",
}


@cache
def published(package: str) -> dict[str, Json]:
    """The examples of a package by their file's name; skips the test where the package is absent."""
    path = SHARED / f"packages/{PACKAGES[package]}.tgz"
    if not path.exists():
        pytest.skip(f"{path.name} is not in {SHARED}")
    found = {}
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            if member.name.startswith("package/example/") and (file := archive.extractfile(member)):
                found[Path(member.name).stem] = json.load(file)
    return found


@pytest.fixture(scope="module")
async def server(mongodb_uri: str, mongodb_client: MongoClient[Json]) -> AsyncIterator[Server]:
    """With whom the examples are about."""
    async with run_server(mongodb_uri, mongodb_client) as running:
        for resource in (PATIENT, {"resourceType": "Organization", "id": "hospital", "name": "CHU"}):
            await running.client.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
        yield running


async def send(server: Server, resource: Json) -> tuple[int, set[str]]:
    """The status of an example as an entry of a transaction, or as one, and what was wrong with it."""
    bundle = resource
    if resource["resourceType"] != "Bundle":
        is_publication = any("simplified" in url for url in resource.get("meta", {}).get("profile", ()))
        if is_publication:
            return told(await server.client.post("DocumentReference", json=resource))
        request = {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": resource, "request": request}],
        }
    return told(await server.client.post("", json=bundle))


def told(answer: Any) -> tuple[int, set[str]]:
    issues = answer.json()["issue"] if answer.status_code >= 400 else ()
    errors = [row["details"]["coding"][0]["code"] for row in issues if row["severity"] == "error"]
    return answer.status_code, set(errors)


def test_every_example_has_its_case() -> None:
    of_packages = {f"{package} {name}" for package in PACKAGES for name in published(package)}
    assert of_packages == {f"{case['package']} {case['example']}" for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["example"]))
async def test_an_example_is_taken_or_told_what_is_wrong_with_it(server: Server, case: Json) -> None:
    resource = published(case["package"])[case["example"]]
    assert await send(server, resource) == (case["status"], set(case.get("faults", ())))
    if "repair" in case:
        repaired = jsonpatch.apply_patch(resource, case["repair"])
        status, faults = await send(server, repaired)
        assert status < 300, faults


async def test_the_search_parameters_of_pdsm_are_those_of_its_package(server: Server) -> None:
    path = SHARED / f"packages/{PACKAGES['pdsm']}.tgz"
    if not path.exists():
        pytest.skip(f"{path.name} is not in {SHARED}")
    with tarfile.open(path) as archive:
        files = [archive.extractfile(row) for row in archive.getmembers() if "/SearchParameter-" in row.name]
        official = {row["url"]: row for row in map(json.load, filter(None, files))}
    ours = {row["url"]: row for row in load_shipped_parameters()}
    # R4's own List.source leads to all that the two others name
    assert {url.rpartition("-")[2] for url in official.keys() - ours.keys()} == {
        "PatientAsSource", "PractitionerRoleAsSource",
    }  # fmt: skip
    guide = "https://interop.esante.gouv.fr/"
    for url, row in ((url, row) for url, row in ours.items() if url.startswith(guide)):
        assert all(row[name] == official[url][name] for name in ("code", "base", "type", "expression")), url
    resources = (await server.client.get("metadata")).json()["rest"][0]["resource"]
    listed = {row["definition"] for entry in resources for row in entry["searchParam"]}
    assert ours.keys() <= listed


async def test_documents_are_found_by_what_pdsm_searches_by(server: Server) -> None:
    document = {
        "resourceType": "DocumentReference", "status": "current", "subject": {"reference": f"Patient/{PATIENT['id']}"},
        "extension": [{"url": IS_ARCHIVED, "valueBoolean": True}],
        "context": {"period": {"start": "2019-02-01", "end": "2019-03-01"}},
        "content": [{"attachment": {"contentType": "text/plain", "data": "eA==", "creation": "2019-02-27"}}],
    }  # fmt: skip
    made = (await server.client.post("DocumentReference", json=document)).json()["id"]
    sender = {"url": "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-authorOrg",
              "valueReference": {"reference": "Organization/hospital"}}  # fmt: skip
    system = {"url": "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-sourceId",
              "valueIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"}}  # fmt: skip
    kind = {"url": "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-designationType",
            "valueCodeableConcept": {"coding": [{"system": CLASS, "code": "10"}]}}  # fmt: skip
    lot = {"resourceType": "List", "status": "current", "mode": "working", "extension": [sender, system, kind]}
    lot_id = (await server.client.post("List", json=lot)).json()["id"]
    for query, expected in (
        ("DocumentReference?isArchived=true&period-start=2019", [made]),
        ("DocumentReference?isArchived=false&period-start=2019", []),
        ("DocumentReference?period-end=ge2019-03&period-end=lt2019-04", [made]),
        ("DocumentReference?period-start=ge2019-03&period-start=lt2019-06", []),
        ("DocumentReference?creation=2019-02-27", [made]),
        ("DocumentReference?period-start=2019&creation=ge2020", []),
        ("List?sourceId=urn:ietf:rfc:3986|urn:oid:1.2.3&designationType=10", [lot_id]),
        ("List?sourceId=urn:oid:1.2.3&designationType=11", []),
        ("List?authorOrg=Organization/hospital", [lot_id]),
        ("List?authorOrg:Organization.name=CHU", [lot_id]),
    ):
        answer = await server.client.get(query, headers={"prefer": "handling=strict"})
        assert answer.status_code == 200, answer.text
        assert [row["resource"]["id"] for row in answer.json().get("entry", ())] == expected, query
