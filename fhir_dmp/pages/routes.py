"""`/`, `/docs` and `/pages/…`: the pages lie below it as in the repository, so that the links among them lead on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from fhir_dmp.pages.api import build_api_page
from fhir_dmp.pages.frame import HEADERS, build_document
from fhir_dmp.pages.home import HOME
from fhir_dmp.pages.markdown import build_page

_EXAMPLE = "http://127.0.0.1:8080/fhir"
"""The base URL of the commands in the pages."""
_FRENCH = ("docs/guide/fr/", "examples/")
_ABSENT = build_document("fhir-dmp", "en", '<p>There is no such page. <a href="/">fhir-dmp</a></p>\n')


def build_pages(pages: Mapping[str, str], base_url: str) -> APIRouter:
    """Returns the routes of pages in Markdown, by their paths; their commands ask the server of the base URL."""
    router = APIRouter(include_in_schema=False)
    folders = {f"{path.rpartition('/')[0]}/" for path in pages if "/" in path}
    texts = {**pages, **{folder: _list_folder(pages, folder) for folder in folders}}

    @cache
    def render(path: str) -> str:
        return build_page(texts[path].replace(_EXAMPLE, base_url), "fr" if path.startswith(_FRENCH) else "en")

    @router.api_route("/", methods=["GET", "HEAD"])
    def home() -> HTMLResponse:
        return HTMLResponse(HOME, headers=HEADERS)

    @router.api_route("/docs", methods=["GET", "HEAD"])
    def api(request: Request) -> HTMLResponse:
        return HTMLResponse(build_api_page(request.app.openapi()), headers=HEADERS)

    @router.api_route("/pages/{path:path}", methods=["GET", "HEAD"])
    def page(path: str) -> HTMLResponse:
        is_known = path in texts
        return HTMLResponse(render(path) if is_known else _ABSENT, 200 if is_known else 404, HEADERS)

    return router


def _list_folder(pages: Mapping[str, str], folder: str) -> str:
    """The pages of a folder by their titles, in Markdown."""
    names = sorted(path.removeprefix(folder) for path in pages if path.startswith(folder))
    titles = {name: pages[folder + name].partition("\n")[0].lstrip("# ") for name in names if "/" not in name}
    return "\n".join((f"# {folder}\n", *(f"- [{title}]({name})" for name, title in titles.items())))
