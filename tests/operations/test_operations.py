"""The operations over HTTP: tests/cases/operations/*.json are requests and what their answers have to say.

`has` are JSON pointers with the values there, `lacks` pointers to nothing. `issues` are those of the outcome:
severity, code, expression and (where the text is at hand) line:column. `fhirpath` are expressions that are true.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_dmp.app import Sources, open_context
from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.interactions.context import Context
from fhir_dmp.loader import load_definitions, load_registry
from fhir_dmp.resource import Identity, build_version
from fhir_dmp.settings import read_settings
from fhir_dmp.store.port import Change
from tests.rest.server import FHIR_JSON, Server

Json = Any

CASES = Path(__file__).parents[1] / "cases" / "operations"
TABLE = {
    f"{path.stem}: {case['name']}": case
    for path in sorted(CASES.glob("*.json"))
    for case in json.loads(path.read_text(encoding="utf8"))
}
_LINE = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line"
_COLUMN = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col"


def _find(value: Json, pointer: str) -> Json:
    for step in pointer.split("/")[1:]:
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _tell(issue: Json) -> str:
    """An issue in one line."""
    extensions = {row["url"]: row["valueInteger"] for row in issue.get("extension", ())}
    place = f"{extensions[_LINE]}:{extensions[_COLUMN]}" if extensions else ""
    parts = (issue["severity"], issue["details"]["coding"][0]["code"], *issue.get("expression", ()), place)
    return " ".join(part for part in parts if part)


def _content(case: Json) -> str | None:
    body = case.get("text", case.get("body"))
    return body if isinstance(body, str) or body is None else json.dumps(body)


async def _send(client: httpx.AsyncClient, case: Json) -> httpx.Response:
    content = _content(case)
    method = case.get("method", "GET" if content is None else "POST")
    headers = {"content-type": FHIR_JSON, **case.get("headers", {})} if content is not None else {}
    return await client.request(method, case["url"], content=content, headers=headers)


def _read(name: str) -> list[Json]:
    rows: list[Json] = json.loads((CASES / "stored" / f"{name}.json").read_text(encoding="utf8"))
    return rows


@pytest.fixture(scope="module", autouse=True)
async def _stored(server: Server, mongodb_uri: str) -> None:
    """What the cases read: resources that clients write, and definitions, which only the server does."""
    for resource in _read("resources"):
        url = f"{resource['resourceType']}/{resource['id']}"
        response = await server.client.put(url, json=resource, headers={"content-type": FHIR_JSON})
        assert response.status_code in {200, 201}, response.text
    known = next(
        row for row in load_definitions("terminology") if row.get("url", "").endswith("ValueSet/administrative-gender")
    )
    settings = read_settings({"FHIR_DMP_MONGODB_URI": mongodb_uri, "FHIR_DMP_DATABASE": server.database.name})
    async with open_context(settings, Sources()) as context:
        changes = [_first_version(context, row) for row in (known, *_read("definitions"))]
        await context.store.transact(lambda writer: writer.write(changes))


def _first_version(context: Context, definition: Json) -> Change:
    identity = Identity(definition["resourceType"], definition["id"])
    stamped, version = build_version(definition, identity, None, "POST", context.now())
    return Change(version, None, context.indexer.facts(stamped))


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE.keys())
async def test_an_operation_answers_as_the_case_says(case: Json, client: httpx.AsyncClient) -> None:
    response = await _send(client, case)
    assert response.status_code == case.get("status", 200), response.text
    found = response.json()
    if "issues" in case:
        assert [_tell(issue) for issue in found["issue"]] == case["issues"], response.text
    for pointer, wanted in case.get("has", {}).items():
        assert _find(found, pointer) == wanted, (pointer, response.text[:2000])
    for pointer in case.get("lacks", ()):
        assert _find(found, pointer) is None, pointer
    for text in case.get("fhirpath", ()):
        program = compile_expression(text, model=load_registry(), type_name="Resource")
        assert [node.value for node in program.select(found)] == [True], (text, response.text[:3000])
    for part in case.get("says", ()):
        assert part in response.text, response.text[:2000]


async def test_the_parameters_that_are_named_to_a_client_are_those_he_may_give(server: Server) -> None:
    answer = await server.client.get("Patient/1/$everything?_elements=id")
    text = answer.json()["issue"][0]["details"]["text"]
    assert text == "The operation has no parameter _elements here; it has _count, _since, _type, end, start."
