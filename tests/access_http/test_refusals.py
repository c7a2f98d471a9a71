"""Every refusal is in the trace with the rule that decided, by whatever way it was asked for; who asked is not told."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from fhir_dmp.access.reason import SYSTEM
from tests.access_http.house import PROFESSIONALS, Headers, House, Record, consent_of, document
from tests.rest.server import FHIR_JSON
from tests.strategies.access import RPPS, reference

Json = Any

FORBIDDEN_WORDS = ("feeding-opposed", "author-not-self", "not-author", "masked", "excluded", "Consent/")


@pytest.fixture
async def record(house: House) -> Record:
    return await house.make_record()


async def send(house: House, who: Headers, method: str, target: str, body: Json = None) -> httpx.Response:
    content = json.dumps(body) if body is not None else None
    headers = {**who, "content-type": FHIR_JSON}
    answer = await house.guarded.client.request(method, target, content=content, headers=headers)
    assert not [word for word in FORBIDDEN_WORDS if word in answer.text], "the rule is not for who was refused"
    return answer


async def rules(house: House, **wanted: str) -> list[str]:
    """The rules of the refusals in the trace, the newest last."""
    query = "&".join(f"{name}={value}" for name, value in {"outcome": "4", "_sort": "_lastUpdated", **wanted}.items())
    found = (await house.behind.client.get(f"AuditEvent?{query}")).json()
    events = [row["resource"] for row in found.get("entry", ())]
    return [rule for event in events for rule in _rules(event)]


def _rules(event: Json) -> list[str]:
    identifiers = [row.get("what", {}).get("identifier", {}) for row in event["entity"]]
    return [row["value"] for row in identifiers if row.get("system") == SYSTEM]


def bundle(kind: str, method: str, url: str, resource: Json = None) -> Json:
    entry: Json = {"request": {"method": method, "url": url}}
    return {"resourceType": "Bundle", "type": kind, "entry": [{**entry, "resource": resource} if resource else entry]}


def _made(record: Record) -> Json:
    """A document of Dr Petit's, as she sends it."""
    return {
        key: value for key, value in document("x", record.patient, author="Practitioner/petit").items() if key != "id"
    }


async def oppose_feeding(record: Record) -> None:
    rule = {"type": "deny", "action": ["collect"]}
    await record.house.put(consent_of(f"{record.patient}-no-feeding", record.patient, rule))


async def test_a_create_that_is_refused_is_traced(record: Record) -> None:
    await oppose_feeding(record)
    made = {
        key: value for key, value in document("x", record.patient, author="Practitioner/petit").items() if key != "id"
    }
    assert (await send(record.house, record.house.petit(), "POST", "DocumentReference", made)).status_code == 403
    assert await rules(record.house, patient=record.patient) == ["feeding-opposed"]


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_an_entry_that_creates_and_is_refused_is_traced(record: Record, kind: str) -> None:
    await oppose_feeding(record)
    made = {
        key: value for key, value in document("x", record.patient, author="Practitioner/petit").items() if key != "id"
    }
    before = record.house.behind.count(ty="DocumentReference")
    answer = await send(record.house, record.house.petit(), "POST", "", bundle(kind, "POST", "DocumentReference", made))
    assert answer.status_code == (403 if kind == "transaction" else 200)
    assert record.house.behind.count(ty="DocumentReference") == before
    assert await rules(record.house, patient=record.patient) == ["feeding-opposed"]


