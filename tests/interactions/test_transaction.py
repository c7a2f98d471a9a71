"""transaction and batch: https://hl7.org/fhir/R4/http.html#transaction. What the database holds is asked of itself."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import httpx
import pytest

from fhir_dmp.interactions import answer as answers
from fhir_dmp.interactions import batch
from tests.rest.server import BASE_URL, FHIR_JSON, Server

Json = Any

HEADERS = {"content-type": FHIR_JSON}
XHTML = "http://www.w3.org/1999/xhtml"


def _urn() -> str:
    return f"urn:uuid:{uuid.uuid4()}"


def _patient(value: str, **more: Json) -> Json:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:test", "value": value}], **more}


def _observation(value: str, **more: Json) -> Json:
    identifier = [{"system": "urn:test", "value": value}]
    return {"resourceType": "Observation", "identifier": identifier, "status": "final", "code": {"text": "x"}, **more}


def _entry(method: str, url: str, resource: Json = None, full_url: str = "", **request: str) -> Json:
    entry: Json = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        entry["resource"] = resource
    if full_url:
        entry["fullUrl"] = full_url
    return entry


def _patch(operations: Json) -> Json:
    data = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}


async def _post(client: httpx.AsyncClient, *entries: Json, kind: str = "transaction", **headers: str) -> httpx.Response:
    bundle = {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
    return await client.post("", json=bundle, headers={**HEADERS, **headers})


async def _done(client: httpx.AsyncClient, *entries: Json) -> list[Json]:
    """The entries of the response to a transaction that goes well."""
    response = await _post(client, *entries)
    assert response.status_code == 200, response.text
    answers: list[Json] = response.json()["entry"]
    return answers


async def _create(client: httpx.AsyncClient, resource: Json) -> str:
    response = await client.post(resource["resourceType"], json=resource, headers=HEADERS)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def _reference(answer: Json) -> str:
    """`Patient/1` out of an entry's location."""
    return str(answer["response"]["location"]).removeprefix(f"{BASE_URL}/").partition("/_history/")[0]


async def _read(client: httpx.AsyncClient, reference: str) -> Json:
    response = await client.get(reference)
    assert response.status_code == 200, response.text
    return response.json()


def _code(response: httpx.Response) -> str:
    return str(response.json()["issue"][0]["details"]["coding"][0]["code"])


def _place(response: httpx.Response) -> str:
    return str(response.json()["issue"][0]["expression"][0])


# --- references


def _pointing_everywhere(value: str, urn: str) -> Json:
    """A DocumentReference with a pointer in every kind of place; what must stay is named `kept`."""
    div = f'<div xmlns="{XHTML}"><a href="{urn}">a</a><img src="{urn}" alt="{urn}"/><p>{urn}</p></div>'
    return {
        "resourceType": "DocumentReference",
        "meta": {"source": urn, "profile": [urn]},
        "text": {"status": "generated", "div": div},
        "contained": [{"resourceType": "Patient", "id": "c", "generalPractitioner": [{"reference": urn}]}],
        "extension": [
            {"url": "urn:reference", "valueReference": {"reference": urn}},
            {"url": "urn:uri", "valueUri": urn},
            {"url": "urn:url", "valueUrl": urn},
            {"url": "urn:kept:canonical", "valueCanonical": urn},
            {"url": "urn:kept:string", "valueString": urn},
            {"url": "urn:kept:markdown", "valueMarkdown": urn},
        ],
        "identifier": [{"system": "urn:test", "value": value, "assigner": {"reference": urn}}, {"value": urn}],
        "status": "current",
        "_status": {"extension": [{"url": "urn:companion", "valueReference": {"reference": urn}}]},
        "subject": {"reference": urn, "display": urn, "identifier": {"system": urn, "value": urn}},
        "author": [{"reference": urn}, {"reference": "#c"}],
        "relatesTo": [{"code": "appends", "target": {"reference": f"{urn}#part"}}],
        "content": [{"attachment": {"url": urn, "title": urn}}],
    }


async def test_references_are_rewritten_wherever_they_stand_and_nothing_else_is(client: httpx.AsyncClient) -> None:
    value, urn = uuid.uuid4().hex, _urn()
    answers = await _done(
        client,
        _entry("POST", "DocumentReference", _pointing_everywhere(value, urn)),
        _entry("POST", "Patient", _patient(value), urn),
    )
    target = _reference(answers[1])
    stored = await _read(client, _reference(answers[0]))
    expected = _pointing_everywhere(value, urn)
    expected["meta"] |= {"source": target}
    expected["text"]["div"] = (
        f'<div xmlns="{XHTML}"><a href="{target}">a</a><img src="{target}" alt="{urn}"/><p>{urn}</p></div>'
    )
    expected["contained"][0]["generalPractitioner"][0]["reference"] = target
    expected["extension"][0]["valueReference"]["reference"] = target
    for place, key in ((1, "valueUri"), (2, "valueUrl")):
        expected["extension"][place][key] = target
    expected["identifier"][0]["assigner"]["reference"] = target
    expected["_status"]["extension"][0]["valueReference"]["reference"] = target
    expected["subject"]["reference"] = target
    expected["subject"]["identifier"]["system"] = target
    expected["author"][0]["reference"] = target
    expected["relatesTo"][0]["target"]["reference"] = f"{target}#part"
    expected["content"][0]["attachment"]["url"] = target
    meta, expected_meta = stored.pop("meta"), expected.pop("meta")
    assert {key: stored[key] for key in expected} == expected
    assert {key: meta[key] for key in expected_meta} == expected_meta


