"""Patient/$summary: valid against the International Patient Summary, with what the record has and no more."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

import pytest

from fhir_dmp.conformance.profiles import Profiles
from fhir_dmp.conformance.validate import validate_resource
from fhir_dmp.json_text import parse_json_object
from fhir_dmp.loader import load_definitions, load_registry, load_shipped_definitions
from fhir_dmp.operations.summary import PROFILE
from fhir_dmp.operations.summary_text import write_text
from fhir_dmp.terminology.terminology import Terminology
from fhir_dmp.validation.compiler import Schemas
from tests.access_http.house import House
from tests.conformance.corpus import REASON, SHARED, read_package
from tests.rest.server import Server
from tests.strategies.access import coding, concept, reference

Json = Any
LOINC_REQUIRED = {"48765-2", "11450-4", "10160-0"}


@pytest.fixture(scope="module")
async def summaries(examples: Server) -> list[Json]:
    """The summary of each patient of the demo."""
    found = (await examples.client.get("Patient?_count=100")).json()
    names = [row["resource"]["id"] for row in found["entry"]]
    answers = [await examples.client.get(f"Patient/{name}/$summary") for name in names]
    assert {answer.status_code for answer in answers} == {200}
    return [parse_json_object(answer.content) for answer in answers]


@cache
def profiles() -> Profiles:
    """R4, what is shipped, and the guide."""
    known: dict[str, Json] = {}
    package = read_package("hl7.fhir.uv.ips-1.1.0")
    for row in [*load_definitions("terminology"), *load_shipped_definitions(), *package]:
        if "url" in row:
            known |= {row["url"]: row, f"{row['url']}|{row.get('version', '')}": row}
    return Profiles(known.get, Terminology(known.get), load_registry())


@pytest.mark.skipif(not SHARED.is_dir(), reason=REASON)
def test_each_summary_is_valid_against_the_guide(summaries: list[Json]) -> None:
    schemas = Schemas(load_registry())
    for bundle in summaries:
        report = validate_resource(bundle, schemas, profiles(), [f"{PROFILE}Bundle-uv-ips"])
        assert [issue for issue in report.issues if issue.severity == "error"] == []


@pytest.mark.skipif(not SHARED.is_dir(), reason=REASON)
@pytest.mark.parametrize("code", sorted(LOINC_REQUIRED))
def test_the_guide_would_notice_a_section_that_is_not_there(code: str, summaries: list[Json]) -> None:
    bundle = deepcopy(summaries[0])
    composition = bundle["entry"][0]["resource"]
    composition["section"] = [row for row in composition["section"] if row["code"]["coding"][0]["code"] != code]
    report = validate_resource(bundle, Schemas(load_registry()), profiles(), [f"{PROFILE}Bundle-uv-ips"])
    assert not report.is_valid


def sections(bundle: Json) -> dict[str, Json]:
    return {row["code"]["coding"][0]["code"]: row for row in bundle["entry"][0]["resource"]["section"]}


def test_each_entry_of_a_section_is_in_the_document(summaries: list[Json]) -> None:
    for bundle in summaries:
        urls = [row["fullUrl"] for row in bundle["entry"]]
        assert len(urls) == len(set(urls))
        named = [entry["reference"] for row in sections(bundle).values() for entry in row["entry"]]
        assert set(named) <= set(urls)
        assert sections(bundle).keys() >= LOINC_REQUIRED


def test_the_sections_have_what_the_records_have(summaries: list[Json]) -> None:
    kinds = {row["resource"]["resourceType"] for bundle in summaries for row in bundle["entry"]
             if row["fullUrl"].startswith("http")}  # fmt: skip
    assert kinds >= {"Patient", "AllergyIntolerance", "Condition", "MedicationStatement", "Observation", "Immunization"}


def test_a_text_is_a_line_for_each_resource_and_escaped() -> None:
    text = write_text([
        {"resourceType": "Condition", "code": {"text": "<b>Asthme</b>"}, "onsetDateTime": "2020-01-02T08:00:00Z"},
        {"resourceType": "Observation", "code": {"text": "x"}, "valueQuantity": {"value": 1, "unit": "g"}},
    ])["div"]  # fmt: skip
    assert "<li>&lt;b&gt;Asthme&lt;/b&gt;, 2020-01-02</li><li>x, 1 g</li>" in text
    assert "Aucune information" in write_text([])["div"]


async def test_what_is_hidden_is_no_information_and_never_none_known(house: House) -> None:
    record = await house.make_record()
    await house.put({
        "resourceType": "AllergyIntolerance", "id": f"{record.patient}-allergy", "code": {"text": "arachide"},
        "patient": reference(f"Patient/{record.patient}"), "meta": {"security": [coding("vis|MASQUE_PS")]},
        "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active"),
    })  # fmt: skip
    target = f"Patient/{record.patient}/$summary"
    whole = await house.get(target, house.guarded.tokens.patient(record.patient))
    assert "arachide" in whole.text
    assert "no-allergy-info" not in whole.text
    shown = await house.get(target, house.petit())
    assert shown.status_code == 200, shown.text
    assert "arachide" not in shown.text
    assert "-allergy" not in shown.text.replace("no-allergy-info", "")
    assert "no-allergy-info" in shown.text
    assert "no-known" not in shown.text


async def test_a_summary_is_not_found_by_a_stranger_and_needs_an_identity(house: House) -> None:
    record = await house.make_record()
    target = f"Patient/{record.patient}/$summary"
    answers = [await house.get(path, house.someone("inconnu")) for path in (target, "Patient/nobody/$summary")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert (await house.get(f"{target}?profile=http://x", house.petit())).status_code == 400
    nameless = await house.make_record()
    await house.put({"resourceType": "Patient", "id": nameless.patient, "active": True})
    own = house.guarded.tokens.patient(nameless.patient)
    answer = await house.get(f"Patient/{nameless.patient}/$summary", own)
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, ["Patient.name"])
