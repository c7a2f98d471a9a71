"""Patient/$dmp-history: the record at a glance, newest first, each item with its source, and nothing that is hidden."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.conformance.validate import validate_resource
from fhir_dmp.json_text import parse_json_object
from fhir_dmp.loader import load_registry
from fhir_dmp.operations import history_sections
from fhir_dmp.operations.authorship import name_author
from fhir_dmp.record.document_type import CLASS
from fhir_dmp.validation.compiler import Schemas
from tests.access_http.house import House, Record, document
from tests.operations.test_summary import profiles
from tests.rest.server import FHIR_JSON, Server
from tests.strategies.access import coding, concept, reference

Json = Any
LABORATORY = concept("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")
TITLES = ["Allergies et intolérances", "Problèmes de santé", "Traitements", "Vaccinations", "Résultats d'examens",
          "Constantes", "Antécédents", "Examens et actes déjà réalisés", "Documents"]  # fmt: skip
MASKED = {"meta": {"security": [coding("vis|MASQUE_PS")]}}


def sections(bundle: Json) -> dict[str, Json]:
    """The sections by their titles, those of documents too."""
    top = bundle["entry"][0]["resource"]["section"]
    return {row["title"]: row for section in top for row in (section, *section.get("section", ()))}


def items(section: Json) -> list[str]:
    """What a section refers to."""
    return [row["reference"].rpartition("/")[2] for row in section.get("entry", ())]


async def history(house: House, record: Record, query: str = "", **given: Json) -> Json:
    answer = await house.get(f"Patient/{record.patient}/$dmp-history{query}", given.get("who") or house.petit())
    assert answer.status_code == 200, answer.text
    return answer.json()


def of(record: Record, kind: str, name: str, **rest: Json) -> Json:
    about = "patient" if kind == "AllergyIntolerance" else "subject"
    return {
        "resourceType": kind,
        "id": f"{record.patient}-{name}",
        about: reference(f"Patient/{record.patient}"),
        **rest,
    }


@pytest.fixture(scope="module")
async def record(house: House) -> Record:
    """A record with results and exams of the same code, one of each masked, and documents of two classes."""
    record = await house.make_record()
    exam, result = {"text": "Scanner", **concept("urn:x", "ct")}, concept("http://loinc.org", "4548-4")
    performed = {"performer": [reference("Practitioner/auteur")], "status": "final"}
    for name, day, more in (("old", "2023-01-01", {}), ("new", "2024-02-01", {}), ("hid", "2024-03-01", MASKED)):
        quantity = {"valueQuantity": {"value": 6.5, "unit": "%"}}
        lab = {"category": [LABORATORY], "code": result, "effectiveDateTime": day, **quantity}
        await house.put(of(record, "Observation", f"hba1c-{name}", **lab, **performed, **more))
        await house.put(
            of(record, "DiagnosticReport", f"ct-{name}", code=exam, effectiveDateTime=day, **performed, **more)
        )
    allergy = {
        "code": {"text": "Pénicilline"},
        "recorder": {**reference("Practitioner/auteur"), "display": "Dr Auteur"},
    }
    await house.put(of(record, "AllergyIntolerance", "allergy", **allergy))
    by_class = {"10": ("a", "b", "c", "d"), "31": ("scan",)}
    for number, (code, name) in enumerate((code, name) for code, names in by_class.items() for name in names):
        made = document(f"{record.patient}-{name}", record.patient, category=[concept(CLASS, code)])
        made["date"] = f"2024-04-0{number + 1}T08:00:00Z"
        made["content"][0]["attachment"]["data"] = "QmllbiE="
        await house.put({**made, **(MASKED if name == "b" else {})})
    await house.put({**document(f"{record.patient}-obsolete", record.patient), "status": "superseded"})
    return record


async def test_each_history_of_the_demo_is_a_valid_document(examples: Server) -> None:
    found = (await examples.client.get("Patient?_count=100")).json()
    schemas = Schemas(load_registry())
    kinds = set()
    for name in [row["resource"]["id"] for row in found["entry"]]:
        answer = await examples.client.get(f"Patient/{name}/$dmp-history")
        assert answer.status_code == 200, answer.text
        bundle = parse_json_object(answer.content)
        report = validate_resource(bundle, schemas, profiles(), [])
        assert [issue for issue in report.issues if issue.severity == "error"] == []
        urls = [row["fullUrl"] for row in bundle["entry"]]
        named = [row["reference"] for section in sections(bundle).values() for row in section.get("entry", ())]
        assert len(urls) == len(set(urls))
        assert set(named) <= set(urls)
        assert [row["title"] for row in bundle["entry"][0]["resource"]["section"]] == TITLES
        kinds |= {url.split("/")[-2] for url in named}
    assert kinds >= {"AllergyIntolerance", "Condition", "Observation", "DocumentReference"}


async def test_a_section_is_newest_first_and_says_what_was_done_before(house: House, record: Record) -> None:
    found = sections(await history(house, record))
    name = record.patient
    assert items(found["Résultats d'examens"]) == [f"{name}-hba1c-new"]
    assert found["Résultats d'examens"]["entry"][0]["display"] == "4548-4, 6.5 %, 2024-02-01, 1 avant"
    assert [row["display"] for row in found["Examens et actes déjà réalisés"]["entry"]] == [
        "Scanner, 2024-02-01, 1 avant"
    ]
    assert items(found["Compte rendu"]) == [f"{name}-{one}" for one in "dca"]
    assert items(found["Imagerie médicale"]) == [f"{name}-scan"]
    assert items(found["Autres documents"]) == [record.open]
    assert "hba1c" not in str(found["Constantes"])


async def test_an_item_tells_its_author_and_has_him_among_the_entries(house: House, record: Record) -> None:
    bundle = await history(house, record)
    (allergy,) = sections(bundle)["Allergies et intolérances"]["entry"]
    assert allergy["display"] == "Pénicilline, Dr Auteur"
    kinds = {row["fullUrl"].rpartition("/fhir/")[2] for row in bundle["entry"]}
    assert {"Practitioner/auteur", f"Patient/{record.patient}"} <= kinds


async def test_what_is_hidden_is_in_no_section_and_no_count(house: House, record: Record) -> None:
    shown = await history(house, record, "?_count=1")
    whole = await history(house, record, "?_count=1", who=house.guarded.tokens.patient(record.patient))
    assert "Les 1 plus récents, sur 3." in sections(shown)["Compte rendu"]["text"]["div"]
    assert "Les 1 plus récents, sur 4." in sections(whole)["Compte rendu"]["text"]["div"]
    assert items(sections(whole)["Résultats d'examens"]) == [f"{record.patient}-hba1c-hid"]
    assert "-hid" not in str(shown)
    assert "2 avant" in str(sections(whole)["Examens et actes déjà réalisés"])


@pytest.mark.parametrize("who", ["petit", "patient"])
async def test_a_large_record_is_told_as_a_small_one_is(
    who: str, house: House, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker = house.petit() if who == "petit" else house.guarded.tokens.patient(record.patient)
    small = [sections(await history(house, record, query, who=asker)) for query in ("", "?_count=2")]
    monkeypatch.setattr(history_sections, "READ_AT_ONCE", 1)
    monkeypatch.setattr(history_sections, "DOCUMENTS_AT_ONCE", 1)
    assert [sections(await history(house, record, query, who=asker)) for query in ("", "?_count=2")] == small
    monkeypatch.setattr(history_sections, "MOST_READ", 1)
    cut = sections(await history(house, record, who=asker))
    assert "Parmi les" in cut["Résultats d'examens"]["text"]["div"]
    assert "Parmi les" not in cut["Allergies et intolérances"]["text"]["div"]


async def test_an_earlier_page_is_asked_for_by_its_end(house: House, record: Record) -> None:
    found = sections(await history(house, record, "?end=2024-04-02&start=2023-06"))
    assert items(found["Compte rendu"]) == [f"{record.patient}-a"]
    assert items(found["Examens et actes déjà réalisés"]) == [f"{record.patient}-ct-new"]
    assert "Imagerie médicale" not in found


async def test_contents_are_left_out_and_the_resource_says_so(house: House, record: Record) -> None:
    bundle = await history(house, record)
    documents = [row["resource"] for row in bundle["entry"] if row["resource"]["resourceType"] == "DocumentReference"]
    filled = [row for row in documents if row["id"] != record.open]
    assert not [row for row in documents if "data" in row["content"][0]["attachment"]]
    assert all(row["meta"]["tag"][-1]["code"] == "SUBSETTED" for row in filled)
    assert "tag" not in next(row for row in documents if row["id"] == record.open)["meta"]


async def test_a_stranger_is_answered_as_if_the_patient_were_not_here(house: House, record: Record) -> None:
    answers = [
        await house.get(f"Patient/{name}/$dmp-history", house.someone("inconnu"))
        for name in (record.patient, "never-was")
    ]
    assert answers[0].status_code == answers[1].status_code == 404
    assert answers[0].text.replace(record.patient, "*") == answers[1].text.replace("never-was", "*")


async def test_every_item_that_is_told_is_in_the_trace(house: House, record: Record) -> None:
    bundle = await history(house, record)
    events = (await house.behind.client.get(f"AuditEvent?patient={record.patient}&_count=100")).json()["entry"]
    details = [detail for event in events for row in event["resource"]["entity"] for detail in row.get("detail", ())]
    told = {detail["valueString"].partition("/_history")[0] for detail in details}
    named = {
        row["reference"].rpartition("/fhir/")[2] for one in sections(bundle).values() for row in one.get("entry", ())
    }
    assert named <= told


@pytest.mark.parametrize("query", ["_count=0", "_count=x", "start=yesterday", "section=x"])
async def test_what_it_does_not_take_is_refused(query: str, examples: Server) -> None:
    answer = await examples.client.get(f"Patient/jeanne/$dmp-history?{query}")
    assert answer.status_code == 400, answer.text


async def test_it_is_asked_by_post_and_in_a_batch_too(house: House, record: Record) -> None:
    url = f"Patient/{record.patient}/$dmp-history"
    asked = {"resourceType": "Parameters", "parameter": [{"name": "_count", "valueInteger": 1}]}
    headers = {**house.petit(), "content-type": FHIR_JSON}
    answer = await house.guarded.client.post(url, json=asked, headers=headers)
    assert [len(row.get("entry", ())) <= 1 for row in sections(answer.json()).values()]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": url}}]}
    (entry,) = (await house.guarded.client.post("", json=batch, headers=headers)).json()["entry"]
    assert sections(entry["resource"]).keys() == sections(await history(house, record)).keys()


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ({"author": [{"display": "Dr Petit"}, {"display": "CHU"}]}, "Dr Petit, CHU"),
        ({"performer": [{"function": {"text": "x"}, "actor": {"reference": "Practitioner/a"}}]}, "Dr Anne Roy"),
        ({"performer": [{"reference": "http://x/fhir/PractitionerRole/r/_history/2"}]}, "Dr Anne Roy"),
        ({"recorder": {"reference": "#o"}, "contained": [{"id": "o", "name": "Laboratoire"}]}, "Laboratoire"),
        ({"requester": {"identifier": {"value": "10001"}}}, "10001"),
        ({"asserter": {"reference": "Practitioner/hidden"}}, ""),
        ({"code": {"text": "x"}}, ""),
    ],
)
def test_an_author_is_named_as_the_resource_names_him(resource: Json, name: str) -> None:
    known: dict[str, Json] = {
        "Practitioner/a": {"name": [{"prefix": ["Dr"], "given": ["Anne", "Marie"], "family": "Roy"}]},
        "PractitionerRole/r": {"practitioner": {"reference": "Practitioner/a"}},
    }
    assert name_author(resource, known) == name
