"""The thirty channels by which hidden records have leaked elsewhere, one by one: forbidden and absent are told alike.

Each test is named for its row. Dr Petit may read a record, except what the patient masked; a control shows that the
médecin traitant, or the server without tokens, does find it. Rows of features that this server does not have stand in
tests/cases/access/leak_channels.json: there every request has to be refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from pymongo import MongoClient

from fhir_dmp.app import Sources
from fhir_dmp.interactions import gate
from fhir_dmp.search.security import ADMINISTRATOR, ATTENDING, RPPS
from fhir_dmp.search.sensitivity import VISIBILITY
from tests.access_http.house import PROFESSIONALS, House, Record, consent_of, document, told
from tests.rest.server import FHIR_JSON, GUARDED, Server, run_server
from tests.strategies.access import coding, reference

Json = Any

TABLE = json.loads((Path(__file__).parents[1] / "cases" / "access" / "leak_channels.json").read_text(encoding="utf8"))
ROWS = 30
ELSEWHERE = {22: "tests/delivery: subscriptions"}
AS_JSON = {"content-type": FHIR_JSON}
AS_PATCH = {"content-type": "application/json-patch+json"}
CONTAINED = {"resourceType": "Practitioner", "id": "c", "name": [{"family": "Caché"}]}
REFUSED = frozenset({400, 403, 404, 405})


@pytest.fixture
async def record(house: House) -> Record:
    return await house.make_record()


async def _is_there(house: House, target: str) -> None:
    """The control: the médecin traitant reads it."""
    assert (await house.get(target, house.someone("martin"))).status_code == 200, target


READS: list[tuple[str, dict[str, str]]] = [
    ("", {}),
    ("?_summary=true", {}),
    ("?_elements=status", {}),
    ("?_pretty=true", {}),
    ("", {"if-none-match": 'W/"1"'}),
    ("", {"if-none-match": "*"}),
    ("", {"if-modified-since": "Sat, 01 Jun 2030 10:00:00 GMT"}),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("query", "headers"), READS)
async def test_row_01_read_and_head(record: Record, method: str, query: str, headers: dict[str, str]) -> None:
    shown = await record.twins(record.house.petit(), method, "DocumentReference/{}" + query, headers=headers)
    assert shown.status == 404
    await _is_there(record.house, f"DocumentReference/{record.masked}")


async def test_row_02_vread_and_history_of_what_is_masked_now(record: Record) -> None:
    """It was open once: the stricter of then and now decides."""
    name, petit = record.masked, record.house.petit()
    await record.house.put(document(name, record.patient))
    assert (await record.house.get(f"DocumentReference/{name}/_history/2", petit)).status_code == 200
    await record.house.put(document(name, record.patient, "MASQUE_PS"))
    for number in (1, 2, 3, 4):
        assert (await record.twins(petit, "GET", "DocumentReference/{}/_history/" + str(number))).status == 404
    assert (await record.twins(petit, "GET", "DocumentReference/{}/_history")).status == 404
    await _is_there(record.house, f"DocumentReference/{name}/_history/2")


async def test_row_02_an_old_version_that_was_masked_stays_hidden(record: Record) -> None:
    name, petit = record.masked, record.house.petit()
    await record.house.put(document(name, record.patient))
    found = (await record.house.get(f"DocumentReference/{name}/_history", petit)).json()
    assert found["total"] == 1
    assert [row["resource"]["meta"]["versionId"] for row in found["entry"]] == ["2"]
    hidden = told(await record.house.get(f"DocumentReference/{name}/_history/1", petit))
    absent = told(await record.house.get(f"DocumentReference/{name}/_history/7", petit))
    assert hidden == absent
    assert hidden.status == 404
    await _is_there(record.house, f"DocumentReference/{name}/_history/1")


async def _unchanged(record: Record, targets: list[str]) -> None:
    """Asks, adds what is hidden (live, amended and deleted), asks again: the answers are equal byte for byte."""
    house, petit, martin = record.house, record.house.petit(), record.house.someone("martin")
    before = [(await house.get(target, petit), await house.get(target, martin)) for target in targets]
    for number in range(3):
        name = f"{record.patient}-hid{number}"
        await house.put(document(name, record.patient, "MASQUE_PS", language="fr", date="2020-01-01T00:00:00Z"))
        held: Json = {"contained": [CONTAINED], "authenticator": {"reference": "#c"}}
        await house.put(document(name, record.patient, "MASQUE_PS", language="en", date="2020-01-02T00:00:00Z", **held))
    await house.behind.client.delete(f"DocumentReference/{record.patient}-hid0")
    unnoticed = []
    for target, (petit_before, martin_before) in zip(targets, before, strict=True):
        assert told(await house.get(target, petit)) == told(petit_before), target
        assert petit_before.status_code == 200, petit_before.text
        if told(await house.get(target, martin)) == told(martin_before):
            unnoticed.append(target)
    assert unnoticed == [], "the control: the médecin traitant notices each time"


async def test_row_03_type_and_system_history(record: Record) -> None:
    await _unchanged(record, [
        "DocumentReference/_history", "_history", "DocumentReference/_history?_count=1", "_history?_count=0",
        "DocumentReference/_history?_since=2024-01-01T00:00:00Z", "_history?_at=2024-06-01",
    ])  # fmt: skip


async def test_row_03_a_deletion_is_told_only_to_who_could_read_what_it_ended(record: Record) -> None:
    await record.house.behind.client.delete(f"DocumentReference/{record.masked}")
    await record.house.behind.client.delete(f"DocumentReference/{record.open}")
    petit, martin = record.house.petit(), record.house.someone("martin")
    for shown in (await record.twins(petit, "GET", "DocumentReference/{}"),
                  await record.twins(petit, "GET", "DocumentReference/{}/_history")):  # fmt: skip
        assert shown.status == 404
    assert (await record.house.get(f"DocumentReference/{record.open}", petit)).status_code == 410
    assert (await record.house.get(f"DocumentReference/{record.masked}", martin)).status_code == 410
    entries = (await record.house.get("DocumentReference/_history?_count=1000", petit)).json()["entry"]
    named = {row["request"]["url"] for row in entries}
    assert f"DocumentReference/{record.open}" in named
    assert f"DocumentReference/{record.masked}" not in named


async def test_row_04_search_rows(record: Record) -> None:
    about = f"patient={record.patient}"
    await _unchanged(record, [
        f"DocumentReference?{about}", "DocumentReference", "?_type=DocumentReference",
        "DocumentReference?author=auteur",
        "DocumentReference?status=current&type=34112-3", "DocumentReference?_lastUpdated=ge2024-01-01",
    ])  # fmt: skip


async def test_row_04_an_id_that_is_hidden_is_found_no_more_than_one_that_is_absent(record: Record) -> None:
    petit, martin = record.house.petit(), record.house.someone("martin")
    for query in ("_id={}", "_id={}&_summary=count", f"_id={record.open},{{}}", "_id:missing=false&_id={}"):
        assert (await record.twins(petit, "GET", f"DocumentReference?{query}")).status == 200
    target = f"DocumentReference?_id={record.masked}"
    assert (await record.house.get(target, petit)).json()["total"] == 0
    assert (await record.house.get(target, martin)).json()["total"] == 1
    await record.house.behind.client.delete(f"DocumentReference/{record.masked}")
    for who in (petit, martin):
        assert (await record.twins(who, "GET", "DocumentReference?_id={}")).status == 200


async def test_row_04_what_a_hidden_document_contains_is_hidden(record: Record) -> None:
    about = f"patient={record.patient}"
    await _unchanged(record, [
        "Practitioner?family=cache&_contained=true",
        "Practitioner?family=cache&_contained=true&_containedType=contained",
        "Practitioner?name:contains=ach&_contained=both&_summary=count", "?_type=Practitioner&_contained=true",
        "Practitioner?family=cache&_contained=true&_containedType=contained&_count=1&_total=accurate",
        f"DocumentReference?authenticator:Practitioner.family=cache&{about}",
        "DocumentReference?authenticator:Practitioner.family=cache&_summary=count",
    ])  # fmt: skip


async def test_row_05_totals(record: Record) -> None:
    about = f"DocumentReference?patient={record.patient}"
    await _unchanged(record, [
        f"{about}&_summary=count", f"{about}&_count=0", f"{about}&_total=accurate", f"{about}&_total=accurate&_count=1",
        f"{about}&_total=estimate&_count=1",
    ])  # fmt: skip


async def test_row_06_page_shape(record: Record) -> None:
    """Hidden documents sort before and after the open one; pages are full, and the last has no next link."""
    about = f"DocumentReference?patient={record.patient}"
    await record.house.put(document(f"{record.patient}-open2", record.patient))
    await _unchanged(record, [f"{about}&_count=1&_sort=date", f"{about}&_count=2&_sort=-_id", f"{about}&_count=2"])
    page = (await record.house.get(f"{about}&_count=2", record.house.petit())).json()
    assert len(page["entry"]) == 2
    assert "next" not in {link["relation"] for link in page["link"]}


async def _pointing_list(record: Record, *labels: str) -> str:
    """A List that refers to the documents that `_unchanged` adds and to the open one; its own labels are these."""
    names = [record.open, *(f"{record.patient}-hid{number}" for number in range(3))]
    item: Json = {
        "resourceType": "List", "id": f"{record.patient}-list", "status": "current", "mode": "working",
        "subject": reference(f"Patient/{record.patient}"),
        "entry": [{"item": reference(f"DocumentReference/{name}")} for name in names],
    }  # fmt: skip
    hidden = {"meta": {"security": [coding(f"vis|{label}") for label in labels]}} if labels else {}
    await record.house.put({**item, **hidden})
    return str(item["id"])


async def test_row_07_includes(record: Record) -> None:
    name = await _pointing_list(record)
    about, patient = f"subject=Patient/{record.patient}", f"Patient?_id={record.patient}"
    await _unchanged(record, [
        f"List?_id={name}&_include=List:item", f"List?{about}&_include=List:item:DocumentReference",
        f"List?_id={name}&_include=*", f"List?_id={name}&_include:iterate=*",
        f"List?_id={name}&_include=List:subject&_revinclude:iterate=DocumentReference:subject",
        f"{patient}&_revinclude=DocumentReference:subject", f"{patient}&_revinclude=DocumentReference:*",
        f"{patient}&_revinclude=DocumentReference:patient&_revinclude=List:subject",
        f"{patient}&_revinclude=List:subject&_include:iterate=List:item",
    ])  # fmt: skip
    included = (await record.house.get(f"List?_id={name}&_include=List:item", record.house.petit())).json()
    assert [row["resource"]["id"] for row in included["entry"]] == [name, record.open]


async def test_row_07_what_is_included_is_in_the_trace_of_the_record(record: Record) -> None:
    petit, name = record.house.petit(), f"DocumentReference/{record.open}"
    practitioner = "Practitioner?_id=auteur&_revinclude=DocumentReference:author"
    trace = f"AuditEvent?patient={record.patient}"
    patient = record.house.guarded.tokens.patient(record.patient)
    for query in (f"Patient?_id={record.patient}&_revinclude=DocumentReference:subject", practitioner):
        before = (await record.house.get(trace, patient)).text.count(name)
        assert name in (await record.house.get(query, petit)).text
        assert (await record.house.get(trace, patient)).text.count(name) == before + 1, query


async def test_row_07_a_version_that_was_masked_is_not_included(record: Record) -> None:
    house, petit = record.house, record.house.petit()
    await house.put(document(record.masked, record.patient))
    item = {"resourceType": "List", "id": f"{record.patient}-old", "status": "current", "mode": "working",
            "subject": reference(f"Patient/{record.patient}"),
            "entry": [{"item": reference(f"DocumentReference/{record.masked}/_history/1")}]}  # fmt: skip
    await house.put(item)
    for headers, expected in ((petit, []), (house.someone("martin"), ["1"])):
        found = (await house.get(f"List?_id={item['id']}&_include=List:item", headers)).json()
        assert [row["resource"]["meta"]["versionId"] for row in found["entry"][1:]] == expected


async def test_row_08_chains(record: Record) -> None:
    name = await _pointing_list(record)
    about = f"subject=Patient/{record.patient}"
    await _unchanged(record, [
        "List?item:DocumentReference.date=lt2021", f"List?{about}&item:DocumentReference.date=lt2021",
        f"List?_id={name}&item:DocumentReference.status:not=superseded&item:DocumentReference.date=lt2021",
        f"List?{about}&item:DocumentReference.author:Practitioner.identifier=10000000003&item:DocumentReference.date=lt2021",
        f"List?_summary=count&{about}&item:DocumentReference.date=lt2021",
    ])  # fmt: skip


async def test_row_08_a_hidden_patient_is_no_link_of_a_chain(record: Record) -> None:
    """Dr Inconnu wrote it, and reads what he wrote; the Patient is not shown to him."""
    house, name = record.house, f"{record.patient}-own"
    await house.put(document(name, record.patient, author="Practitioner/inconnu"))
    own = f"DocumentReference?patient={record.patient}"
    inconnu = house.someone("inconnu")
    assert (await house.get(own, inconnu)).json()["total"] == 1
    for query in ("subject:Patient.family=Durand", "patient.active=true"):
        assert (await house.get(f"{own}&{query}", inconnu)).json()["total"] == 0
        assert (await house.get(f"{own}&{query}", house.someone("martin"))).json()["total"] == 3


async def test_row_08_that_a_reference_leads_to_what_is_hidden_is_not_told_by_its_being_there(record: Record) -> None:
    """It is there, or not, by the element alone: whether its target is shown, hidden or absent."""
    house, inconnu = record.house, record.house.someone("inconnu")
    name, gone = f"{record.patient}-own", f"{record.patient}-gone"
    links = {"related": [reference(f"DocumentReference/{record.masked}")], "encounter": [reference("Encounter/none")]}
    await house.put(document(name, record.patient, author="Practitioner/inconnu", context=links))
    absent = {**links, "related": [reference(f"DocumentReference/{record.absent}")]}
    await house.put(document(gone, record.patient, author="Practitioner/inconnu", context=absent))
    for code, counted in (("subject", 2), ("patient", 2), ("related", 2), ("encounter", 2), ("custodian", 0)):
        for value, total in (("false", counted), ("true", 2 - counted)):
            target = f"DocumentReference?patient={record.patient}&{code}:missing={value}"
            assert (await house.get(target, inconnu)).json()["total"] == total, target


async def test_row_09_reverse_chains(record: Record) -> None:
    await _pointing_list(record)
    patient = f"Patient?_id={record.patient}"
    await _unchanged(record, [
        f"{patient}&_has:DocumentReference:patient:date=lt2021", "Patient?_has:DocumentReference:patient:date=lt2021",
        f"Patient?_has:List:subject:item:DocumentReference.date=lt2021&_id={record.patient}",
        f"Practitioner?_id=auteur&_has:DocumentReference:author:identifier=urn:x|{record.patient}-hid1",
    ])  # fmt: skip


async def test_row_10_lists(record: Record) -> None:
    """What a hidden List names is not found by it."""
    name = await _pointing_list(record)
    await _unchanged(record, [f"DocumentReference?_list={name}", f"DocumentReference?_list={name}&_summary=count"])
    found = (await record.house.get(f"DocumentReference?_list={name}", record.house.petit())).json()
    assert [row["resource"]["id"] for row in found["entry"]] == [record.open]
    await _pointing_list(record, "MASQUE_PS")
    hidden = await record.house.get(f"DocumentReference?_list={name}", record.house.petit())
    absent = await record.house.get(f"DocumentReference?_list={record.absent}", record.house.petit())
    assert told(hidden, name) == told(absent, record.absent)
    assert (await record.house.get(f"DocumentReference?_list={name}", record.house.someone("martin"))).json()["total"]


ABSENT = [
    pytest.param(row, request, id=f"row {row['row']:02}: {request}")
    for row in TABLE["absent_features"]
    for request in row["requests"]
]


@pytest.mark.parametrize(("row", "request_made"), ABSENT)
async def test_a_feature_that_is_not_here_is_refused(record: Record, row: Json, request_made: str) -> None:
    """Rows 10, 17, 18, 22, 26 and 28, as far as there is nothing yet that could leak."""
    strict = {"prefer": "handling=strict"}
    shown = await record.twins(record.house.petit(), "GET", request_made, headers=strict)
    assert shown.status in REFUSED, row["channel"]


async def test_row_10_sorting_negation_and_absence(record: Record) -> None:
    about = f"DocumentReference?patient={record.patient}"
    await _unchanged(record, [
        f"{about}&_sort=date", f"{about}&_sort=-date", f"{about}&_sort=-_lastUpdated,_id",
        f"{about}&status:not=superseded",
        f"{about}&language:not=fr", f"{about}&date=lt2021,ge2024",
    ])  # fmt: skip


async def test_row_10_filters_words_and_composites(record: Record) -> None:
    about = f"subject=Patient/{record.patient}"
    related: Json = {"relatesTo": [{"code": "appends", "target": reference(f"DocumentReference/{record.open}")}]}
    targets = [
        f"DocumentReference?{about}&_filter=date lt 2021",
        f"DocumentReference?{about}&_filter=not (date ge 2021)",
        f"DocumentReference?_filter=subject eq Patient/{record.patient} and language ne de",
        f"DocumentReference?{about}&_content={record.patient} hid1",
        f"DocumentReference?{about}&description:contains=hid",
        f"DocumentReference?{about}&description:exact={record.patient}-hid1",
        f"DocumentReference?{about}&relatesto:missing=true",
    ]  # fmt: skip
    await _unchanged(record, targets)
    name = f"{record.patient}-appends"
    asked = f"DocumentReference?relationship=DocumentReference/{record.open}$appends"
    petit, martin = record.house.petit(), record.house.someone("martin")
    before = told(await record.house.get(asked, petit))
    await record.house.put(document(name, record.patient, "MASQUE_PS", **related))
    assert told(await record.house.get(asked, petit)) == before
    assert (await record.house.get(asked, martin)).json()["total"] == 1


async def test_row_10_the_display_of_a_reference_to_what_is_hidden_is_no_word(record: Record) -> None:
    name = f"{record.patient}-naming"
    naming: Json = {
        "context": {"related": [{**reference(f"DocumentReference/{record.masked}"), "display": "Sérologie VIH"}]}
    }
    await record.house.put(document(name, record.patient, **naming))
    found = await record.house.get(
        f"DocumentReference?subject=Patient/{record.patient}&_content=sérologie", record.house.petit()
    )
    assert found.json()["total"] == 0


async def test_row_11_labels_profiles_and_sources_are_data_too(record: Record) -> None:
    house, petit = record.house, record.house.petit()
    secret = {"security": [coding("vis|MASQUE_PS")], "tag": [{"system": "urn:x", "code": "secret"}],
              "source": "urn:secret", "profile": ["urn:profile:secret"]}  # fmt: skip
    await house.put({**document(record.masked, record.patient, "MASQUE_PS"), "meta": secret})
    for query in ("_security=MASQUE_PS", "security-label=MASQUE_PS", f"_security={VISIBILITY}|MASQUE_PS",
                  f"_security={VISIBILITY}|", "_security:not=R&_tag=urn:x|secret", "_tag=urn:x|", "_tag=secret",
                  "_profile=urn:profile:secret",
                  "_source=urn:secret"):  # fmt: skip
        target = f"DocumentReference?patient={record.patient}&{query}"
        found = await house.get(target, petit)
        assert found.status_code == 200, found.text
        assert found.json()["total"] == 0, query
        assert (await house.get(target, house.someone("martin"))).json()["total"] == 1, query


async def _first_page(record: Record, headers: Any) -> str:
    await record.house.put(document(f"{record.patient}-open2", record.patient))
    page = await record.house.get(f"DocumentReference?patient={record.patient}&_count=1", headers)
    return str(next(link["url"] for link in page.json()["link"] if link["relation"] == "next"))


async def test_row_12_a_cursor_is_good_for_its_requester_and_query_alone(record: Record) -> None:
    petit = record.house.petit()
    url = await _first_page(record, petit)
    assert (await record.house.get(url, petit)).status_code == 200
    for headers in (record.house.someone("martin"), record.house.someone("inconnu")):
        assert (await record.house.get(url, headers)).status_code == 400
    assert (await record.house.get(url.replace("_count=1", "_count=2"), petit)).status_code == 400
    assert (await record.house.get(re.sub(r"patient=\w+", "patient=other", url), petit)).status_code == 400


async def test_row_12_the_next_page_is_authorised_anew(record: Record) -> None:
    petit = record.house.petit()
    url = await _first_page(record, petit)
    await record.permit(status="inactive")
    page = await record.house.get(url, petit)
    assert page.status_code == 200
    assert page.json().get("entry", []) == []


CONDITIONAL = [
    ("POST", "DocumentReference", {**AS_JSON, "if-none-exist": "identifier=urn:x|{}"}, 201),
    ("PUT", "DocumentReference?identifier=urn:x|{}", AS_JSON, 201),
    ("PATCH", "DocumentReference?identifier=urn:x|{}", AS_PATCH, 404),
    ("DELETE", "DocumentReference?identifier=urn:x|{}", {}, 204),
    ("PUT", "DocumentReference/{}", {**AS_JSON, "if-match": 'W/"1"'}, 412),
    ("PUT", "DocumentReference/{}", {**AS_JSON, "if-none-match": "*"}, 405),
    ("PATCH", "DocumentReference/{}", {**AS_PATCH, "if-match": 'W/"1"'}, 404),
    ("DELETE", "DocumentReference/{}", {"if-match": 'W/"1"'}, 412),
]
UNCONDITIONAL = [
    ("PUT", "DocumentReference/{}", AS_JSON, 405),
    ("PATCH", "DocumentReference/{}", AS_PATCH, 404),
    ("DELETE", "DocumentReference/{}", {}, 204),
]
NEW_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
PATCH = json.dumps([{"op": "replace", "path": "/status", "value": "superseded"}])


def _own(record: Record, target: str) -> str:
    """A document of Dr Petit's own, as a client sends it."""
    item = document("{}", record.patient, "N", author="Practitioner/petit")
    return json.dumps(item if target.endswith("/{}") else {key: value for key, value in item.items() if key != "id"})


