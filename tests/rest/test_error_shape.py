"""Every error is an OperationOutcome with a stable code, on every route: tests/cases/rest/errors.json says which.

`check_answer` (tests/rest/server.py) holds all errors of all tests to the shape; here is what the codes are, and that
there are no others.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.interactions.routes import ROUTES
from fhir_dmp.outcome import Category, error
from fhir_dmp.rest.errors import respond_to_defect, respond_to_error
from fhir_dmp.status import STATUS
from tests.rest.server import FHIR_JSON, Server, check_outcome, read_by_another
from tests.rest.steps import CASES

Json = Any

TABLE = json.loads((CASES / "errors.json").read_text(encoding="utf8"))
PACKAGE = Path(__file__).parents[2] / "fhir_dmp"
URLS = {"[type]": "Patient", "[id]": "absent", "[vid]": "1"}
SHAPES = sorted({(route.method, route.shape) for route in ROUTES} | {("GET", "metadata"), ("POST", "")})
JSON_PATCH = "application/json-patch+json"


def _url(shape: str) -> str:
    return "/".join(URLS.get(part, part) for part in shape.split("/"))


def _type(method: str, shape: str) -> str:
    if shape.endswith("_search"):
        return "application/x-www-form-urlencoded"
    return JSON_PATCH if method == "PATCH" else FHIR_JSON


def _applies(wrong: Json, method: str, shape: str) -> bool:
    is_body = method in {"POST", "PUT", "PATCH"}
    if "methods" in wrong and method not in wrong["methods"]:
        return False
    if wrong.get("shape", shape) != shape or shape in wrong.get("not", ()):
        return False
    return is_body or not ({"text", "type", "encoding"} & wrong.keys())


PAIRS = [
    (method, shape, wrong) for wrong in TABLE["wrong"] for method, shape in SHAPES if _applies(wrong, method, shape)
]


@pytest.mark.parametrize(
    ("method", "shape", "wrong"), PAIRS, ids=[f"{wrong['name']}: {method} {shape}" for method, shape, wrong in PAIRS]
)
async def test_each_route_answers_bad_input_with_its_code(method: str, shape: str, wrong: Json, server: Server) -> None:
    headers = {"content-type": wrong.get("type", _type(method, shape)), "prefer": "handling=strict"}
    headers |= wrong.get("headers", {})
    if "encoding" in wrong:
        headers["content-encoding"] = wrong["encoding"]
    default = "[]" if method == "PATCH" else "" if shape.endswith("_search") else "{}"
    chunks = [wrong.get("text", default).encode()] if method in {"POST", "PUT", "PATCH"} else []
    query = f"?{wrong['query']}" if "query" in wrong else ""
    url = f"/fhir/{_url(shape)}".rstrip("/") + query
    answer = await server.exchange(method, url, list(headers.items()), chunks)
    found = answer.json()["issue"][0]["details"]["coding"][0]["code"]
    assert (answer.status, found) == (wrong["status"], wrong["code"]), answer.body


def _codes() -> set[str]:
    """The codes that the source raises, outside of search and validation."""
    call = re.compile(r"""(?:\berror\(\s*Category\.\w+,|\bIssue\(\s*"\w+",)\s*"([a-z-]+)\"""")
    files = [*PACKAGE.glob("*.py"), *(PACKAGE / "interactions").glob("*.py"), *(PACKAGE / "rest").glob("*.py")]
    return {code for path in files for code in call.findall(path.read_text(encoding="utf8"))}


def test_the_codes_of_the_rest_api_are_the_listed_ones() -> None:
    """A code that changes breaks clients: a new one is added to the list, an old one stays."""
    assert sorted(_codes()) == sorted(TABLE["codes"])


@pytest.mark.parametrize("category", Category)
def test_each_category_has_its_status_and_a_valid_outcome(category: Category) -> None:
    response = respond_to_error(error(category, "any-code", "why", "Patient.id"))
    outcome = json.loads(response.body)
    check_outcome(outcome)
    read_by_another(outcome)
    assert response.status == STATUS[category].value == TABLE["statuses"][category.value]
    waits = category in {Category.UNAVAILABLE, Category.THROTTLED}
    assert ((b"retry-after", b"1") in response.headers) == waits


def test_a_defect_says_nothing_of_its_cause() -> None:
    response = respond_to_defect()
    outcome = json.loads(response.body)
    check_outcome(outcome)
    read_by_another(outcome)
    assert response.status == 500
    assert outcome["issue"][0]["details"]["coding"][0]["code"] == "server-defect"
