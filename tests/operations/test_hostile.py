"""Whatever an operation is sent, it answers, and soon: none of these may be a 5xx (tests/rest/server.py checks it)."""

from __future__ import annotations

import json
from time import perf_counter
from typing import Any

import httpx
import pytest

from tests.rest.server import FHIR_JSON

Json = Any

SMALL = {"resourceType": "Patient", "name": [{"given": ["a"] * 50}]}
LARGE = {"resourceType": "Patient", "contact": [{"name": {"given": ["x", "y"]}, "gender": "male"}] * 3_000}
NUMBERS = "|".join(map(str, range(40)))
REFUSED = {
    "a million characters": ("a" * 1_000_000, SMALL, "parameter-value"),
    "deep parentheses": ("(" * 5_000, SMALL, "fhirpath-invalid"),
    "deep calls": ("iif(true," * 1_000, SMALL, "fhirpath-invalid"),
    "a product of descendants": ("descendants().select(%resource.descendants()).count()", LARGE, "fhirpath-invalid"),
    "a power of descendants": (
        "descendants()" + ".select(%resource.descendants())" * 8, SMALL, "fhirpath-invalid",
    ),
    "a text that doubles": (f"({NUMBERS}).aggregate($total & $total, 'aaaa')", SMALL, "fhirpath-invalid"),
    "a text that grows tenfold": (
        f"({NUMBERS}).aggregate($total.replace('a', 'aaaaaaaaaa'), 'a')", SMALL, "fhirpath-invalid",
    ),
    "a list that doubles": (
        f"({NUMBERS}).aggregate($total.combine($total), 1 | 2).count()", SMALL, "fhirpath-invalid",
    ),
    "no end": ("1.repeat($this + 1)", SMALL, "fhirpath-invalid"),
    "too many items": ("descendants()", LARGE, "fhirpath-too-costly"),
    "a large resource again and again": ("contact.select(%resource)", LARGE, "fhirpath-too-costly"),
    "a profile for every item": (
        "contact.where(conformsTo('http://hl7.org/fhir/StructureDefinition/Patient'))", LARGE, "fhirpath-invalid",
    ),
}  # fmt: skip
ANSWERED = {
    "a catastrophic pattern": ("'" + "a" * 60 + "!'.matches('(a+)+$')", False),
    "a long path": ("name" + ".given" * 1_600, None),
    "a long sum": ("1" + "+1" * 4_900, 4_901),
    "a huge number": ("1000000000 * 1000000000 * 1000000000", None),
    "a division by zero": ("1 / 0", None),
}


async def _ask(client: httpx.AsyncClient, *rows: Json) -> httpx.Response:
    body = json.dumps({"resourceType": "Parameters", "parameter": list(rows)})
    return await client.post("$fhirpath", content=body, headers={"content-type": FHIR_JSON})


def _expression(text: str) -> Json:
    return {"name": "expression", "valueString": text}


def _resource(resource: Json) -> Json:
    return {"name": "resource", "resource": resource}


