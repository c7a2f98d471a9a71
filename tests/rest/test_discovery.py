"""`.well-known/smart-configuration` over HTTP: public, JSON whatever is accepted, for any origin."""

from __future__ import annotations

import httpx
import pytest

from fhir_dmp.rest.discovery import PATH, Discovery

DOCUMENT = {"token_endpoint": "https://a/token"}


async def _ask(method: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(Discovery(DOCUMENT))
    async with httpx.AsyncClient(transport=transport, base_url="http://dmp/fhir") as client:
        return await client.request(method, PATH, headers=headers)


@pytest.mark.parametrize("accept", ["*/*", "application/fhir+json", "application/fhir+xml", "text/html"])
async def test_answer_is_json_whatever_is_accepted(accept: str) -> None:
    answer = await _ask("GET", accept=accept, origin="https://app.example")
    assert (answer.status_code, answer.json()) == (200, DOCUMENT)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_head_and_options_have_no_body() -> None:
    head, options = await _ask("HEAD"), await _ask("OPTIONS")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 0
    assert (options.status_code, options.content) == (204, b"")
    assert "GET" in options.headers["access-control-allow-methods"]


async def test_other_methods_are_not_allowed() -> None:
    answer = await _ask("POST")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
