"""fhirclient, the SMART on FHIR client for Python, as its documentation shows it: https://docs.smarthealthit.org/client-py/."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx
import pytest
from fhirclient import client as smart
from fhirclient.models.allergyintolerance import AllergyIntolerance
from fhirclient.models.documentreference import DocumentReference
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient

from tests.demo_server import Demo

REDIRECT = "http://127.0.0.1:7777/callback"


def _agree(url: str, patient: str) -> str:
    """What the patient does in his browser: he says who he is and agrees; returns where he is sent back to."""
    with httpx.Client(follow_redirects=False) as browser:
        page = browser.get(url)
        handle = re.findall(r'name="request" value="([^"]+)"', page.text)[0]
        form = {"request": unescape(handle), "identity": "patient", "patient": patient, "decision": "allow"}
        answer = browser.post(url.partition("?")[0], data=form)
    return str(answer.headers["location"])


@pytest.fixture(scope="module")
def app(demo: Demo, gerard: str) -> Any:
    """An app that the patient has let in."""
    settings = {
        "app_id": "demo",
        "api_base": f"{demo.base_url}/",
        "redirect_uri": REDIRECT,
        "scope": "patient/*.rs launch/patient",
    }
    app = smart.FHIRClient(settings=settings)
    assert not app.prepare()
    app.handle_callback(_agree(app.authorize_url, gerard))
    assert app.ready
    return app


def test_patient_of_the_launch_is_known(app: Any, gerard: str) -> None:
    assert (app.patient_id, app.patient.id) == (gerard, gerard)
    assert app.human_name(app.patient.name[0])


def test_resources_are_read_as_models(app: Any, gerard: str) -> None:
    patient = Patient.read(gerard, app.server)
    assert patient.birthDate.isostring.startswith("1953")


def test_searches_are_performed_over_all_pages(app: Any, gerard: str) -> None:
    search = Observation.where(struct={"patient": gerard, "_count": "2"})
    found = list(search.perform_resources_iter(app.server))
    assert len(found) > 2
    assert len({row.id for row in found}) == len(found)
    assert all(row.subject.reference == f"Patient/{gerard}" for row in found)


@pytest.mark.parametrize("model", [AllergyIntolerance, DocumentReference])
def test_found_resources_are_models(app: Any, gerard: str, model: Any) -> None:
    assert list(model.where({"patient": gerard}).perform_resources_iter(app.server))


def test_included_resources_are_parsed(app: Any, gerard: str) -> None:
    search = Observation.where({"patient": gerard}).include("subject")
    (bundle,) = search.perform_iter(app.server)
    assert {entry.resource.resource_type for entry in bundle.entry} == {"Observation", "Patient"}


def test_capability_statement_is_a_strict_model(app: Any) -> None:
    statement = app.server.capabilityStatement
    assert statement.fhirVersion == "4.0.1"


def test_state_of_the_app_survives(app: Any, gerard: str) -> None:
    again = smart.FHIRClient(state=app.state)
    assert Patient.read(gerard, again.server).id == gerard