async def test_an_oid_and_a_uuid_are_rewritten_although_no_type_of_theirs_allows_a_reference(server: Server) -> None:
    """The specification's own rule, against its own formats: asked of the database, since nobody could parse it."""
    value, urn = uuid.uuid4().hex, _urn()
    extension = [{"url": "urn:uuid", "valueUuid": urn}]
    answers = await _done(
        server.client,
        _entry("POST", "Patient", _patient(value, extension=extension)),
        _entry("POST", "Patient", _patient(value), urn),
    )
    stored = server.database["resource"].find_one_and_delete({"_id": _reference(answers[0])})
    assert stored is not None
    assert json.loads(stored["b"])["extension"][0]["valueUuid"] == _reference(answers[1])


async def test_resources_may_refer_to_each_other_and_to_themselves(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    urns = [_urn() for _ in range(3)]
    rows = [
        _entry("POST", "Observation", _observation(value, hasMember=[{"reference": urn} for urn in urns]), own)
        for own in urns
    ]
    references = [_reference(answer) for answer in await _done(client, *rows)]
    for reference in references:
        stored = await _read(client, reference)
        assert [row["reference"] for row in stored["hasMember"]] == references


async def test_a_reference_to_an_updated_entry_leads_to_its_own_id(client: httpx.AsyncClient) -> None:
    value, urn = uuid.uuid4().hex, _urn()
    answers = await _done(
        client,
        _entry("PUT", f"Patient/{value}", _patient(value, id=value), urn),
        _entry("POST", "Observation", _observation(value, subject={"reference": urn})),
    )
    assert (await _read(client, _reference(answers[1])))["subject"]["reference"] == f"Patient/{value}"


async def test_a_reference_to_a_conditional_create_leads_to_what_is_there_already(client: httpx.AsyncClient) -> None:
    value, urn = uuid.uuid4().hex, _urn()
    there = await _create(client, _patient(value))
    answers = await _done(
        client,
        _entry("POST", "Patient", _patient(value), urn, ifNoneExist=f"identifier={value}"),
        _entry("POST", "Observation", _observation(value, subject={"reference": urn})),
    )
    assert answers[0]["response"]["status"] == "200 OK"
    assert (await _read(client, _reference(answers[1])))["subject"]["reference"] == f"Patient/{there}"


async def test_a_reference_to_a_conditional_update_leads_to_its_match(client: httpx.AsyncClient) -> None:
    value, urn = uuid.uuid4().hex, _urn()
    there = await _create(client, _patient(value))
    answers = await _done(
        client,
        _entry("PUT", f"Patient?identifier={value}", _patient(value), urn),
        _entry("POST", "Observation", _observation(value, subject={"reference": urn})),
    )
    assert (await _read(client, _reference(answers[1])))["subject"]["reference"] == f"Patient/{there}"


async def test_a_restful_full_url_is_followed_from_absolute_and_relative_references(client: httpx.AsyncClient) -> None:
    value, root = uuid.uuid4().hex, "https://elsewhere.example/a/fhir"
    answers = await _done(
        client,
        _entry("POST", "Patient", _patient(value), f"{root}/Patient/7"),
        _entry(
            "POST",
            "Observation",
            _observation(value, subject={"reference": "Patient/7"}, performer=[{"reference": f"{root}/Patient/7"}]),
            f"{root}/Observation/8",
        ),
    )
    stored, target = await _read(client, _reference(answers[1])), _reference(answers[0])
    assert [stored["subject"]["reference"], stored["performer"][0]["reference"]] == [target, target]


async def test_a_reference_to_nothing_in_the_bundle_is_left_as_it_is(client: httpx.AsyncClient) -> None:
    value, urn = uuid.uuid4().hex, _urn()
    kept = [
        urn,
        "Patient/elsewhere",
        "https://elsewhere.example/Patient/1",
        "Patient/1/_history/2",
        f"{urn}/_history/1",
    ]
    members = [{"reference": text} for text in kept]
    (answer,) = await _done(client, _entry("POST", "Observation", _observation(value, focus=members)))
    assert [row["reference"] for row in (await _read(client, _reference(answer)))["focus"]] == kept


@pytest.mark.parametrize("is_there", [False, True], ids=["created", "updated"])
async def test_a_versioned_reference_becomes_one_to_the_version_that_is_made(
    client: httpx.AsyncClient, *, is_there: bool
) -> None:
    value, root = uuid.uuid4().hex, "https://elsewhere.example/fhir"
    if is_there:
        await _done(client, _entry("PUT", f"Patient/{value}", _patient(value, id=value)))
    answers = await _done(
        client,
        _entry("PUT", f"Patient/{value}", _patient(value, id=value, gender="male"), f"{root}/Patient/{value}"),
        _entry(
            "POST",
            "Observation",
            _observation(value, subject={"reference": f"{root}/Patient/{value}/_history/77"}),
            f"{root}/Observation/1",
        ),
    )
    reference = (await _read(client, _reference(answers[1])))["subject"]["reference"]
    assert reference == f"Patient/{value}/_history/{2 if is_there else 1}"
    assert (await _read(client, reference))["gender"] == "male"


async def test_a_versioned_reference_to_a_conditional_create_keeps_the_version_that_is_there(
    client: httpx.AsyncClient,
) -> None:
    value, urn = uuid.uuid4().hex, _urn()
    await _done(client, _entry("PUT", f"Patient/{value}", _patient(value, id=value)))
    await _done(client, _entry("PUT", f"Patient/{value}", _patient(value, id=value)))
    answers = await _done(
        client,
        _entry("POST", "Patient", _patient(value), urn, ifNoneExist=f"identifier={value}"),
        _entry("POST", "Observation", _observation(value, subject={"reference": f"{urn}/_history/1"})),
    )
    assert (await _read(client, _reference(answers[1])))["subject"]["reference"] == f"Patient/{value}/_history/2"


# --- conditional references


async def test_a_conditional_reference_finds_what_the_same_bundle_creates(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    answers = await _done(
        client,
        _entry(
            "POST", "Observation", _observation(value, subject={"reference": f"Patient?identifier=urn:test|{value}"})
        ),
        _entry("POST", "Patient", _patient(value)),
    )
    assert (await _read(client, _reference(answers[0])))["subject"]["reference"] == _reference(answers[1])


async def test_a_conditional_reference_sees_stored_resources_as_the_bundle_leaves_them(
    client: httpx.AsyncClient,
) -> None:
    value, other = uuid.uuid4().hex, uuid.uuid4().hex
    one, two = await _create(client, _patient(value)), await _create(client, _patient(other))
    answers = await _done(
        client,
        _entry("PUT", f"Patient/{one}", _patient(other + "-renamed", id=one)),
        _entry("PUT", f"Patient/{two}", _patient(value, id=two)),
        _entry("POST", "Observation", _observation(value, subject={"reference": f"Patient?identifier={value}"})),
    )
    assert (await _read(client, _reference(answers[2])))["subject"]["reference"] == f"Patient/{two}"


async def test_a_conditional_reference_finds_what_the_bundle_patches(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    there = await _create(client, _patient(value))
    answers = await _done(
        client,
        _entry("PATCH", f"Patient/{there}", _patch([{"op": "add", "path": "/gender", "value": "male"}])),
        _entry(
            "POST", "Observation", _observation(value, subject={"reference": f"Patient?identifier={value}&gender=male"})
        ),
    )
    assert (await _read(client, _reference(answers[1])))["subject"]["reference"] == f"Patient/{there}"


async def test_a_conditional_reference_does_not_find_what_the_bundle_deletes(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    there = await _create(client, _patient(value))
    response = await _post(
        client,
        _entry("DELETE", f"Patient/{there}"),
        _entry("POST", "Observation", _observation(value, subject={"reference": f"Patient?identifier={value}"})),
    )
    assert (response.status_code, _code(response)) == (412, "reference-conditional")
    assert (await client.get(f"Patient/{there}")).status_code == 200


@pytest.mark.parametrize(
    ("stored", "posted", "status"),
    [(0, 0, 412), (1, 0, 200), (0, 1, 200), (2, 0, 412), (1, 1, 412), (0, 2, 412)],
)
async def test_a_conditional_reference_needs_exactly_one_match(
    server: Server, stored: int, posted: int, status: int
) -> None:
    value, client = uuid.uuid4().hex, server.client
    for _ in range(stored):
        await _create(client, _patient(value))
    before = server.count()
    rows = [_entry("POST", "Patient", _patient(value)) for _ in range(posted)]
    pointing = _observation(value, subject={"reference": f"Patient?identifier={value}"})
    response = await _post(client, *rows, _entry("POST", "Observation", pointing))
    assert response.status_code == status, response.text
    if status == 412:
        assert (_code(response), _place(response)) == ("reference-conditional", f"Bundle.entry[{posted}]")
        assert server.count() == before


@pytest.mark.parametrize(
    ("reference", "status", "code"),
    [
        ("Patient?unheard=of", 400, "parameter-unknown"),
        ("Patient?identifier=x&_sort=family", 400, "criteria-result-parameter"),
        ("Patient?identifier=", 412, "criteria-missing"),
        ("Patient?identifier=,", 412, "criteria-missing"),
        ("Patient?birthdate=yesterday", 400, "parameter-value"),
        ("Patient?identifier=%FF", 400, "parameter-encoding"),
        ("Patient?family:unheard=x", 400, "parameter-modifier"),
        ("Unheard?identifier=x", 400, "reference-format"),
        ("Account?identifier=x", 404, "type-unknown"),
    ],
)
async def test_criteria_of_a_conditional_reference_are_never_ignored(
    server: Server, reference: str, status: int, code: str
) -> None:
    before = server.count()
    response = await _post(
        server.client,
        _entry("POST", "Patient", _patient(uuid.uuid4().hex)),
        _entry("POST", "Observation", _observation("x", focus=[{"reference": reference}])),
    )
    assert (response.status_code, _code(response)) == (status, code), response.text
    assert _place(response).startswith("Bundle.entry[1]")
    assert server.count() == before


async def test_one_conditional_reference_said_often_is_resolved_everywhere(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    there = await _create(client, _patient(value))
    pointing = {"reference": f"Patient?identifier={value}"}
    rows = [_entry("POST", "Observation", _observation(value, subject=pointing, focus=[pointing])) for _ in range(5)]
    for answer in await _done(client, *rows):
        stored = await _read(client, _reference(answer))
        assert [stored["subject"]["reference"], stored["focus"][0]["reference"]] == [f"Patient/{there}"] * 2


# --- which entries may stand together


@pytest.mark.parametrize("pair", ["PUT PUT", "PUT DELETE", "PUT PATCH", "DELETE PATCH", "DELETE DELETE", "PATCH PATCH"])
async def test_two_entries_about_one_resource_are_refused(server: Server, pair: str) -> None:
    value = uuid.uuid4().hex
    there = await _create(server.client, _patient(value))
    bodies = {
        "PUT": _patient(value, id=there),
        "PATCH": _patch([{"op": "add", "path": "/gender", "value": "male"}]),
        "DELETE": None,
    }
    one, two = pair.split()
    for urls in ((f"Patient/{there}", f"Patient/{there}"), (f"Patient/{there}", f"Patient?identifier={value}")):
        rows = [_entry(one, urls[0], bodies[one]), _entry(two, urls[1], bodies[two])]
        for order in (rows, rows[::-1]):
            response = await _post(server.client, *order)
            assert (response.status_code, _code(response)) == (400, "transaction-duplicate")
    assert (await _read(server.client, f"Patient/{there}"))["meta"]["versionId"] == "1"


async def test_two_entries_that_would_create_by_the_same_criteria_are_refused(server: Server) -> None:
    value, before = uuid.uuid4().hex, server.count()
    criteria = f"identifier={value}"
    created = _entry("POST", "Patient", _patient(value), ifNoneExist=criteria)
    updated = _entry("PUT", f"Patient?{criteria}", _patient(value))
    for rows in ((created, created), (updated, updated), (created, updated)):
        response = await _post(server.client, *rows)
        assert (response.status_code, _code(response)) == (400, "transaction-duplicate")
    assert server.count() == before


async def test_two_entries_may_find_the_same_resource_that_is_there(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    there = await _create(client, _patient(value))
    row = _entry("POST", "Patient", _patient(value), ifNoneExist=f"identifier={value}")
    answers = await _done(client, row, row)
    assert [_reference(answer) for answer in answers] == [f"Patient/{there}"] * 2


async def test_a_conditional_create_cannot_find_what_the_same_bundle_deletes(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    there = await _create(client, _patient(value))
    response = await _post(
        client,
        _entry("POST", "Patient", _patient(value), ifNoneExist=f"identifier={value}"),
        _entry("DELETE", f"Patient/{there}"),
    )
    assert (response.status_code, _code(response)) == (400, "transaction-duplicate")


async def test_two_entries_of_one_full_url_are_refused(server: Server) -> None:
    value, urn, before = uuid.uuid4().hex, _urn(), server.count()
    rows = [_entry("POST", "Patient", _patient(value), urn) for _ in range(2)]
    response = await _post(server.client, *rows)
    assert (response.status_code, _code(response)) == (400, "transaction-duplicate")
    assert server.count() == before


# --- order and isolation


@pytest.mark.parametrize("reverse", [False, True], ids=["as-told", "reversed"])
async def test_the_outcome_does_not_depend_on_the_order_of_entries(client: httpx.AsyncClient, *, reverse: bool) -> None:
    value, urn = uuid.uuid4().hex, _urn()
    gone, changed = await _create(client, _patient(value)), await _create(client, _patient(value, gender="female"))
    rows = [
        _entry("DELETE", f"Patient/{gone}"),
        _entry("POST", "Patient", _patient(value), urn),
        _entry(
            "PUT",
            f"Patient/{value}",
            _patient(value, id=value, link=[{"other": {"reference": urn}, "type": "seealso"}]),
        ),
        _entry("PATCH", f"Patient/{changed}", _patch([{"op": "replace", "path": "/gender", "value": "unknown"}])),
        _entry("GET", f"Patient?identifier={value}"),
    ]
    if reverse:
        rows.reverse()
    answers = await _done(client, *rows)
    if reverse:
        answers.reverse()
    assert [row["response"]["status"][:3] for row in answers] == ["204", "201", "201", "200", "200"]
    assert answers[4]["resource"]["total"] == 3
    assert (await client.get(f"Patient/{gone}")).status_code == 410
    assert (await _read(client, f"Patient/{changed}"))["gender"] == "unknown"
    assert (await _read(client, f"Patient/{value}"))["link"][0]["other"]["reference"] == _reference(answers[1])


async def test_reads_see_the_writes_of_their_transaction(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    gone = await _create(client, _patient(value + "-gone"))
    answers = await _done(
        client,
        _entry("GET", f"Patient/{value}"),
        _entry("GET", f"Patient/{value}/_history/1"),
        _entry("GET", f"Patient/{value}/_history"),
        _entry("GET", f"Patient?identifier={value}&_sort=birthdate"),
        _entry("GET", f"Patient?identifier={value}-gone"),
        _entry("GET", f"Patient/{gone}/_history"),
        _entry("PUT", f"Patient/{value}", _patient(value, id=value)),
        _entry("DELETE", f"Patient/{gone}"),
    )
    assert answers[0]["resource"]["id"] == value
    assert answers[1]["resource"]["id"] == value
    assert answers[2]["resource"]["total"] == 1
    assert answers[3]["resource"]["entry"][0]["resource"]["id"] == value
    assert answers[4]["resource"]["total"] == 0
    assert [row["request"]["method"] for row in answers[5]["resource"]["entry"]] == ["DELETE", "POST"]


async def test_a_read_that_fails_fails_the_transaction_and_its_writes(server: Server) -> None:
    before = server.count()
    response = await _post(
        server.client, _entry("POST", "Patient", _patient("x")), _entry("GET", f"Patient/{uuid.uuid4().hex}")
    )
    assert (response.status_code, _code(response), _place(response)) == (404, "resource-absent", "Bundle.entry[1]")
    assert server.count() == before


@pytest.mark.parametrize(
    "url", ["metadata", "Patient/_search", "Patient/1/$everything", "", "_history/1", "Patient/1/2/3/4"]
)
async def test_what_is_no_read_of_a_resource_has_no_place_in_a_transaction(server: Server, url: str) -> None:
    method = "POST" if url.endswith("_search") else "DELETE" if not url else "GET"
    response = await _post(server.client, _entry(method, url, _patient("x") if method == "POST" else None))
    assert response.status_code in {400, 404, 405}


# --- all or nothing

FAILING: list[tuple[str, Json, int, str]] = [
    (
        "a resource of no structure",
        _entry("POST", "Patient", _patient("x", birthDate="yesterday")),
        400,
        "primitive-format",
    ),
    ("another type than its URL", _entry("POST", "Patient", _observation("x")), 400, "resource-type"),
    ("an update without id", _entry("PUT", "Patient/a", _patient("x")), 400, "id-mismatch"),
    ("an update of another id", _entry("PUT", "Patient/a", _patient("x", id="b")), 400, "id-mismatch"),
    ("an id that is none", _entry("PUT", "Patient/a_b", _patient("x", id="a_b")), 400, "id-malformed"),
    ("a patch of what is absent", _entry("PATCH", "Patient/absent", _patch([])), 404, "resource-absent"),
    (
        "a conditional patch of nothing",
        _entry("PATCH", "Patient?identifier=absent", _patch([])),
        404,
        "resource-absent",
    ),
    (
        "a patch that is none",
        _entry("PATCH", "Patient/a", {"resourceType": "Binary", "contentType": "x/y", "data": "AA=="}),
        415,
        "media-type",
    ),
    (
        "a patch that is not base64",
        _entry("PATCH", "Patient/a", {"resourceType": "Binary", "contentType": "x/y", "data": "é"}),
        400,
        "",
    ),
    ("a patch in no Binary", _entry("PATCH", "Patient/a", _patient("x")), 400, "entry-patch"),
    (
        "a stale update",
        _entry("PUT", "Patient/absent", _patient("x", id="absent"), ifMatch='W/"1"'),
        412,
        "version-mismatch",
    ),
    ("a stale delete", _entry("DELETE", "Patient/absent", ifMatch='W/"1"'), 412, "version-mismatch"),
    ("criteria that are unknown", _entry("DELETE", "Patient?unheard=of"), 400, "parameter-unknown"),
    ("a parameter of a create", _entry("POST", "Patient?unheard=of", _patient("x")), 400, "parameter-unknown"),
    ("a parameter of a delete", _entry("DELETE", "Patient/a?unheard=of"), 400, "parameter-unknown"),
    ("criteria that are none", _entry("DELETE", "Patient"), 412, "criteria-missing"),
    ("criteria without value", _entry("DELETE", "Patient?identifier=,"), 412, "criteria-missing"),
    (
        "ifNoneExist without criteria",
        _entry("POST", "Patient", _patient("x"), ifNoneExist="?"),
        412,
        "criteria-missing",
    ),
    ("a type that is not exposed", _entry("DELETE", "Account/1"), 404, "type-unknown"),
    ("an interaction that is not exposed", _entry("DELETE", "AuditEvent/1"), 405, "interaction-unsupported"),
    ("a URL of no form", _entry("POST", "Patient/1", _patient("x")), 400, "entry-interaction"),
    ("a URL of another server", _entry("POST", "http://x.y/List", _patient("x")), 400, "entry-url"),
    ("a URL of another base", _entry("POST", "http://x.y/fhir/Patient", _patient("x")), 400, "entry-url"),
    ("a URL that only begins as the base does", _entry("POST", f"{BASE_URL}Patient", _patient("x")), 400, "entry-url"),
    ("a URN for a URL", _entry("POST", _urn(), _patient("x")), 400, "entry-url"),
    ("a resource that is no object", _entry("POST", "Patient", "Patient"), 400, ""),
    ("a resource that is an array", _entry("POST", "Patient", [_patient("x")]), 400, ""),
    (
        "what is SUBSETTED",
        _entry(
            "POST",
            "Patient",
            _patient(
                "x",
                meta={
                    "tag": [
                        {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
                    ]
                },
            ),
        ),
        422,
        "resource-subsetted",
    ),
    ("a broken escape", _entry("DELETE", "Patient?identifier=%zz"), 400, "parameter-encoding"),
]


@pytest.mark.parametrize(("entry", "status", "code"), [row[1:] for row in FAILING], ids=[row[0] for row in FAILING])
async def test_an_entry_that_fails_leaves_nothing_of_the_transaction(
    server: Server, entry: Json, status: int, code: str
) -> None:
    value = uuid.uuid4().hex
    there = await _create(server.client, _patient(value))
    before = {name: server.count(name) for name in ("resource", "history")}
    good = [
        _entry("POST", "Patient", _patient(value)),
        _entry("PUT", f"Patient/{there}", _patient(value, id=there, gender="male")),
        _entry("PUT", f"Patient/{value}", _patient(value, id=value)),
    ]
    response = await _post(server.client, *good, entry)
    assert response.status_code == status, response.text
    assert not code or _code(response) == code
    assert _place(response).startswith("Bundle.entry[3]")
    assert {name: server.count(name) for name in ("resource", "history")} == before
    assert (await _read(server.client, f"Patient/{there}"))["meta"]["versionId"] == "1"


@pytest.mark.parametrize(("entry", "status", "code"), [row[1:] for row in FAILING], ids=[row[0] for row in FAILING])
async def test_an_entry_that_fails_leaves_a_batch_to_the_others(
    server: Server, entry: Json, status: int, code: str
) -> None:
    value = uuid.uuid4().hex
    response = await _post(server.client, _entry("POST", "Patient", _patient(value)), entry, kind="batch")
    if response.status_code == 400:  # what is no Bundle at all
        assert not isinstance(entry["resource"], dict)
        return
    bad = response.json()["entry"][1]["response"]
    if entry["request"]["url"] == "Patient/1":  # of HTTP's own form: no method of this URL
        status, code = 405, "method-not-allowed"
    assert bad["status"].startswith(str(status)), bad
    assert not code or bad["outcome"]["issue"][0]["details"]["coding"][0]["code"] == code
    assert server.count(_id=_reference(response.json()["entry"][0])) == 1


# --- entries' own conditions


async def test_if_match_holds_for_put_patch_and_delete(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    ids = [await _create(client, _patient(f"{value}-{n}")) for n in range(3)]
    rows = [
        _entry("PUT", f"Patient/{ids[0]}", _patient(value, id=ids[0]), ifMatch='W/"1"'),
        _entry(
            "PATCH", f"Patient/{ids[1]}", _patch([{"op": "add", "path": "/gender", "value": "male"}]), ifMatch='W/"1"'
        ),
        _entry("DELETE", f"Patient/{ids[2]}", ifMatch='W/"1"'),
    ]
    answers = await _done(client, *rows)
    assert [row["response"]["etag"] for row in answers] == ['W/"2"'] * 3
    for index, row in enumerate(rows):
        response = await _post(client, row)
        assert (response.status_code, _place(response)) == (412, "Bundle.entry[0]"), index


async def test_if_none_match_star_lets_a_put_create_only(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    row = _entry("PUT", f"Patient/{value}", _patient(value, id=value), ifNoneMatch="*")
    assert (await _done(client, row))[0]["response"]["status"] == "201 Created"
    response = await _post(client, row)
    assert (response.status_code, _code(response)) == (412, "resource-exists")


async def test_a_conditional_delete_of_nothing_is_no_failure(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    answers = await _done(
        client,
        _entry("DELETE", f"Patient?identifier={value}"),
        _entry("DELETE", f"Patient/{value}"),
        _entry("POST", "Patient", _patient(value)),
    )
    assert [row["response"]["status"][:3] for row in answers] == ["204", "204", "201"]


async def test_a_patch_resolves_the_references_that_it_brings(client: httpx.AsyncClient) -> None:
    value, urn = uuid.uuid4().hex, _urn()
    there = await _create(client, _observation(value, focus=[{"reference": "Patient/kept"}]))
    operations = [
        {"op": "add", "path": "/subject", "value": {"reference": urn}},
        {"op": "add", "path": "/performer", "value": [{"reference": f"Patient?identifier={value}"}]},
    ]
    answers = await _done(
        client,
        _entry("PATCH", f"Observation?identifier={value}", _patch(operations)),
        _entry("POST", "Patient", _patient(value), urn),
    )
    stored, target = await _read(client, f"Observation/{there}"), _reference(answers[1])
    assert stored["subject"]["reference"] == stored["performer"][0]["reference"] == target
    assert stored["focus"][0]["reference"] == "Patient/kept"


async def test_a_patch_leaves_references_alone_that_were_there_before(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    await _done(client, _entry("PUT", f"Patient/{value}", _patient(value, id=value)))
    there = await _create(client, _observation(value, subject={"reference": f"Patient/{value}/_history/1"}))
    await _done(
        client,
        _entry("PUT", f"Patient/{value}", _patient(value, id=value), f"{BASE_URL}/Patient/{value}"),
        _entry(
            "PATCH",
            f"Observation/{there}",
            _patch([{"op": "replace", "path": "/status", "value": "amended"}]),
            f"{BASE_URL}/Observation/{there}",
        ),
    )
    assert (await _read(client, f"Observation/{there}"))["subject"]["reference"] == f"Patient/{value}/_history/1"


async def test_a_patch_that_does_not_apply_says_in_which_entry(client: httpx.AsyncClient) -> None:
    there = await _create(client, _patient(uuid.uuid4().hex))
    response = await _post(client, _entry("PATCH", f"Patient/{there}", _patch([{"op": "remove", "path": "/gender"}])))
    assert (response.status_code, _code(response)) == (422, "patch-not-applicable")
    assert _place(response) == "Bundle.entry[0]"


async def test_an_entry_may_name_this_server_in_its_url(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    answers = await _done(
        client,
        _entry("PUT", f"{BASE_URL}/Patient/{value}", _patient(value, id=value)),
        _entry("GET", f"/Patient/{value}"),
    )
    assert [row["response"]["status"][:3] for row in answers] == ["201", "200"]


async def test_revived_resources_go_on_counting(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    row = _entry("PUT", f"Patient/{value}", _patient(value, id=value))
    await _done(client, row)
    assert (await _done(client, _entry("DELETE", f"Patient/{value}")))[0]["response"]["etag"] == 'W/"2"'
    (answer,) = await _done(client, row)
    assert (answer["response"]["status"], answer["response"]["etag"]) == ("201 Created", 'W/"3"')


# --- size


async def test_a_thousand_entries_that_refer_to_each_other_pass(server: Server) -> None:
    value = uuid.uuid4().hex
    urns = [_urn() for _ in range(1000)]
    before = server.count()
    rows = [_entry("POST", "Patient", _patient(value), urns[0])]
    rows += [
        _entry(
            "POST",
            "Observation",
            _observation(f"{value}-{n}", subject={"reference": urns[0]}, hasMember=[{"reference": urns[n % 999 + 1]}]),
            urns[n],
        )
        for n in range(1, 1000)
    ]
    answers = await _done(server.client, *rows)
    assert len(answers) == 1000
    assert server.count() == before + 1000
    last = await _read(server.client, _reference(answers[999]))
    assert [last["subject"]["reference"], last["hasMember"][0]["reference"]] == [
        _reference(answers[0]),
        _reference(answers[1]),
    ]


async def test_one_bad_entry_of_a_thousand_leaves_nothing(server: Server) -> None:
    value, before = uuid.uuid4().hex, server.count()
    rows = [_entry("POST", "Observation", _observation(value, subject={"reference": "Patient/1"})) for _ in range(999)]
    rows.append(
        _entry("POST", "Observation", _observation(value, subject={"reference": f"Patient?identifier={value}"}))
    )
    response = await _post(server.client, *rows)
    assert (response.status_code, _place(response)) == (412, "Bundle.entry[999]")
    assert server.count() == before


async def test_more_entries_than_the_limit_are_too_many(server: Server) -> None:
    rows = [_entry("GET", "Patient/1")] * 10_001
    for kind in ("batch", "transaction"):
        response = await _post(server.client, *rows, kind=kind)
        assert (response.status_code, _code(response)) == (413, "bundle-too-large")


async def test_a_bundle_answers_with_so_much_and_says_what_it_left_out(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MAX_ANSWER", 20_000)
    monkeypatch.setattr(batch, "CONCURRENT", 1)
    value, patched = str(uuid.uuid4()), str(uuid.uuid4())
    await _done(server.client, _entry("POST", "Patient", _patient(value, name=[{"text": "x" * 9000}])))
    await _done(server.client, _entry("POST", "Patient", _patient(patched)))
    search = f"Patient?identifier={value}"
    rows = [_entry("HEAD", search), *[_entry("GET", search)] * 5, _entry("GET", "Patient/none")]
    rows.append(
        _entry("PATCH", f"Patient?identifier={patched}", _patch([{"op": "add", "path": "/active", "value": True}]))
    )
    response = await _post(server.client, *rows, kind="batch", prefer="return=representation")
    statuses = [row["response"]["status"][:3] for row in response.json()["entry"]]
    assert statuses == ["422", "200", "200", "200", "422", "422", "422", "200"]
    told = response.json()["entry"][4]["response"]["outcome"]["issue"][0]
    assert (told["details"]["coding"][0]["code"], told["expression"]) == ("answer-too-large", ["Bundle.entry[4]"])
    large = [{"op": "add", "path": "/name", "value": [{"text": "y" * 30_000}]}]
    rows = [_entry("PATCH", f"Patient?identifier={name}", _patch(large)) for name in (value, patched)]
    response = await _post(server.client, *rows, kind="batch", prefer="return=representation")
    assert [row["response"]["status"][:3] for row in response.json()["entry"]] == ["200", "200"]
    assert ["resource" in row for row in response.json()["entry"]] == [True, False]
    for name in (value, patched):
        found = await server.client.get(f"Patient?identifier={name}")
        assert len(found.json()["entry"][0]["resource"]["name"][0]["text"]) == 30_000
    before = server.count()
    response = await _post(server.client, _entry("POST", "Patient", _patient(value)), *[_entry("GET", search)] * 2)
    assert (response.status_code, _code(response)) == (422, "answer-too-large")
    assert (_place(response), server.count()) == ("Bundle.entry[2]", before)


# --- batch


async def test_a_batch_does_not_resolve_references_among_its_entries(client: httpx.AsyncClient) -> None:
    value, urn = uuid.uuid4().hex, _urn()
    response = await _post(
        client,
        _entry("POST", "Patient", _patient(value), urn),
        _entry("POST", "Observation", _observation(value, subject={"reference": urn})),
        kind="batch",
    )
    answers = response.json()["entry"]
    assert [row["response"]["status"] for row in answers] == ["201 Created", "201 Created"]
    assert (await _read(client, _reference(answers[1])))["subject"]["reference"] == urn


async def test_a_batch_takes_every_interaction(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    there, gone = await _create(client, _patient(value)), await _create(client, _patient(value + "-gone"))
    response = await _post(
        client,
        _entry("GET", f"Patient/{there}/_history/1"),
        _entry("GET", f"Patient?identifier={value}"),
        _entry("GET", "Patient/_history?_count=1"),
        _entry("HEAD", f"Patient/{there}"),
        _entry("PUT", f"Patient?identifier={value}-new", _patient(value + "-new")),
        _entry("PATCH", f"Patient/{there}", _patch([{"op": "add", "path": "/gender", "value": "male"}])),
        _entry("POST", "Patient", _patient(value), ifNoneExist=f"identifier={value}"),
        _entry("DELETE", f"Patient/{gone}"),
        _entry("DELETE", f"Patient?identifier={value}-none"),
        kind="batch",
    )
    statuses = [row["response"]["status"][:3] for row in response.json()["entry"]]
    assert statuses == ["200", "200", "200", "200", "201", "200", "200", "204", "204"]
    assert "resource" not in response.json()["entry"][3]
    assert response.json()["entry"][1]["resource"]["entry"][0]["resource"]["gender"] == "male"


async def test_a_batch_holds_no_batch(client: httpx.AsyncClient) -> None:
    inner = {"resourceType": "Bundle", "type": "batch", "entry": [_entry("GET", "Patient/1")]}
    response = await _post(client, _entry("POST", BASE_URL, inner), kind="batch")
    assert response.json()["entry"][0]["response"]["status"].startswith("405")