async def _alike(record: Record, method: str, target: str, headers: dict[str, str]) -> int:
    content = "" if method == "DELETE" else PATCH if method == "PATCH" else _own(record, target)
    answers = []
    for name in (record.masked, record.absent):
        given = {key: value.replace("{}", name) for key, value in headers.items()}
        answer = await record.house.guarded.client.request(
            method,
            target.replace("{}", name),
            content=content.replace("{}", name),
            headers={**record.house.petit(), **given},
        )
        made = NEW_ID.findall(answer.headers.get("location", ""))
        answers.append(told(answer, name, *made))
    assert answers[0] == answers[1]
    return answers[0].status


@pytest.mark.parametrize(("method", "target", "headers", "status"), CONDITIONAL)
async def test_row_13_conditional_interactions(
    record: Record, method: str, target: str, headers: dict[str, str], status: int
) -> None:
    assert await _alike(record, method, target, headers) == status
    await _is_there(record.house, f"DocumentReference/{record.masked}")


@pytest.mark.parametrize(("method", "target", "headers", "status"), UNCONDITIONAL)
async def test_row_14_writes_to_a_chosen_id(
    record: Record, method: str, target: str, headers: dict[str, str], status: int
) -> None:
    assert await _alike(record, method, target, headers) == status
    await _is_there(record.house, f"DocumentReference/{record.masked}")


