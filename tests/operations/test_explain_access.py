"""$dmp-explain-access tells each caller what he may know, and tells what a read gives: explain-access.yaml."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_dmp.app import Sources
from fhir_dmp.loader import data_folder
from fhir_dmp.operations.access_question import KNOWN
from fhir_dmp.operations.explain_access import DEFINITION
from fhir_dmp.operations.record_items import MOST_ITEMS
from tests.conftest import FROZEN
from tests.operations.explained import (
    MINOR,
    PATIENT,
    WORLD,
    ask,
    build_draft,
    one,
    parts,
    sign,
    store_world,
    tell,
    tell_changes,
    tell_classes,
    tell_items,
)
from tests.rest.server import FHIR_JSON, Server, run_both

Json = Any
CASES = [(case, who) for case in WORLD["cases"] for who in case["as"]]
OPERATION = json.loads(
    Path(data_folder("profiles") / "dmp" / "OperationDefinition-dmp-explain-access.json").read_text(encoding="utf8")
)


@pytest.fixture(scope="module")
async def both(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[tuple[Server, Server]]:
    """A server that everyone may ask and one that needs tokens, on the same records, where time stands still."""
    sources = Sources(now=lambda: FROZEN)
    async with run_both(mongodb_uri, mongodb_client, sources, VALIDATION="off") as (behind, guarded):
        await store_world(behind)
        yield behind, guarded


async def _ask(both: tuple[Server, Server], case: Json, who: str) -> list[httpx.Response]:
    behind, guarded = both
    patient = case.get("patient", PATIENT)
    draft = build_draft(WORLD["drafts"][case["draft"]]) if "draft" in case else None
    server = behind if who == "system" else guarded
    return await ask(server.client, patient, case["ask"], draft, sign(guarded.tokens, who, patient))


@pytest.mark.parametrize(("case", "who"), CASES, ids=[f"{case['name']} ({who})" for case, who in CASES])
async def test_a_caller_is_told_what_the_case_says(case: Json, who: str, both: tuple[Server, Server]) -> None:
    wanted = {**case, **case.get("unless", {}).get(who, {})}
    for response in await _ask(both, case, who):
        assert response.status_code == case.get("status", 200), response.text
        found = response.json()
        if "code" in case:
            assert found["issue"][0]["details"]["coding"][0]["code"] == case["code"], response.text
            continue
        rows = found["parameter"]
        told = _tell_all(rows)
        assert {name: told[name] for name in told if wanted.get(name) is not None} == {
            name: _named(wanted[name], who) for name in told if wanted.get(name) is not None
        }
        check_shape(rows, [row for row in OPERATION["parameter"] if row["use"] == "out"])


def _named(wanted: Json, who: str) -> Json:
    """An administrator sees no Consent, and is named none but the one that he gives himself."""
    if who != "administrator" or not isinstance(wanted, str) or wanted.endswith("@draft"):
        return wanted
    return wanted.partition("@")[0]


def _tell_all(rows: list[Json]) -> dict[str, Json]:
    told: dict[str, Json] = {
        "record": tell(one(rows, "record")),
        "items": tell_items(rows),
        "classes": tell_classes(rows),
    }
    drafts = [row["part"] for row in rows if row["name"] == "draft"]
    for draft in drafts:
        opened, closed = (one(rows, name)["valueUnsignedInt"] for name in ("opened", "closed"))
        told["saving"] = tell(one(rows, "saving"))
        told |= {"after": tell(one(draft, "record")), "items after": tell_items(draft)}
        told |= {"changed": f"{opened}/{closed}", "changes": tell_changes(rows)}
    return told


def check_shape(rows: list[Json], wanted: list[Json]) -> None:
    """Fails where rows are not as the OperationDefinition says: names, how often, types, parts."""
    known = {row["name"]: row for row in wanted}
    assert {row["name"] for row in rows} <= known.keys()
    for name, definition in known.items():
        found = [row for row in rows if row["name"] == name]
        assert len(found) >= definition["min"], name
        assert definition["max"] == "*" or len(found) <= int(definition["max"]), name
        for row in found:
            kind = definition.get("type", "")
            assert row.keys() == {"name", f"value{kind[:1].upper()}{kind[1:]}" if kind else "part"}, row
            check_shape(row.get("part", []), definition.get("part", []))


async def test_the_same_is_said_in_english(both: tuple[Server, Server]) -> None:
    given = {"professional": "99900000011", "displayLanguage": "en"}
    for response in await ask(both[0].client, PATIENT, given, None, {}):
        rule = parts(one(response.json()["parameter"], "record"))["rule"]
        assert rule["display"] == "This is your médecin traitant: he sees the whole record, masked items too."


CABINET, CLINIQUE = {"organization": "990000100"}, {"organization": "990000200"}
PEOPLE: list[tuple[Json, Json]] = [
    ({"professional": "Practitioner/martin"}, {"rpps": "99900000011", "profession": "10", **CABINET}),
    ({"professional": "PractitionerRole/petit-1"}, {"rpps": "99900000022", "profession": "10", **CABINET}),
    ({"professional": "PractitionerRole/petit-2"}, {"rpps": "99900000022", "profession": "10", **CLINIQUE}),
    ({"professional": "99900000033"}, {"rpps": "99900000033", "profession": "10", **CLINIQUE}),
    ({"professional": "99900000055", "profession": "21"}, {"rpps": "99900000055", "profession": "21"}),
    ({"professional": "99900000055", "profession": "26"}, {"rpps": "99900000055", "profession": "26"}),
]
MODES: list[tuple[Json, Json]] = [
    ({"mode": "normal"}, {"purposes": ("TREAT",)}),
    ({"mode": "bris_de_glace", "reason": "coma"}, {"purposes": ("BTG",), "reason": "coma"}),
    ({"mode": "bris_de_glace"}, {"purposes": ("BTG",)}),
    ({"mode": "centre_15"}, {"purposes": ("ETREAT",), "is_regulator": True}),
    ({"mode": "centre_15", "regulator": False}, {"purposes": ("ETREAT",)}),
]
IN_RECORDS = {
    f"{row['resourceType']}/{row['id']}": (row.get("subject") or row.get("patient"))["reference"].removeprefix(
        "Patient/"
    )
    for row in WORLD["resources"]
    if "subject" in row or "patient" in row
}


@pytest.mark.parametrize(("asked", "token"), PEOPLE, ids=[json.dumps(asked) for asked, _ in PEOPLE])
@pytest.mark.parametrize(("mode", "purpose"), MODES, ids=[json.dumps(mode) for mode, _ in MODES])
@pytest.mark.parametrize("patient", [PATIENT, MINOR])
async def test_what_is_explained_is_what_a_read_gives(
    patient: str, asked: Json, token: Json, mode: Json, purpose: Json, both: tuple[Server, Server]
) -> None:
    behind, guarded = both
    members = {**token, **purpose}
    headers = guarded.tokens.practitioner(members.pop("rpps"), members.pop("profession"), **members)
    items = [name for name, owner in IN_RECORDS.items() if owner == patient] + [f"Patient/{patient}"]
    given = {**asked, **mode, "item": items}
    response = (await ask(behind.client, patient, given, None, {}))[0]
    explained = {name: told.startswith("+") for name, told in tell_items(response.json()["parameter"]).items()}
    statuses = {name: (await guarded.client.get(name, headers=headers)).status_code for name in items}
    assert explained == {name: status == 200 for name, status in statuses.items()}
    assert set(statuses.values()) <= {200, 404}
    counts = tell_classes(response.json()["parameter"])
    # each emergency before this one left notices, of which the médecin traitant reads his own
    told = [int(count.partition("/")[0]) for name, count in counts.items() if not name.startswith("Communication")]
    assert sum(told) == sum(explained.values())


HIDDEN = [
    (PATIENT, "patient", ["DocumentReference/retenu"]),
    (MINOR, "representative", ["Observation/secrete", "Consent/secret"]),
]


@pytest.mark.parametrize(("patient", "who", "hidden"), HIDDEN, ids=[who for _, who, _ in HIDDEN])
async def test_without_what_is_hidden_the_answers_are_the_same(
    patient: str, who: str, hidden: list[str], mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]
) -> None:
    sources = Sources(now=lambda: FROZEN)
    async with run_both(mongodb_uri, mongodb_client, sources, VALIDATION="off") as (behind, guarded):
        await store_world(behind)
        headers = sign(guarded.tokens, who, patient)
        before = await _ask_everything(guarded.client, patient, hidden, headers)
        as_system = await _ask_everything(behind.client, patient, hidden, {})
        for name in hidden:
            assert (await behind.client.delete(name)).status_code == 204
        assert await _ask_everything(guarded.client, patient, hidden, headers) == before
        assert await _ask_everything(behind.client, patient, hidden, {}) != as_system


async def _ask_everything(
    client: httpx.AsyncClient, patient: str, items: list[str], headers: dict[str, str]
) -> list[bytes]:
    related = [f"related|{name}" for name in items]
    drafts = [
        None,
        *(build_draft({"patient": patient, "provision": {"type": "permit", "data": [one]}}) for one in related),
    ]
    answers = []
    for asked, _ in PEOPLE:
        for draft in drafts:
            for mode, _ in MODES:
                found = await ask(client, patient, {**asked, **mode, "item": items}, draft, headers)
                assert {response.status_code for response in found} == {200}
                answers += [response.content for response in found]
    return answers


async def test_what_is_named_is_in_the_trace(both: tuple[Server, Server]) -> None:
    behind, guarded = both
    given = {
        "professional": "PractitionerRole/petit-1",
        "item": ["AllergyIntolerance/allergie", "DocumentReference/retenu"],
    }
    headers = guarded.tokens.patient(PATIENT)
    answer = await ask(guarded.client, PATIENT, given, None, headers)
    assert {response.status_code for response in answer} == {200}
    request = {"identifier": {"value": answer[0].headers["x-request-id"]}}
    (event,) = (row for row in await _events(behind) if request in [entity.get("what") for entity in row["entity"]])
    details = [detail["valueString"] for row in event["entity"] for detail in row.get("detail", ())]
    assert details == ["AllergyIntolerance/allergie/_history/1", "Consent/acces/_history/1"]
    assert {"reference": f"Patient/{PATIENT}"} in [row.get("what") for row in event["entity"]]


async def test_a_refusal_is_in_the_trace(both: tuple[Server, Server]) -> None:
    behind, guarded = both
    before = len(await _events(behind))
    headers = guarded.tokens.practitioner("99900000011", "10")
    url = f"Patient/{PATIENT}/$dmp-explain-access"
    assert (await guarded.client.get(url, headers=headers)).status_code == 404
    assert len(await _events(behind)) == before + 1


async def _events(server: Server) -> list[Json]:
    response = await server.client.get("AuditEvent", params={"_count": "1000"})
    return [entry["resource"] for entry in response.json().get("entry", ())]


@pytest.mark.parametrize(
    "consent",
    [{"resourceType": "Patient"}, {"resourceType": "Consent", "status": 5}, {"resourceType": "Consent"}, {}],
    ids=str,
)
async def test_a_draft_that_is_none_is_refused(consent: Json, both: tuple[Server, Server]) -> None:
    rows = [{"name": "professional", "valueString": "99900000011"}, {"name": "consent", "resource": consent}]
    body = {"resourceType": "Parameters", "parameter": rows}
    url = f"Patient/{PATIENT}/$dmp-explain-access"
    response = await both[0].client.post(url, json=body, headers={"content-type": FHIR_JSON})
    assert response.status_code == 400


@pytest.mark.parametrize("value", [{"valueBoolean": True}, {"valueReference": {"display": "x"}}, {"valueInteger": 5},
                                   {"valueString": "a" * 3_000}, {"valueString": "é/" * 30}, {}], ids=str)  # fmt: skip
async def test_a_value_that_is_no_reference_is_refused_or_absent(value: Json, both: tuple[Server, Server]) -> None:
    for name in ("professional", "item"):
        rows = [
            {"name": name, **value},
            *([] if name == "professional" else [{"name": "professional", "valueString": "99900000011"}]),
        ]
        body = {"resourceType": "Parameters", "parameter": rows}
        url = f"Patient/{PATIENT}/$dmp-explain-access"
        response = await both[0].client.post(url, json=body, headers={"content-type": FHIR_JSON})
        assert response.status_code == 400 or (name == "item" and "valueString" in value), response.text


def test_the_definition_has_the_parameters_that_are_read() -> None:
    assert OPERATION["url"] == DEFINITION
    assert {row["name"] for row in OPERATION["parameter"] if row["use"] == "in"} == set(KNOWN)


async def test_the_capability_statement_lists_the_operation(both: tuple[Server, Server]) -> None:
    statement = (await both[1].client.get("metadata")).json()
    (patient,) = (row for row in statement["rest"][0]["resource"] if row["type"] == "Patient")
    assert {"name": "dmp-explain-access", "definition": DEFINITION} in patient["operation"]


async def test_of_a_record_with_too_many_items_it_is_said_that_some_are_left_out(both: tuple[Server, Server]) -> None:
    behind, guarded = both
    patient = {"resourceType": "Patient", "id": "many", "active": True, "birthDate": "1970-01-01"}
    assert (await behind.client.put("Patient/many", json=patient)).status_code == 201
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "pouls"}}
    entry = {
        "resource": {**observation, "subject": {"reference": "Patient/many"}},
        "request": {"method": "POST", "url": "Observation"},
    }
    for size in (MOST_ITEMS // 2 - 1, MOST_ITEMS // 2):
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * size}
        assert (await behind.client.post("", json=bundle)).status_code == 200
    given = {"professional": "99900000011"}
    (found, _) = await ask(guarded.client, "many", given, None, guarded.tokens.patient("many"))
    assert one(found.json()["parameter"], "complete")["valueBoolean"]
    assert tell_classes(found.json()["parameter"]) == {"Observation": f"0/{MOST_ITEMS - 1}", "Patient": "0/1"}
    assert (await behind.client.post("Observation", json=entry["resource"])).status_code == 201
    (found, _) = await ask(guarded.client, "many", given, None, guarded.tokens.patient("many"))
    assert not one(found.json()["parameter"], "complete")["valueBoolean"]


@pytest.mark.parametrize(("who", "status"), [("patient", "200"), ("attending", "404")])
async def test_it_is_taken_in_a_batch(who: str, status: str, both: tuple[Server, Server]) -> None:
    _, guarded = both
    url = f"Patient/{PATIENT}/$dmp-explain-access?professional=99900000011"
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": url}}]}
    response = await guarded.client.post("", json=bundle, headers=sign(guarded.tokens, who, PATIENT))
    (entry,) = response.json()["entry"]
    assert entry["response"]["status"].startswith(status)
    assert ("resource" in entry) == (status == "200")
