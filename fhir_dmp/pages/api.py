"""The page at `/docs`: what is at each URL of the server, from its OpenAPI document. Its links are relative to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fhir_dmp.pages.frame import build_document

_INTRODUCTION = (
    '<h1>API</h1>\n<p>As <a href="openapi.json">OpenAPI</a>, for programs. What each type takes, and every search '
    'parameter and operation: <a href="fhir/metadata?_pretty=true">CapabilityStatement</a>. In words: '
    '<a href="pages/docs/reference/http.md">HTTP</a>, <a href="pages/docs/reference/operations.md">operations</a>. '
    '<a href=".">fhir-dmp</a></p>\n'
)
_HEAD = "<tr><th>URL</th><th>method</th><th>what it does</th></tr>"


def build_api_page(document: Mapping[str, Any]) -> str:
    """Returns the whole HTML page of an OpenAPI document (https://spec.openapis.org/oas/v3.1.0)."""
    rows = "\n".join(_build_rows(document["paths"]))
    return build_document("fhir-dmp: API", "en", f"{_INTRODUCTION}<table>\n{_HEAD}\n{rows}\n</table>\n")


def _build_rows(paths: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            told = escape(operation.get("summary", ""))
            yield f"<tr><td><code>{escape(path)}</code></td><td>{escape(method.upper())}</td><td>{told}</td></tr>"
