"""Documents as MHD and PDSm share them: ITI-65 to 68 and ITI-105, with the official examples.

https://profiles.ihe.net/ITI/MHD, https://interop.esante.gouv.fr/ig/fhir/pdsm.
"""

from __future__ import annotations

import json
import os
import tarfile
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_dmp.record.metadata_update import IS_ARCHIVED, PDSM, find_fixed, is_shared
from tests.rest.server import FHIR_JSON, Server, run_server

Json = Any
SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared"))
DMP = SHARED / "packages/ans.fhir.fr.pdsm4dmp-0.1.0.tgz"
official = pytest.mark.skipif(not DMP.exists(), reason=f"{DMP.name} is not in {SHARED}")
INS = "urn:oid:1.2.250.1.213.1.4.8|123456789012345"
LIST_TYPES = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
CASES = json.loads((Path(__file__).parents[1] / "cases/rest/metadata_update.json").read_text(encoding="utf-8"))


def example(name: str) -> Json:
    """An official example with the custodian that its profile asks for since 3.1.1: the examples are of 3.1.0."""
    with tarfile.open(DMP) as archive:
        found = archive.extractfile(f"package/example/{name}.json")
        assert found
        resource = json.load(found)
    for row in [resource, *(entry["resource"] for entry in resource.get("entry", ()))]:
        if row["resourceType"] == "DocumentReference":
            row["custodian"] = {"reference": "Organization/hospital"}
    return resource


@pytest.fixture
async def server(mongodb_uri: str, mongodb_client: MongoClient[Json]) -> AsyncIterator[Server]:
    """With the Patient whom the examples are about."""
    system, value = INS.split("|")
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": system, "value": value}],
        "name": [{"family": "Test", "given": ["Ana"]}],
        "gender": "female",
        "birthDate": "1980-01-02",
        "meta": {"profile": ["https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient"]},
    }
    async with run_server(mongodb_uri, mongodb_client) as running:
        hospital = {"resourceType": "Organization", "id": "hospital", "name": "CHU"}
        assert (await running.client.put("Organization/hospital", json=hospital)).status_code == 201
        assert (await running.client.put("Patient/ana", json={**patient, "id": "ana"})).status_code == 201
        yield running


async def search(server: Server, query: str) -> list[Json]:
    answer = await server.client.get(query, headers={"prefer": "handling=strict"})
    assert answer.status_code == 200, answer.text
    return [row["resource"] for row in answer.json().get("entry", ())]


@official
async def test_a_submission_is_stored_found_and_retrieved(server: Server) -> None:
    bundle = example("Bundle-example-td2-iti65-lot-soumission")
    provided = await server.client.post("", json=bundle, headers={"content-type": FHIR_JSON})
    assert provided.status_code == 200, provided.text
    assert [row["response"]["status"] for row in provided.json()["entry"]] == ["201 Created"] * 3
    (submission,) = await search(
        server, f"List?patient.identifier={INS}&code={LIST_TYPES}|submissionset&status=current"
    )
    (document,) = await search(
        server,
        f"DocumentReference?patient.identifier={INS}&status=current&type=http://loinc.org|11488-4&date=ge2026-06-01"
        "&period=ge2026&facility=http://snomed.info/sct|22232009&setting=394802001&security-label=N"
        "&contenttype=application/xml&format=urn:ihe:iti:xds:2017:mimeTypeSufficient",
    )
    assert submission["entry"][0]["item"]["reference"] == f"DocumentReference/{document['id']}"
    attachment = document["content"][0]["attachment"]
    got = await server.client.get(attachment["url"])
    assert got.headers["content-type"] == "application/xml"
    assert got.content == b64decode(bundle["entry"][2]["resource"]["data"])
    part = await server.client.get(attachment["url"], headers={"range": "bytes=0-4"})
    assert (part.status_code, part.content) == (206, b"<?xml")


@official
@pytest.mark.parametrize("is_explicit", [True, False])
async def test_a_replacement_supersedes_the_former_document(server: Server, *, is_explicit: bool) -> None:
    """Whether the submission does so by an entry of its own, as the example has it, or leaves it to the server."""
    former = example("DocumentReference-doc-x-id")
    former |= {"subject": {"reference": "Patient/ana"}, "status": "current"}
    stored = await server.client.put("DocumentReference/doc-x-id", json=former)
    assert stored.status_code == 201, stored.text
    bundle = example("Bundle-example-td2-1-remplacement")
    if not is_explicit:
        bundle["entry"] = [row for row in bundle["entry"] if row["request"]["method"] != "PATCH"]
    replaced = await server.client.post("", json=bundle)
    assert replaced.status_code == 200, replaced.text
    former = (await server.client.get("DocumentReference/doc-x-id")).json()
    assert (former["status"], former["meta"]["versionId"]) == ("superseded", "2")
    (newer,) = await search(server, f"DocumentReference?patient.identifier={INS}&status=current")
    assert newer["relatesTo"][0]["target"]["reference"] == "DocumentReference/doc-x-id"
    assert await search(server, "DocumentReference?relatesto=DocumentReference/doc-x-id") == [newer]