@pytest.mark.parametrize("kind", ["batch", "transaction"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_an_entry_about_what_is_masked_is_traced(record: Record, kind: str, method: str) -> None:
    body = document(record.masked, record.patient) if method == "PUT" else None
    sent = bundle(kind, method, f"DocumentReference/{record.masked}", body)
    await send(record.house, record.house.petit(), "POST", "", sent)
    assert await rules(record.house, patient=record.patient) == ["masked"]


async def test_a_write_that_is_refused_is_traced_by_its_own_rule(record: Record) -> None:
    """He may read it: the rule that let him read it refused nothing."""
    changed = document(record.open, record.patient, language="fr")
    assert (await send(record.house, record.house.petit(), "PUT", f"DocumentReference/{record.open}", changed)).is_error
    assert await rules(record.house, patient=record.patient) == ["not-author"]


async def test_a_search_that_the_token_does_not_allow_is_traced(record: Record) -> None:
    who = record.house.petit(scope="user/Observation.c")
    answer = await send(record.house, who, "GET", f"DocumentReference?patient={record.patient}")
    assert answer.status_code == 403
    assert await rules(record.house, patient=record.patient) == ["scope"]


def _excluded(house: House) -> Headers:
    """Occupational medicine."""
    return house.someone("petit", specialties=("SM25",))


@pytest.mark.parametrize(("method", "target", "names_him"), [
    ("GET", "Patient/{}", True), ("GET", "DocumentReference?patient={}", True), ("POST", "", False),
    ("GET", "Nothing/of/this", False), ("DELETE", "Patient/{}", True),
])  # fmt: skip
async def test_who_never_has_access_is_traced(record: Record, method: str, target: str, names_him: bool) -> None:
    house = record.house
    who = _excluded(house)
    before = len(await rules(house, _count="1000"))
    answer = await send(
        house, who, method, target.replace("{}", record.patient), {"a": 1} if method == "POST" else None
    )
    assert answer.status_code == 403
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "not-allowed"
    assert len(await rules(house, _count="1000")) == before + 1
    assert await rules(house, patient=record.patient) == (["excluded"] if names_him else [])


async def test_the_patient_reads_who_was_refused_and_why(record: Record) -> None:
    house = record.house
    await send(house, house.petit(), "GET", f"DocumentReference/{record.masked}")
    who = _excluded(house)
    await send(house, who, "GET", f"Patient/{record.patient}")
    found = await house.get(
        f"AuditEvent?patient={record.patient}&outcome=4", house.guarded.tokens.patient(record.patient)
    )
    told = [row["resource"]["outcomeDesc"] for row in found.json()["entry"]]
    assert len(told) == 2
    assert all(told)


async def test_a_search_that_finds_nothing_is_in_the_trace_of_whom_it_names(record: Record) -> None:
    """A stranger who looks for somebody's documents is told nothing, and is seen."""
    house = record.house
    answer = await send(house, house.someone("inconnu"), "GET", f"DocumentReference?patient={record.patient}")
    assert answer.json()["total"] == 0
    found = await house.behind.client.get(f"AuditEvent?patient={record.patient}&agent-name=rpps:10000000009")
    assert found.json()["total"] == 1


@pytest.mark.parametrize(
    "actor",
    [
        {"reference": "Practitioner/martin"},
        {"identifier": {"system": RPPS, "value": PROFESSIONALS["martin"]}},
        {"reference": "PractitionerRole/martin-role"},
    ],
)
@pytest.mark.parametrize("attending", [{}, {"identifier": {"system": RPPS, "value": PROFESSIONALS["martin"]}}])
async def test_the_medecin_traitant_is_not_blocked_by_any_of_his_names(
    house: House, actor: Json, attending: Json
) -> None:
    role = {"resourceType": "PractitionerRole", "id": "martin-role", "practitioner": reference("Practitioner/martin")}
    await house.put(role)
    record = await house.make_record(**({"generalPractitioner": [attending]} if attending else {}))
    made = consent_of("block", record.patient, {"type": "deny", "actor": ["Practitioner/martin"]})
    made["provision"]["actor"][0]["reference"] = actor
    who = house.guarded.tokens.patient(record.patient)
    created = {key: value for key, value in made.items() if key != "id"}
    assert (await send(house, who, "POST", "Consent", created)).status_code == 403
    assert await rules(house, patient=record.patient) == ["attending-not-blockable"]
    assert (await house.get(f"DocumentReference/{record.open}", house.someone("martin"))).status_code == 200


@pytest.mark.parametrize("length", range(1, 5))
async def test_a_patient_may_deny_a_single_document(house: House, record: Record, length: int) -> None:
    """Of whatever length its id is: what a Consent is about is called `data`, and is no base64."""
    rule = {"type": "deny", "actor": ["Practitioner/petit"], "data": [f"instance|DocumentReference/{'x' * length}"]}
    created = consent_of("one", record.patient, rule)
    del created["id"]
    answer = await send(house, house.guarded.tokens.patient(record.patient), "POST", "Consent", created)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("scope", ["user/Unheard.rs?_id=1", "user/Element.rs?_id=1", "user/DocumentReference.rs?type="])
async def test_a_scope_that_cannot_be_enforced_opens_nothing(record: Record, scope: str) -> None:
    answer = await record.house.get(f"DocumentReference/{record.open}", record.house.petit(scope=scope))
    told = answer.json()["issue"][0]["details"]["coding"][0]["code"]
    assert (answer.status_code, told) == (403, "scope-not-enforceable")


@pytest.mark.parametrize("scope", ["user/*.s", "user/List.s", "user/List.rs"])
async def test_a_token_for_searching_alone_searches_what_names_other_resources(record: Record, scope: str) -> None:
    house, listed = record.house, f"{record.patient}-list"
    named = {"reference": f"DocumentReference/{record.open}", "display": "Compte rendu"}
    rest = {"resourceType": "List", "status": "current", "mode": "working"}
    entry = [{"item": named}, {"item": {**named, "reference": f"DocumentReference/{record.masked}"}}]
    await house.put({**rest, "id": listed, "subject": reference(f"Patient/{record.patient}"), "entry": entry})
    answer = await house.get(f"List?patient={record.patient}", house.petit(scope=scope))
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] == 1
    assert "Compte rendu" not in answer.text, "to read a document is not in the token"


@pytest.mark.parametrize(("scope", "is_told"), [("user/*.c", False), ("user/*.cr", True)])
async def test_condition_of_a_create_gives_content_only_to_a_token_that_may_read(
    record: Record, scope: str, is_told: bool
) -> None:
    house, named = record.house, f"_id={record.open}"
    who = {**house.petit(scope=scope), "prefer": "return=representation"}
    body = {**document("x", record.patient, "N", author="Practitioner/petit"), "id": None}
    body = {name: value for name, value in body.items() if value}
    alone = await send(house, {**who, "if-none-exist": named}, "POST", "DocumentReference", body)
    sent = bundle("transaction", "POST", "DocumentReference", body)
    sent["entry"][0]["request"]["ifNoneExist"] = named
    entry = (await send(house, who, "POST", "", sent)).json()["entry"][0]
    assert (alone.status_code, f"/{record.open}/" in alone.headers["location"]) == (200, True)
    assert (entry["response"]["status"][:3], f"/{record.open}/" in entry["response"]["location"]) == ("200", True)
    assert (bool(alone.content), "resource" in entry) == (is_told, is_told)


INSUFFICIENT = 'Bearer realm="fhir-dmp", error="insufficient_scope"'


@pytest.mark.parametrize(
    ("scope", "method", "target", "is_told"),
    [
        ("user/*.c", "GET", "DocumentReference/{open}", True),
        ("user/*.c", "GET", "DocumentReference/{masked}", True),
        ("user/*.c", "GET", "DocumentReference/absent", True),
        ("user/*.c", "GET", "DocumentReference?patient={patient}", True),
        ("user/*.rs", "PUT", "DocumentReference/{open}", True),
        ("user/*.rs", "DELETE", "DocumentReference/{open}", True),
        ("user/*.rs", "POST", "DocumentReference", True),
        ("user/Observation.cruds", "POST", "DocumentReference", True),
        ("user/*.cruds", "PUT", "DocumentReference/{open}", False),
        ("user/DocumentReference.c", "POST", "DocumentReference", False),
    ],
)
async def test_a_refusal_says_that_a_scope_is_missing_and_never_that_the_record_decides(
    record: Record, scope: str, method: str, target: str, is_told: bool
) -> None:
    """RFC 6750, 3.1. The feeding that the patient opposes, and another's document, are no matter of scopes."""
    await oppose_feeding(record)
    url = target.format(open=record.open, masked=record.masked, patient=record.patient)
    body = _made(record) | ({"id": record.open} if method == "PUT" else {})
    who = record.house.petit(scope=scope)
    answer = await send(record.house, who, method, url, None if method in {"GET", "DELETE"} else body)
    assert answer.status_code == 403, answer.text
    assert answer.headers.get("www-authenticate") == (INSUFFICIENT if is_told else None)


async def test_a_transaction_says_that_a_scope_is_missing(record: Record) -> None:
    who = record.house.petit(scope="user/Observation.cruds")
    made = bundle("transaction", "POST", "DocumentReference", _made(record))
    answer = await send(record.house, who, "POST", "", made)
    assert (answer.status_code, answer.headers.get("www-authenticate")) == (403, INSUFFICIENT)


@pytest.mark.parametrize("scope", ["patient/*.c", "patient/Observation.c", "patient/*.cruds"])
async def test_the_scope_that_is_missing_does_not_tell_whether_another_patient_is_here(
    record: Record, scope: str
) -> None:
    house = record.house
    other = await house.make_record()
    told = []
    for patient in (other.patient, "absent"):
        body = {**_made(record), "subject": reference(f"Patient/{patient}")}
        answer = await send(
            house, house.guarded.tokens.patient(record.patient, scope=scope), "POST", "DocumentReference", body
        )
        told.append((answer.status_code, answer.headers.get("www-authenticate"), answer.json()["issue"]))
    assert told[0] == told[1]
    assert told[0][:2] == (403, INSUFFICIENT if scope == "patient/Observation.c" else None)


@pytest.mark.parametrize("scope", ["user/*.c", "user/*.cs", "user/Observation.rs"])
async def test_a_token_that_may_not_read_does_not_learn_whether_a_binary_is_here(record: Record, scope: str) -> None:
    house, here = record.house, f"{record.patient}-content"
    await house.put({"resourceType": "Binary", "id": here, "contentType": "text/plain", "data": "YQ=="})
    content = [{"attachment": {"contentType": "text/plain", "url": f"Binary/{here}"}}]
    await house.put(document(f"{here}-document", record.patient, content=content))
    assert (await house.get(f"Binary/{here}", house.petit())).status_code == 200
    answers = [await house.get(f"Binary/{name}", house.petit(scope=scope)) for name in (here, "absent")]
    told = [(answer.status_code, answer.headers.get("www-authenticate")) for answer in answers]
    assert told[0] == told[1]


@pytest.mark.parametrize(("scope", "is_told"), [("user/*.u", False), ("user/*.ru", True), ("user/*.us", False)])
async def test_a_patch_gives_content_only_to_a_token_that_may_read(record: Record, scope: str, is_told: bool) -> None:
    house, named = record.house, f"{record.patient}-patched"
    await house.put(document(named, record.patient, "N", author="Practitioner/petit"))
    who = {**house.petit(scope=scope), "prefer": "return=representation"}
    parts = [("type", "valueCode", "replace"), ("path", "valueString", "DocumentReference.status")]
    rows = [{"name": name, key: value} for name, key, value in [*parts, ("value", "valueCode", "superseded")]]
    change = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": rows}]}
    for target in (f"DocumentReference/{named}", f"DocumentReference?_id={named}"):
        alone = await send(house, who, "PATCH", target, change)
        answer = await send(house, who, "POST", "", bundle("transaction", "PATCH", target, change))
        entry = answer.json()["entry"][0]
        assert (alone.status_code, bool(alone.content), alone.headers.get("etag") is not None) == (200, is_told, True)
        assert (entry["response"]["status"][:3], "resource" in entry) == ("200", is_told)
