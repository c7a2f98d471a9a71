"""The operations that gather from records, asked by those who see part of them: what is hidden is in no answer.

Each is asked with tokens. That the answers are byte for byte those of a store where what is hidden never was, is shown
by test_non_interference.py, which asks the same operations.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.access_http.house import LOINC, House, Record, document
from tests.rest.server import FHIR_JSON
from tests.strategies.access import coding, concept, reference

Json = Any


def observation(record: Record, name: str, day: str, *codes: str, masked: bool = False, **rest: Json) -> Json:
    item: Json = {
        "resourceType": "Observation", "id": f"{record.patient}-{name}", "status": "final",
        "subject": reference(f"Patient/{record.patient}"), "effectiveDateTime": day,
        "category": [concept("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")],
        "code": {"coding": [{"system": LOINC, "code": code} for code in codes]},
        "performer": [reference("Practitioner/auteur")], **rest,
    }  # fmt: skip
    return {**item, "meta": {"security": [coding("vis|MASQUE_PS")]}} if masked else item


@pytest.fixture(scope="module")
async def record(house: House) -> Record:
    """A record with results, one masked, and a Composition that refers to what is open and to what is masked."""
    record = await house.make_record()
    for item in (
        observation(record, "old", "2023-01-01", "29463-7"),
        observation(record, "new", "2024-02-01", "29463-7"),
        observation(record, "tied", "2024-02-01", "29463-7", "3141-9"),
        observation(record, "other", "2022-05-05", "8867-4"),
        observation(record, "masked", "2024-05-01", "29463-7", masked=True),
    ):
        await house.put(item)
    await house.put({
        "resourceType": "Composition", "id": f"{record.patient}-composition", "status": "final", "title": "x",
        "type": concept(LOINC, "34112-3"), "date": "2024-03-01T08:00:00Z", "author": [reference("Practitioner/auteur")],
        "subject": reference(f"Patient/{record.patient}"),
        "section": [{"title": "x", "entry": [
            {**reference(f"Observation/{record.patient}-{name}"), "display": f"title of {name}"}
            for name in ("new", "masked")
        ]}],
    })  # fmt: skip
    return record


def names(bundle: Json, mode: str = "match") -> list[str]:
    return [row["resource"]["id"] for row in bundle.get("entry", ()) if row["search"]["mode"] == mode]


async def told(house: House, target: str, **given: Any) -> Json:
    answer = await house.guarded.client.get(target, headers=given.pop("who", house.petit()), **given)
    assert answer.status_code == 200, answer.text
    assert "title of masked" not in answer.text
    hidden = [row["fullUrl"] for row in answer.json().get("entry", ()) if row["fullUrl"].endswith(("-masked", "-mask"))]
    assert not hidden
    return answer.json()


async def test_everything_has_the_record_without_what_is_masked(record: Record) -> None:
    bundle = await told(record.house, f"Patient/{record.patient}/$everything")
    name = record.patient
    wanted = {name, f"{name}-open", *(f"{name}-{one}" for one in ("old", "new", "tied", "other"))}
    found = set(names(bundle))
    assert wanted <= found | {f"{name}-composition"}
    assert found <= {*wanted, f"{name}-composition"}
    assert "auteur" in names(bundle, "include")


async def test_everything_masked_is_told_to_the_patient_himself(record: Record) -> None:
    patient = record.house.guarded.tokens.patient(record.patient)
    answer = await record.house.get(f"Patient/{record.patient}/$everything", patient)
    assert record.masked in names(answer.json())
    everyone = await record.house.get("Patient/$everything", patient)
    assert names(everyone.json()) == names(answer.json())


@pytest.mark.parametrize("size", [1, 2, 4])
async def test_everything_in_pages_is_everything(size: int, record: Record) -> None:
    whole = names(await told(record.house, f"Patient/{record.patient}/$everything"))
    found, target = [], f"Patient/{record.patient}/$everything?_count={size}"
    while target:
        page = await told(record.house, target)
        assert len(names(page)) <= size
        found += names(page)
        target = next((row["url"] for row in page["link"] if row["relation"] == "next"), "")
    assert found == whole


async def test_the_next_page_of_everything_is_decided_anew_and_for_its_requester(house: House) -> None:
    record = await house.make_record()
    page = await told(house, f"Patient/{record.patient}/$everything?_count=1")
    following = next(row["url"] for row in page["link"] if row["relation"] == "next")
    assert (await house.get(following, house.someone("martin"))).status_code == 400
    assert (await house.get(following, house.petit())).status_code == 200
    await record.permit(status="inactive")
    assert (await house.get(following, house.petit())).status_code == 404


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("_type=Observation&start=2024-01-01", ["new", "tied"]),
        ("_type=Observation&end=2022-12-31", ["other"]),
        ("_type=Observation&start=2023-01-01&end=2023-01-01", ["old"]),
        ("_type=Observation,Patient&end=2022-12-31", ["other", ""]),
        ("_type=Observation&_since=2124-01-01T00:00:00Z", []),
    ],
)
async def test_everything_is_narrowed(query: str, wanted: list[str], record: Record) -> None:
    bundle = await told(record.house, f"Patient/{record.patient}/$everything?{query}")
    assert names(bundle) == [f"{record.patient}-{name}".rstrip("-") for name in wanted]


@pytest.mark.parametrize("query", ["_type=Nothing", "_type=Practitioner", "_count=0", "start=yesterday", "x=y"])
async def test_everything_refuses_what_it_cannot_do(query: str, record: Record) -> None:
    answer = await record.house.get(f"Patient/{record.patient}/$everything?{query}", record.house.petit())
    assert answer.status_code == 400


@pytest.mark.parametrize("operation", ["$everything", "$meta"])
async def test_a_record_that_is_shut_is_one_that_is_not_here(operation: str, record: Record) -> None:
    stranger = record.house.someone("inconnu")
    answers = [await record.house.get(f"Patient/{name}/{operation}", stranger) for name in (record.patient, "nobody")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text.replace(record.patient, "*") == answers[1].text.replace("nobody", "*")


async def test_everything_is_traced_as_what_was_told(house: House) -> None:
    record = await house.make_record()
    await house.put(observation(record, "new", "2024-02-01", "29463-7"))
    await house.put(observation(record, "masked", "2024-02-01", "29463-7", masked=True))
    await told(house, f"Patient/{record.patient}/$everything?_type=Observation")
    patient = house.guarded.tokens.patient(record.patient)
    trail = (await house.get(f"AuditEvent?patient={record.patient}", patient)).text
    assert f"Observation/{record.patient}-new/_history/1" in trail
    assert f"Observation/{record.patient}-masked" not in trail


async def test_everything_of_all_patients_counts_those_who_may_be_seen(house: House) -> None:
    for _ in range(11):
        await house.make_record()
    assert (await house.get("Patient/$everything", house.petit())).json()["issue"][0]["code"] == "too-costly"
    stranger = await house.get("Patient/$everything", house.someone("inconnu"))
    assert (stranger.status_code, names(stranger.json())) == (200, [])


async def test_lastn_has_the_newest_of_each_code_with_ties(record: Record) -> None:
    base = f"Observation/$lastn?patient={record.patient}&category=laboratory"
    assert names(await told(record.house, base)) == [f"{record.patient}-{name}" for name in ("tied", "new", "other")]
    three = names(await told(record.house, f"{base}&max=3"))
    assert set(three) == {f"{record.patient}-{name}" for name in ("tied", "new", "old", "other")}
    patient = record.house.guarded.tokens.patient(record.patient)
    whole = (await record.house.get(base, patient)).json()
    assert names(whole)[0] == f"{record.patient}-masked"


@pytest.mark.parametrize("query", ["category=laboratory", "patient=x", "patient=x&category=y&max=0",
                                   "patient=x&category=y&_sort=date", "patient=x&category=y&max=z"])  # fmt: skip
async def test_lastn_asks_for_a_subject_and_a_kind(query: str, house: House) -> None:
    assert (await house.get(f"Observation/$lastn?{query}", house.petit())).status_code == 400


async def test_a_document_has_the_parts_that_may_be_seen(record: Record) -> None:
    target = f"Composition/{record.patient}-composition/$document"
    patient = record.house.guarded.tokens.patient(record.patient)
    whole = (await record.house.get(target, patient)).json()
    assert f"{record.patient}-masked" in [row["resource"]["id"] for row in whole["entry"]]
    shown = await record.house.get(target, record.house.petit())
    assert shown.status_code == 200, shown.text
    kinds = [(row["resource"]["resourceType"], row["resource"]["id"]) for row in shown.json()["entry"]]
    assert kinds[0] == ("Composition", f"{record.patient}-composition")
    assert ("Observation", f"{record.patient}-new") in kinds
    assert ("Practitioner", "auteur") in kinds
    assert ("Observation", f"{record.patient}-masked") not in kinds
    assert "title of masked" not in shown.text
    assert "title of new" in shown.text


async def test_a_document_is_kept_by_whoever_may_create_it(record: Record) -> None:
    target = f"Composition/{record.patient}-composition/$document?persist=true"
    assert (await record.house.get(target, record.house.petit())).status_code == 403
    kept = await record.house.behind.client.get(target)
    assert kept.status_code == 201
    stored = await record.house.behind.client.get(kept.headers["location"].partition("/_history")[0])
    assert stored.json()["type"] == "document"


async def test_docref_has_the_documents_that_may_be_seen(record: Record) -> None:
    base = f"DocumentReference/$docref?patient={record.patient}"
    await record.house.put(document(f"{record.patient}-older", record.patient, date="2020-01-01T00:00:00Z"))
    assert names(await told(record.house, base)) == [record.open]
    assert names(await told(record.house, f"{base}&end=2030-01-01")) == [record.open, f"{record.patient}-older"]
    assert names(await told(record.house, f"{base}&start=2021&end=2030")) == [record.open]
    assert names(await told(record.house, f"{base}&type={LOINC}|34112-3")) == [record.open]
    assert names(await told(record.house, f"{base}&type={LOINC}|1")) == []
    assert names(await told(record.house, f"{base}&on-demand=true")) == []
    assert names(await told(record.house, base, who=record.house.someone("inconnu"))) == []


async def alter(record: Record, who: Any, name: str, target: str, meta: Json) -> Any:
    body = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}
    headers = {**who, "content-type": FHIR_JSON}
    return await record.house.guarded.client.post(f"{target}/${name}", content=json.dumps(body), headers=headers)


async def test_meta_is_added_and_deleted_once_and_makes_a_version_where_it_changes(house: House) -> None:
    record = await house.make_record()
    target = f"Observation/{record.patient}-x"
    await house.put(observation(record, "x", "2024-01-01", "29463-7"))
    patient = house.guarded.tokens.patient(record.patient)
    masked = {"security": [coding("vis|MASQUE_PS")]}
    assert (await house.get(target, house.petit())).status_code == 200
    for _ in range(2):
        answer = await alter(record, patient, "meta-add", target, masked)
        assert answer.status_code == 200, answer.text
        assert answer.json()["parameter"][0]["valueMeta"]["versionId"] == "2"
    assert (await house.get(target, house.petit())).status_code == 404
    assert (await house.get(f"{target}/$meta", house.petit())).status_code == 404
    lifted = await alter(record, patient, "meta-delete", target, masked)
    assert lifted.json()["parameter"][0]["valueMeta"]["versionId"] == "3"
    assert (await house.get(target, house.petit())).status_code == 200


async def test_labels_are_changed_by_whoever_may_only(house: House) -> None:
    record = await house.make_record()
    target = f"Observation/{record.patient}-x"
    await house.put(observation(record, "x", "2024-01-01", "29463-7"))
    tag = {"tag": [{"system": "urn:x", "code": "y"}]}
    patient = house.guarded.tokens.patient(record.patient)
    assert (await alter(record, patient, "meta-add", target, tag)).status_code == 403
    assert (await alter(record, house.petit(), "meta-add", target, tag)).status_code == 403
    assert (await alter(record, house.someone("inconnu"), "meta-add", target, tag)).status_code == 404
    read_only = house.guarded.tokens.patient(record.patient, scope="patient/*.rs")
    masked = {"security": [coding("vis|MASQUE_PS")]}
    assert (await alter(record, read_only, "meta-add", target, masked)).status_code == 403
    assert (await house.get(target, house.petit())).json()["meta"]["versionId"] == "1"


async def test_the_labels_in_use_are_those_of_what_may_be_seen(house: House) -> None:
    record = await house.make_record()
    await house.put(observation(record, "x", "2024-01-01", "29463-7", masked=True))
    seen = observation(record, "y", "2024-01-01", "29463-7")
    await house.put({**seen, "meta": {"tag": [{"system": "urn:x", "code": "seen"}]}})
    patient = house.guarded.tokens.patient(record.patient)
    for target in ("Observation/$meta", "$meta"):
        whole = await house.get(target, patient)
        assert "MASQUE_PS" in whole.text
    shown = await house.get("Observation/$meta", house.petit())
    assert "MASQUE_PS" not in shown.text
    assert "seen" in shown.text
