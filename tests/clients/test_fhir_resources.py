"""fhir.resources, the models of FHIR in Python, as its documentation shows it: https://pypi.org/project/fhir.resources/.

Its classes of R4B read what the server answers of every type that it exposes, as JSON and as XML, to one and the same
model. (R4 itself it has no more; what the two tell apart is in types that are not exposed.)
"""

from __future__ import annotations

import json
from html import unescape
from typing import Any

import httpx
import pytest
from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.binary import Binary
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.patient import Patient

from fhir_dmp.loader import load_capability
from tests.demo_server import Demo

Json = Any
TYPES = sorted(name for name, row in load_capability().types.items() if "search-type" in row.interactions)
ASKING = ("MEDECIN", "PATIENT", "CAISSE", "HOPITAL", "PHARMACIENNE", "INCONNU")
"""Who asks, one after another until somebody sees something; the stranger to Gérard treats a child elsewhere."""
ELSEWHERE = frozenset({
    "Binary", "Bundle", "CapabilityStatement",  # read below, by other interactions than a search
    "Communication", "EpisodeOfCare", "Group", "MedicationAdministration", "Provenance", "Subscription",
})  # fmt: skip
"""The types of which the demo has none to search: their Bundle is empty unless another test has made one."""


def read(demo: Demo, who: str, url: str, form: str) -> bytes:
    """The answer to somebody of the demo, in a format."""
    headers = {"authorization": f"Bearer {demo.variables[who]}", "accept": f"application/fhir+{form}"}
    answer = httpx.get(f"{demo.base_url}/{url}", headers=headers)
    assert answer.headers["content-type"].startswith(f"application/fhir+{form}")
    return answer.content


def rows(bundle: Bundle) -> list[Any]:
    """The resources of a Bundle."""
    return [entry.resource for entry in bundle.entry or ()]


def said(model: Any) -> Json:
    """What a model says; its XML reader has no ids of elements, and another spelling of the letters of a narrative."""
    return _plain(json.loads(model.model_dump_json()))


def _plain(value: Json) -> Json:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _plain(row) for key, row in value.items() if key != "id" or "resourceType" in value}
    return {**kept, "div": unescape(kept["div"])} if "div" in kept else kept


@pytest.fixture(scope="module", autouse=True)
def trace(demo: Demo, gerard: str) -> None:
    """What is read leaves an AuditEvent, which the patient sees."""
    read(demo, "MEDECIN", f"Patient/{gerard}", "json")


@pytest.mark.parametrize("resource_type", TYPES)
def test_every_type_is_read_alike_from_json_and_xml(demo: Demo, resource_type: str) -> None:
    for who in ASKING:
        found = rows(Bundle.model_validate_json(read(demo, who, f"{resource_type}?_count=5", "json")))
        if found:
            break
    assert found or resource_type in ELSEWHERE
    assert all(isinstance(row, get_fhir_model_class(resource_type)) for row in found)
    # by their ids: who asks for AuditEvents leaves one more
    ids = ",".join(row.id for row in found) or "none"
    same = rows(Bundle.model_validate_xml(read(demo, who, f"{resource_type}?_id={ids}", "xml")))
    assert {row.id: said(row) for row in same} == {row.id: said(row) for row in found}


def test_a_patient_is_read_and_written_back(demo: Demo, gerard: str) -> None:
    patient = Patient.model_validate_xml(read(demo, "MEDECIN", f"Patient/{gerard}", "xml"))
    assert patient.id == gerard
    again = Patient.model_validate_json(patient.model_dump_json())
    assert said(again) == said(Patient.model_validate_json(read(demo, "MEDECIN", f"Patient/{gerard}", "json")))


def test_a_binary_is_a_model_where_it_is_asked_for_as_a_resource(demo: Demo, bearer: str) -> None:
    headers = {"authorization": bearer, "content-type": "text/plain"}
    made = httpx.post(f"{demo.base_url}/Binary", content=b"Compte rendu", headers=headers)
    assert made.status_code == 201, made.text
    url = made.headers["location"].removeprefix(f"{demo.base_url}/")
    from_json = Binary.model_validate_json(read(demo, "MEDECIN", url, "json"))
    assert from_json.contentType == "text/plain"
    assert said(Binary.model_validate_xml(read(demo, "MEDECIN", url, "xml"))) == said(from_json)


@pytest.mark.parametrize(("url", "model"), [("metadata", CapabilityStatement), ("Patient/absent", OperationOutcome)])
def test_what_is_no_record_is_read_alike_too(demo: Demo, url: str, model: Any) -> None:
    from_json = model.model_validate_json(read(demo, "MEDECIN", url, "json"))
    assert said(model.model_validate_xml(read(demo, "MEDECIN", url, "xml"))) == said(from_json)
