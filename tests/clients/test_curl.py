"""curl and a browser: what people try first."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.demo_server import Demo

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")


def _curl(*words: str) -> tuple[int, str, str]:
    """Returns the status, the content type and the body."""
    told = "\n%{http_code} %{content_type}"
    command = ["curl", "-s", "-w", told, *words]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    body, _, last = ran.rpartition("\n")
    status, _, media_type = last.partition(" ")
    return int(status), media_type, body


def test_metadata_need_no_token_and_are_json_for_whoever_takes_anything(demo: Demo) -> None:
    status, media_type, body = _curl(f"{demo.base_url}/metadata")
    assert (status, media_type) == (200, "application/fhir+json; charset=utf-8")
    assert json.loads(body)["fhirVersion"] == "4.0.1"


def test_answer_is_indented_where_that_is_asked_for(demo: Demo, bearer: str, gerard: str) -> None:
    status, _, body = _curl("-H", f"Authorization: {bearer}", f"{demo.base_url}/Patient/{gerard}?_pretty=true")
    assert status == 200
    assert body.startswith('{\n  "resourceType": "Patient"')


def test_without_a_token_the_answer_says_what_is_missing(demo: Demo, gerard: str) -> None:
    status, _, body = _curl(f"{demo.base_url}/Patient/{gerard}")
    assert status == 401
    assert json.loads(body)["issue"][0]["code"] == "login"


def test_form_is_a_search(demo: Demo, bearer: str, gerard: str) -> None:
    words = ("-H", f"Authorization: {bearer}", "-d", f"patient={gerard}", "-d", "_count=1")
    status, _, body = _curl(*words, f"{demo.base_url}/Observation/_search")
    assert (status, len(json.loads(body)["entry"])) == (200, 1)


@pytest.mark.parametrize("length", [64_600, 65_500, 70_000, 100_000])
def test_search_that_is_too_long_for_a_url_is_refused_as_such(length: int, demo: Demo, bearer: str) -> None:
    status, _, body = _curl("-H", f"Authorization: {bearer}", f"{demo.base_url}/Patient?_id={'a,' * (length // 2)}")
    assert (status, json.loads(body)["issue"][0]["details"]["coding"][0]["code"]) == (413, "query-too-long")


def test_file_is_posted_as_plain_json(demo: Demo, bearer: str, gerard: str) -> None:
    row = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    resource = json.dumps({**row, "subject": {"reference": f"Patient/{gerard}"}})
    headers = ("-H", f"Authorization: {bearer}", "-H", "Content-Type: application/json")
    status, _, body = _curl(*headers, "-d", resource, f"{demo.base_url}/Observation/$validate")
    assert (status, json.loads(body)["resourceType"]) == (200, "OperationOutcome")