@official
@pytest.mark.parametrize("change", [("status", "entered-in-error"), ("description", "autre")])
async def test_what_is_replaced_is_not_changed_besides(server: Server, change: tuple[str, str]) -> None:
    former = example("DocumentReference-doc-x-id")
    former |= {"subject": {"reference": "Patient/ana"}, "status": "current"}
    await server.client.put("DocumentReference/doc-x-id", json=former)
    bundle = example("Bundle-example-td2-1-remplacement")
    bundle["entry"] = [row for row in bundle["entry"] if row["request"]["method"] != "PATCH"]
    changed = {**former, "status": "superseded", change[0]: change[1]}
    bundle["entry"].append({"resource": changed, "request": {"method": "PUT", "url": "DocumentReference/doc-x-id"}})
    answer = await server.client.post("", json=bundle)
    assert answer.status_code == 400, answer.text
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "transaction-duplicate"
    assert (await server.client.get("DocumentReference/doc-x-id")).json()["status"] == "current"


@official
async def test_a_simplified_publication_becomes_a_document_and_its_content(server: Server) -> None:
    sent = example("DocumentReference-example-td2-iti105-publication-simplifiee")
    answer = await server.client.post("DocumentReference", json=sent)
    assert answer.status_code == 201, answer.text
    document = answer.json()
    assert answer.headers["location"].endswith(f"DocumentReference/{document['id']}/_history/1")
    assert document["subject"]["reference"].startswith("Patient/")
    assert "profile" not in document.get("meta", {}), "it has no data any more"
    attachment, data = document["content"][0]["attachment"], b64decode(sent["content"][0]["attachment"]["data"])
    assert (await server.client.get(attachment["url"])).content == data
    assert (attachment["size"], attachment["title"]) == (len(data), "Compte rendu de consultation")


@official
@pytest.mark.parametrize(
    "written", [r"simplified\u002dpublish", r"simplified\u002Dpublish", r"simplified-publi\u0073h"]
)
async def test_a_publication_is_one_however_its_profile_is_written(server: Server, written: str) -> None:
    sent = example("DocumentReference-example-td2-iti105-publication-simplifiee")
    body = json.dumps(sent).replace("simplified-publish", written)
    assert json.loads(body) == sent != json.dumps(sent)
    answer = await server.client.post("DocumentReference", content=body, headers={"content-type": FHIR_JSON})
    assert answer.status_code == 201, answer.text
    assert "data" not in answer.json()["content"][0]["attachment"]
    assert server.count(ty="Binary") == 1


@official
@pytest.mark.parametrize(
    ("element", "value", "expression"),
    [
        ("size", 1, "DocumentReference.content[0].attachment.size"),
        ("hash", "AAAA", "DocumentReference.content[0].attachment.hash"),
        ("data", None, "DocumentReference.content[0].attachment"),
    ],
)
async def test_a_wrong_publication_leaves_nothing(server: Server, element: str, value: Json, expression: str) -> None:
    sent = example("DocumentReference-example-td2-iti105-publication-simplifiee")
    attachment = sent["content"][0]["attachment"]
    sent["content"][0]["attachment"] = {
        name: row for name, row in {**attachment, element: value}.items() if row is not None
    }
    answer = await server.client.post("DocumentReference", json=sent)
    assert answer.status_code == 422, answer.text
    found = {text for issue in answer.json()["issue"] for text in issue.get("expression", ())}
    assert any(text.startswith(expression) for text in found), found
    assert server.count(ty="Binary") == server.count(ty="DocumentReference") == 0


DOCUMENT = {
    "resourceType": "DocumentReference",
    "id": "1",
    "meta": {"profile": [f"{PDSM}pdsm-comprehensive-document-reference"], "versionId": "1"},
    "extension": [{"url": IS_ARCHIVED, "valueBoolean": False}, {"url": "urn:other", "valueString": "x"}],
    "status": "current",
    "content": [{"attachment": {"url": "Binary/1"}}],
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_only_the_metadata_of_a_shared_document_may_change(case: Json) -> None:
    extension = json.loads(json.dumps(case["change"]).replace("IS_ARCHIVED", IS_ARCHIVED))
    after = {name: row for name, row in {**DOCUMENT, **extension}.items() if row is not None}
    assert find_fixed(DOCUMENT, after) == case["fixed"]


def test_a_document_is_shared_by_its_profile() -> None:
    assert is_shared(DOCUMENT)
    assert not is_shared({**DOCUMENT, "meta": {}})
    assert not is_shared({"resourceType": "List", "meta": DOCUMENT["meta"]})