@pytest.mark.parametrize(("expression", "resource", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_an_expression_that_asks_for_too_much_is_refused(
    expression: str, resource: Json, code: str, client: httpx.AsyncClient
) -> None:
    response = await _ask(client, _expression(expression), _resource(resource))
    assert response.status_code in {400, 422}
    assert response.json()["issue"][0]["details"]["coding"][0]["code"] == code, response.text
    assert len(response.content) < 5_000


@pytest.mark.parametrize(("expression", "value"), ANSWERED.values(), ids=ANSWERED.keys())
async def test_an_expression_that_only_looks_costly_is_answered(
    expression: str, value: Json, client: httpx.AsyncClient
) -> None:
    response = await _ask(client, _expression(expression), _resource(SMALL))
    parts = response.json()["parameter"][1].get("part", [])
    found = [value for part in parts for key, value in part.items() if key.startswith("value")]
    assert found == ([] if value is None else [value])


async def test_contexts_and_variables_are_bounded(client: httpx.AsyncClient) -> None:
    contexts = {"name": "context", "valueString": "contact"}
    response = await _ask(client, _expression("1"), contexts, _resource(LARGE))
    assert response.json()["issue"][0]["details"]["coding"][0]["code"] == "fhirpath-too-costly"
    variables = {"name": "variables", "part": [{"name": f"v{index}", "valueInteger": 1} for index in range(1_001)]}
    response = await _ask(client, _expression("1"), variables, _resource(SMALL))
    assert response.json()["issue"][0]["details"]["coding"][0]["code"] == "fhirpath-too-costly"


async def test_a_resource_that_is_nested_to_the_limit_is_evaluated(client: httpx.AsyncClient) -> None:
    extension: Json = {"url": "urn:x", "valueString": "deepest"}
    for _ in range(40):
        extension = {"url": "urn:x", "extension": [extension]}
    resource = {"resourceType": "Patient", "extension": [extension]}
    response = await _ask(client, _expression("repeat(extension).value"), _resource(resource))
    assert response.json()["parameter"][1]["part"][0]["valueString"] == "deepest"


@pytest.mark.parametrize(
    "body",
    [
        {"parameter": {"name": "expression"}},
        {"parameter": [{"name": "variables", "part": 5}]},
        {"parameter": [{"name": "variables", "part": [{"name": "variables", "part": [None]}]}]},
        {"parameter": [None]},
        {"parameter": [{"name": "expression", "valueString": "a", "valueCode": "b"}]},
        {"parameter": [{"name": ["expression"]}]},
        {"parameter": [{"name": "resource", "resource": [1]}]},
        {"parameter": [{"name": "resource", "extension": [{"valueString": "{}"}]}]},
        {"parameter": [_expression("name"), {"name": "resource", "resource": {"resourceType": ["Patient"]}}]},
        {"parameter": [_expression("name"), {"name": "resource", "resource": {"resourceType": "Patient", "name": 5}},
                       {"name": "variables", "part": [{"name": "a", "resource": {"resourceType": {}}}]}]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("url", ["$fhirpath", "$validate", "ValueSet/$expand", "CodeSystem/$lookup"])
async def test_malformed_parameters_are_no_defect(body: Json, url: str, client: httpx.AsyncClient) -> None:
    content = json.dumps({"resourceType": "Parameters", **body})
    response = await client.post(url, content=content, headers={"content-type": FHIR_JSON})
    assert response.status_code in {200, 400, 422}


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("ValueSet/$expand", ["url"]),
        ("ValueSet/$validate-code", ["url", "code"]),
        ("CodeSystem/$validate-code", ["url", "code"]),
        ("CodeSystem/$lookup", ["system", "code"]),
        ("CodeSystem/$subsumes", ["system", "codeA", "codeB"]),
        ("$validate", ["profile"]),
    ],
)
async def test_a_name_of_endless_length_is_refused(url: str, names: list[str], client: httpx.AsyncClient) -> None:
    rows: list[Json] = [{"name": name, "valueString": "a" * 300_000} for name in names]
    body = {"resourceType": "Parameters", "parameter": [*rows, _resource(SMALL)][: len(rows) + (url == "$validate")]}
    response = await client.post(url, content=json.dumps(body), headers={"content-type": FHIR_JSON})
    assert response.status_code == 400
    assert len(response.content) < 1_000


async def test_a_value_set_of_many_includes_is_expanded_or_refused(client: httpx.AsyncClient) -> None:
    system = "http://hl7.org/fhir/administrative-gender"
    includes = [{"system": system, "filter": [{"property": "code", "op": "regex", "value": "(a+)+$"}]}] * 2_000
    value_set = {"resourceType": "ValueSet", "status": "draft", "compose": {"include": includes}}
    body = {"resourceType": "Parameters", "parameter": [{"name": "valueSet", "resource": value_set}]}
    response = await client.post("ValueSet/$expand", content=json.dumps(body), headers={"content-type": FHIR_JSON})
    assert response.status_code in {200, 422}


_COUNTRIES = {"system": "urn:iso:std:iso:3166"}
_FILTERED = {**_COUNTRIES, "filter": [{"property": "concept", "op": "regex", "value": "(A|B)*"}]}
_LISTED = {"system": "urn:iso:std:iso:3166", "concept": [{"code": "FR"}]}


@pytest.mark.parametrize(
    ("compose", "status"),
    [
        ({"include": [_FILTERED] * 10_000}, 422),
        ({"include": [_COUNTRIES], "exclude": [_FILTERED] * 10_000}, 422),
        ({"include": [{"valueSet": ["urn:iso:std:iso:3166?vs"]}] * 10_000}, 422),
        ({"include": [_LISTED] * 5_000}, 200),
        ({"include": [_FILTERED] * 10}, 200),
    ],
    ids=["includes", "excludes", "imports", "many lists", "few filters"],
)
async def test_a_value_set_that_comes_with_the_question_looks_at_so_many_codes(
    client: httpx.AsyncClient, compose: Json, status: int
) -> None:
    given = {"resourceType": "ValueSet", "status": "active", "compose": compose}
    body = {"resourceType": "Parameters", "parameter": [{"name": "valueSet", "resource": given}]}
    began = perf_counter()
    answer = await client.post("ValueSet/$expand", content=json.dumps(body), headers={"content-type": FHIR_JSON})
    assert perf_counter() - began < 20
    assert answer.status_code == status, answer.text[:500]