async def test_row_15_what_refers_to_hidden_things_is_stored_as_what_refers_to_absent_ones(record: Record) -> None:
    item = document("x", record.patient, "N", author="Practitioner/petit")
    item |= {"context": {"related": [reference("DocumentReference/{}")]}}
    item.pop("id")
    answers = []
    for name in (record.masked, record.absent):
        answer = await record.house.guarded.client.post(
            "DocumentReference",
            content=json.dumps(item).replace("{}", name),
            headers={**record.house.petit(), **AS_JSON},
        )
        answers.append(told(answer, name, *NEW_ID.findall(answer.headers["location"])))
    assert answers[0] == answers[1]
    assert answers[0].status == 201


async def test_row_15_a_hidden_referrer_stops_no_deletion(record: Record) -> None:
    own = f"{record.patient}-mine"
    await record.house.put(document(own, record.patient, author="Practitioner/petit"))
    await record.house.put(
        document(
            record.masked, record.patient, "MASQUE_PS", context={"related": [reference(f"DocumentReference/{own}")]}
        )
    )
    answer = await record.house.guarded.client.delete(f"DocumentReference/{own}", headers=record.house.petit())
    assert answer.status_code == 204


@pytest.mark.parametrize("in_bundle", [True, False])
async def test_row_15_a_deletion_does_not_tell_whether_a_document_cites_the_binary(
    record: Record, *, in_bundle: bool
) -> None:
    """By a document that she sees, by one that is hidden from her, by none: she is told what is told of no Binary."""
    house, petit = record.house, {**record.house.petit(), **AS_JSON}
    post, binary = house.guarded.client.post, {"resourceType": "Binary", "contentType": "text/plain", "data": "aGk="}
    seen, hidden, alone = [(await post("Binary", json=binary, headers=petit)).json()["id"] for _ in range(3)]
    own = document("x", record.patient, "N", author="Practitioner/petit", content=_content(seen))
    own.pop("id")
    assert (await post("DocumentReference", json=own, headers=petit)).status_code == 201
    await house.put(document(record.masked, record.patient, "MASQUE_PS", content=_content(hidden)))
    answers = []
    for name in (seen, hidden, alone, "never-was"):
        url = f"Binary/{name}"
        entry = {"request": {"method": "DELETE", "url": url}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        if in_bundle:
            answers.append(told(await post("", json=bundle, headers=petit), name))
        else:
            answers.append(told(await house.guarded.client.delete(url, headers=petit), name))
    assert answers == answers[:1] * 4
    assert answers[0].status == (200 if in_bundle else 204)
    for name in (seen, hidden, alone):
        assert (await house.get(f"Binary/{name}", petit)).status_code == 200


def _content(binary: str) -> Json:
    return [{"attachment": {"contentType": "text/plain", "url": f"Binary/{binary}"}}]


@pytest.mark.parametrize("kind", ["batch", "transaction"])
@pytest.mark.parametrize("entry", [
    {"request": {"method": "GET", "url": "DocumentReference/{}"}},
    {"request": {"method": "DELETE", "url": "DocumentReference/{}"}},
    {"request": {"method": "DELETE", "url": "DocumentReference/{}", "ifMatch": 'W/"1"'}},
    {"request": {"method": "GET", "url": "DocumentReference?_id={}"}},
    {"request": {"method": "POST", "url": "List"}, "resource": {
        "resourceType": "List", "status": "current", "mode": "working", "subject": {"reference": "Patient/@"},
        "entry": [{"item": {"reference": "DocumentReference?identifier=urn:x|{}"}}]}},
    {"request": {"method": "PUT", "url": "DocumentReference/{}"},
     "resource": document("{}", "@", author="Practitioner/petit")},
])  # fmt: skip
async def test_row_16_entries_of_bundles(record: Record, kind: str, entry: Json) -> None:
    other = {"request": {"method": "GET", "url": f"DocumentReference/{record.open}"}}
    body = json.dumps({"resourceType": "Bundle", "type": kind, "entry": [other, entry]}).replace("@", record.patient)
    shown = await record.twins(record.house.petit(), "POST", "", content=body, headers=AS_JSON)
    assert shown.status in {200, 400, 404, 405, 412}
    await _is_there(record.house, f"DocumentReference/{record.masked}")


async def test_row_17_validation_of_what_is_stored(record: Record) -> None:
    petit = record.house.petit()
    assert (await record.twins(petit, "GET", "DocumentReference/{}/$validate")).status == 404
    body = json.dumps({"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "delete"}]})
    await record.twins(petit, "POST", "DocumentReference/{}/$validate", content=body, headers=AS_JSON)
    assert (await record.house.get(f"DocumentReference/{record.open}/$validate", petit)).status_code == 200


async def test_row_17_validation_follows_a_reference_to_hidden_things_no_further_than_one_to_absent_ones(
    record: Record,
) -> None:
    """A Patient stands where R4 wants a Practitioner: told only to who may see that there is one."""
    await record.house.put({"resourceType": "Patient", "id": record.masked, "active": True})
    item = {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"}, "performer": [reference("Patient/{}")],
        "derivedFrom": [reference("DocumentReference/{}")], "subject": reference(f"Patient/{record.patient}"),
    }  # fmt: skip
    shown = await record.twins(
        record.house.petit(), "POST", "Observation/$validate", content=json.dumps(item), headers=AS_JSON
    )
    assert shown.status == 200


async def test_row_19_a_binary_is_shown_with_a_document_that_is(record: Record) -> None:
    house, petit = record.house, record.house.petit()
    for name in (record.open, record.masked):
        await house.put({"resourceType": "Binary", "id": name, "contentType": "text/plain", "data": "aGk="})
        labels = ["MASQUE_PS"] if name == record.masked else []
        content = [{"attachment": {"url": f"Binary/{name}"}}]
        await house.put(document(name, record.patient, *labels, content=content))
    for suffix in ("", "/_history", "/_history/1"):
        assert (await record.twins(petit, "GET", "Binary/{}" + suffix)).status == 404
    assert (await house.get(f"Binary/{record.open}", petit)).status_code == 200
    await _is_there(house, f"Binary/{record.masked}")
    found = await house.get(f"Binary?_id={record.masked}", petit)
    assert found.status_code in REFUSED or found.json()["total"] == 0


async def test_row_19_who_cites_a_hidden_binary_does_not_open_it(record: Record) -> None:
    house, petit, name = record.house, record.house.petit(), record.masked
    await house.put({"resourceType": "Binary", "id": name, "contentType": "text/plain", "data": "aGk="})
    content = [{"attachment": {"url": f"Binary/{name}"}}]
    await house.put(document(name, record.patient, "MASQUE_PS", content=content))
    own = document("x", record.patient, "N", author="Practitioner/petit", content=content)
    own.pop("id")
    made = await house.guarded.client.post("DocumentReference", content=json.dumps(own), headers={**petit, **AS_JSON})
    assert made.status_code == 201
    assert (await record.twins(petit, "GET", "Binary/{}")).status == 404
    await _is_there(house, f"Binary/{name}")


async def test_row_19_a_binary_is_its_makers_until_a_document_of_his_cites_it(record: Record) -> None:
    house, petit = record.house, record.house.petit()
    await house.put({"resourceType": "Binary", "id": record.masked, "contentType": "text/plain", "data": "aGk="})
    content = [{"attachment": {"url": f"Binary/{record.masked}"}}]
    own = document("x", record.patient, "N", author="Practitioner/petit", content=content)
    own.pop("id")
    made = await house.guarded.client.post("DocumentReference", content=json.dumps(own), headers={**petit, **AS_JSON})
    assert made.status_code == 201
    assert (await house.get(f"Binary/{record.masked}", petit)).status_code == 404
    await house.put(document(record.masked, record.patient, "N", content=content))
    assert (await house.get(f"Binary/{record.masked}", petit)).status_code == 200


async def test_row_19_whoever_cites_a_binary_often_hides_it_from_nobody(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The maker's own document counts, however many of others stand before it."""
    monkeypatch.setattr(gate, "_CITING", 1)
    house, petit = record.house, record.house.petit()
    await house.put({"resourceType": "Binary", "id": record.open, "contentType": "text/plain", "data": "aGk="})
    content = [{"attachment": {"url": f"Binary/{record.open}"}}]
    await house.put(document(record.open, record.patient, "N", content=content))
    for _ in range(3):
        own = document("x", record.patient, "N", author="Practitioner/petit", content=content)
        own.pop("id")
        body, headers = json.dumps(own), {**petit, **AS_JSON}
        assert (await house.guarded.client.post("DocumentReference", content=body, headers=headers)).status_code == 201
    assert (await house.get(f"Binary/{record.open}", petit)).status_code == 200


async def test_row_19_its_maker_reads_a_binary_that_nothing_cites(record: Record) -> None:
    house, petit = record.house, record.house.petit()
    body = json.dumps({"resourceType": "Binary", "contentType": "text/plain", "data": "aGk="})
    made = await house.guarded.client.post("Binary", content=body, headers={**petit, **AS_JSON})
    assert made.status_code == 201
    assert (await house.get(f"Binary/{made.json()['id']}", petit)).status_code == 200
    other = house.guarded.tokens.practitioner("99900000193", "21")
    assert (await house.get(f"Binary/{made.json()['id']}", other)).status_code == 404


POINTING = [
    {"resourceType": "List", "id": "@-list", "status": "current", "mode": "working",
     "subject": {"reference": "Patient/@"}, "entry": [{"item": {"reference": "DocumentReference/{}"}}]},
    {"resourceType": "Composition", "id": "@-comp", "status": "final", "type": {"text": "x"}, "date": "2024-05-01",
     "title": "x", "subject": {"reference": "Patient/@"}, "author": [{"reference": "Practitioner/auteur"}],
     "section": [{"title": "x", "entry": [{"reference": "DocumentReference/{}"}]}]},
    {"resourceType": "Provenance", "id": "@-prov", "recorded": "2024-05-01T00:00:00Z",
     "target": [{"reference": "DocumentReference/{}"}], "agent": [{"who": {"reference": "Practitioner/auteur"}}]},
]  # fmt: skip


@pytest.mark.parametrize("pointing", POINTING, ids=lambda row: str(row["resourceType"]))
async def test_rows_20_and_21_what_points_at_hidden_things_is_told_as_what_points_at_absent_ones(
    record: Record, pointing: Json
) -> None:
    target = f"{pointing['resourceType']}/{pointing['id']}".replace("@", record.patient)
    answers = []
    for name in (record.masked, record.absent):
        await record.house.behind.client.delete(target)
        made = json.loads(json.dumps(pointing).replace("@", record.patient).replace("{}", name))
        await record.house.put(made)
        answer = await record.house.get(target, record.house.petit())
        shown = told(answer, name)
        versioned = [(key, value) for key, value in shown.headers if key not in {"etag", "last-modified"}]
        answers.append((shown.status, versioned, re.sub(r'"versionId":"\d+"|"lastUpdated":"[^"]+"', "", shown.body)))
    assert answers[0] == answers[1]


async def test_row_21_a_refused_attempt_is_traced_alike_whether_there_was_something_or_not(house: House) -> None:
    """The patient reads his own trace; what is held back from him leaves the trace that nothing leaves."""
    traces = []
    for is_there in (True, False):
        record = await house.make_record()
        if is_there:
            await house.put(document(record.masked, record.patient, "INVISIBLE_PATIENT", date="2024-05-30T08:00:00Z"))
        else:
            await house.behind.client.delete(f"DocumentReference/{record.masked}")
        name = record.masked if is_there else record.absent
        patient = house.guarded.tokens.patient(record.patient)
        assert (await house.get(f"DocumentReference/{name}", patient)).status_code == 404
        found = (await house.get(f"AuditEvent?patient={record.patient}", patient)).json()
        rows = [_without_identity(row["resource"], record.patient) for row in found.get("entry", [])]
        traces.append(sorted(json.dumps(row, sort_keys=True) for row in rows))
    assert traces[0] == traces[1]
    assert traces[0], "the control: the attempt is traced"


def _without_identity(event: Json, patient: str) -> Json:
    text = json.dumps({**event, "id": "", "meta": {**event["meta"], "lastUpdated": "", "versionId": ""}})
    kept = json.loads(re.sub(r"jti:[0-9a-f-]+", "", text).replace(patient, "*"))
    for row in kept.get("entity", []):
        if "identifier" in row.get("what", {}) and "system" not in row["what"]["identifier"]:
            row["what"]["identifier"]["value"] = ""
    return kept


async def test_row_21_traces_are_no_way_for_a_professional(record: Record) -> None:
    await record.house.get(f"DocumentReference/{record.masked}", record.house.someone("martin"))
    found = await record.house.get(f"AuditEvent?patient={record.patient}", record.house.petit())
    assert found.status_code in REFUSED or found.json()["total"] == 0


REVOKED: list[Json] = [
    {"status": "inactive"},
    {"status": "rejected"},
    {"period": {"end": "2024-05-31"}},
    {"actor": ["Practitioner/inconnu"]},
    {"type": "deny"},
    {"purpose": ["HPAYMT"]},
]


@pytest.mark.parametrize("changed", REVOKED, ids=str)
async def test_row_23_a_revocation_counts_on_the_next_request_and_in_every_worker(
    record: Record, other_worker: Server, changed: Json
) -> None:
    target = f"DocumentReference/{record.open}"
    workers = [
        (server.client, server.tokens.practitioner(PROFESSIONALS["petit"], "10"))
        for server in (record.house.guarded, other_worker)
    ]
    for client, petit in workers:
        assert (await client.get(target, headers=petit)).status_code == 200
    await record.permit(**changed)
    for client, petit in workers:
        assert (await client.get(target, headers=petit)).status_code == 404
        found = await client.get(f"DocumentReference?patient={record.patient}", headers=petit)
        assert found.json()["total"] == 0
    await record.permit()
    for client, petit in workers:
        assert (await client.get(target, headers=petit)).status_code == 200


@pytest.fixture(scope="module")
async def other_worker(
    house: House, mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]
) -> AsyncIterator[Server]:
    """Another process of the same server: an application of its own on the same database."""
    changed = {"DATABASE": house.behind.database.name, "VALIDATION": "off"}
    async with run_server(mongodb_uri, mongodb_client, Sources(now=house.clock), GUARDED, **changed) as other:
        yield other


async def test_row_24_conditional_reading_is_after_authorisation(record: Record) -> None:
    petit = record.house.petit()
    tag = (await record.house.get(f"DocumentReference/{record.open}", petit)).headers["etag"]
    same = await record.house.get(f"DocumentReference/{record.open}", {**petit, "if-none-match": tag})
    assert same.status_code == 304
    for headers in (
        {"if-none-match": tag},
        {"if-none-match": "*"},
        {"if-modified-since": "Sat, 01 Jun 2030 10:00:00 GMT"},
    ):
        shown = await record.twins(petit, "GET", "DocumentReference/{}", headers=headers)
        assert shown.status == 404
        assert not {"etag", "last-modified", "location"} & {name for name, _ in shown.headers}


async def test_row_25_error_bodies_name_nothing(record: Record) -> None:
    shown = await record.twins(record.house.petit(), "GET", "DocumentReference/{}")
    assert "DocumentReference/*" in shown.body
    assert not re.search(r"mask|consent|hidden|restrict|conf", shown.body, re.IGNORECASE)


async def test_row_26_capabilities_and_metrics_tell_nothing_of_a_record(record: Record) -> None:
    house = record.house
    before = told(await house.get("metadata", house.petit()))
    await house.put(document(f"{record.patient}-more", record.patient, "MASQUE_PS"))
    assert told(await house.get("metadata", house.petit())) == before
    assert record.patient not in generate_latest().decode()


async def test_row_27_a_denial_wins_over_a_permission_whichever_is_newer(record: Record) -> None:
    petit, target = record.house.petit(), f"DocumentReference/{record.open}"
    await record.permit("other", type="deny")
    assert (await record.house.get(target, petit)).status_code == 404
    await record.permit()
    assert (await record.house.get(target, petit)).status_code == 404
    await record.permit("other", type="deny", status="inactive")
    assert (await record.house.get(target, petit)).status_code == 200


async def test_row_27_a_consent_that_cannot_be_interpreted_is_refused(record: Record) -> None:
    item = consent_of("x", record.patient, {"actor": ["Practitioner/petit"]})
    item.pop("id")
    answer = await record.house.guarded.client.post(
        "Consent",
        content=json.dumps(item),
        headers={**record.house.guarded.tokens.patient(record.patient), **AS_JSON},
    )
    assert answer.status_code == 422


async def test_row_28_a_link_between_patients_opens_no_record(house: House) -> None:
    other = await house.make_record()
    record = await house.make_record(link=[{"other": reference(f"Patient/{other.patient}"), "type": "seealso"}])
    await other.permit(actor=["Practitioner/inconnu"])
    petit = house.petit()
    assert (await house.get(f"DocumentReference/{record.open}", petit)).status_code == 200
    for target in (f"DocumentReference/{other.open}", f"Patient/{other.patient}"):
        assert (await house.get(target, petit)).status_code == 404
    mother = house.guarded.tokens.patient(record.patient)
    assert (await house.get(f"DocumentReference/{other.open}", mother)).status_code == 404
    assert (await house.get(f"DocumentReference/{record.open}", mother)).status_code == 200


async def test_row_28_a_link_between_patients_includes_none_and_chains_to_none(house: House) -> None:
    other = await house.make_record()
    record = await house.make_record(link=[{"other": reference(f"Patient/{other.patient}"), "type": "seealso"}])
    await other.permit(actor=["Practitioner/inconnu"])
    own = f"Patient?_id={record.patient}"
    for query, hidden, seen in (
        ("_include=Patient:link", 1, 2),
        ("_include:iterate=*", 1, 2),
        ("link:Patient.active=true", 0, 1),
    ):
        for headers, expected in ((house.petit(), hidden), (house.someone("martin"), seen)):
            rows = (await house.get(f"{own}&{query}", headers)).json().get("entry", [])
            assert sum(row["resource"]["resourceType"] == "Patient" for row in rows) == expected, query


async def test_row_29_without_context_nothing_is_shown(record: Record) -> None:
    house, target = record.house, f"DocumentReference/{record.open}"
    assert (await house.get(target, {})).status_code == 401
    assert (await house.get(target, house.petit(scope="openid"))).status_code == 403
    assert (await house.get(target, house.petit(purposes=()))).status_code in {401, 403, 404}
    assert (await house.get(target, house.petit())).status_code == 200


async def test_row_30_breaking_the_glass_needs_a_reason_and_ends(house: House) -> None:
    record = await house.make_record()
    await record.permit(status="inactive")
    target = f"DocumentReference/{record.open}"
    given = house.petit(purposes=("BTG",), reason="Patient inconscient")
    assert (await house.get(target, house.petit())).status_code == 404
    assert (await house.get(target, house.petit(purposes=("BTG",), reason=""))).status_code in {401, 403, 404}
    assert (await house.get(target, given)).status_code == 200
    assert (await house.get(f"DocumentReference/{record.masked}", given)).status_code == 404
    found = (
        await house.get(f"AuditEvent?patient={record.patient}", house.guarded.tokens.patient(record.patient))
    ).json()
    assert any("Patient inconscient" in json.dumps(row) for row in found["entry"]), "the patient sees who, when and why"
    await record.permit("opposed", type="deny", actor=["Practitioner/petit"], purpose=["BTG"])
    assert (await house.get(target, given)).status_code == 404


async def test_row_30_emergency_access_ends_after_four_hours(house: House) -> None:
    record = await house.make_record()
    await record.permit(status="inactive")
    given = house.petit(purposes=("BTG",), reason="Patient inconscient")
    began = house.clock.now
    try:
        house.clock.now = began + 50 * 60_000
        assert (await house.get(f"DocumentReference/{record.open}", given)).status_code == 200
        house.clock.now = began + 5 * 3_600_000
        assert (await house.get(f"DocumentReference/{record.open}", given)).status_code in {401, 404}
    finally:
        house.clock.now = began


def test_every_row_is_tested_or_its_feature_is_absent() -> None:
    tested = {
        int(number) for name in globals() for number in re.findall(r"_(\d\d)(?=_)", name) if name.startswith("test_row")
    }
    absent = {row["row"] for row in TABLE["absent_features"]}
    assert tested | absent | ELSEWHERE.keys() == set(range(1, ROWS + 1))


@pytest.mark.parametrize("named", ["Practitioner/petit", "https://rpps.esante.gouv.fr|10000000004"])
async def test_search_that_names_no_patient_finds_whose_consent_names_him(house: House, named: str) -> None:
    record = await house.make_record()
    await record.permit(actor=[named])
    rows = (await house.get(f"DocumentReference?identifier={record.open}", house.petit())).json().get("entry", [])
    assert [row["resource"]["id"] for row in rows] == [record.open]


async def test_medecin_traitant_sees_who_opened_the_record_and_nobody_else_does(record: Record) -> None:
    house, trace = record.house, f"AuditEvent?patient={record.patient}"
    assert (await house.get(f"DocumentReference/{record.open}", house.petit())).status_code == 200
    found = (await house.get(trace, house.someone("martin"))).json()
    assert found["total"] > 0
    event = f"AuditEvent/{found['entry'][0]['resource']['id']}"
    assert (await house.get(event, house.someone("martin"))).status_code == 200
    assert (await house.get(trace, house.petit())).json()["total"] == 0
    assert (await house.get(event, house.petit())).status_code == 404


@pytest.mark.parametrize("named", ["Practitioner/petit", "https://rpps.esante.gouv.fr|10000000004"])
async def test_search_that_names_no_patient_finds_whose_consent_names_him_in_an_exception_only(
    house: House, named: str
) -> None:
    record = await house.make_record()
    rule = {"type": "deny", "provision": [{"type": "permit", "actor": [named]}]}
    await house.put(consent_of(f"{record.patient}-consent", record.patient, rule))
    assert (await house.get(f"DocumentReference/{record.open}", house.petit())).status_code == 200
    rows = (await house.get(f"DocumentReference?identifier={record.open}", house.petit())).json().get("entry", [])
    assert [row["resource"]["id"] for row in rows] == [record.open]


@pytest.mark.parametrize("url", [ATTENDING, ADMINISTRATOR])
async def test_search_that_names_no_patient_finds_whose_extension_names_him(house: House, url: str) -> None:
    named = {"url": url, "valueReference": {"identifier": {"system": RPPS, "value": PROFESSIONALS["petit"]}}}
    record = await house.make_record(extension=[named])
    await record.permit(status="inactive")
    assert (await house.get(f"DocumentReference/{record.open}", house.petit())).status_code == 200
    rows = (await house.get(f"DocumentReference?identifier={record.open}", house.petit())).json().get("entry", [])
    assert [row["resource"]["id"] for row in rows] == [record.open]
