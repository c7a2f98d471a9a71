"""The web pages lead somewhere, load nothing, and are for everyone; what is no page is not served."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx
import pytest
from fastapi import FastAPI

from fhir_dmp.app import create_app
from fhir_dmp.issuer import page as issuer_page
from fhir_dmp.issuer.authorization import AuthorizationRequest
from fhir_dmp.issuer.clients import Client
from fhir_dmp.loader import load_pages
from fhir_dmp.pages.routes import build_pages
from fhir_dmp.settings import read_settings
from tests.rest.server import GUARDED

BASE = "https://dmp.example/fhir"
PAGES = sorted(load_pages())
OF_THE_SERVER = {"/fhir/metadata", "/openapi.json"}
LOADING_TAGS = {"script", "link", "img", "iframe", "frame", "object", "embed", "video", "audio", "source", "base"}
LOADING_ATTRIBUTES = {"src", "style", "srcset", "background", "poster", "onclick", "onload"}


class _Reader(HTMLParser):
    """What a browser would do with a page: the links it follows, the anchors it has, the elements it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.languages: list[str] = []
        self.loading: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(found["href"])
        self.anchors |= {found["id"]} if "id" in found else set()
        self.languages += [found["lang"]] if "lang" in found else []
        if tag in LOADING_TAGS or LOADING_ATTRIBUTES & found.keys():
            self.loading.append(tag)


def _check_policy(text: str, policy: str) -> None:
    """A policy lets the page have its own style, and nothing else."""
    (style,) = re.findall(r"<style>(.*?)</style>", text)
    hashed = b64encode(sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none';")
    assert policy.endswith("frame-ancestors 'none'")
    assert "unsafe" not in policy


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """The whole server, which has not started: its pages need no database."""
    app = create_app(read_settings({"FHIR_DMP_BASE_URL": BASE}), mode=GUARDED)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as opened:
        yield opened


async def _read(client: httpx.AsyncClient, path: str) -> _Reader:
    answer = await client.get(f"/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
    return _Reader(answer.text)


@pytest.mark.parametrize("path", ["", "docs", "pages/docs/decisions/", *(f"pages/{name}" for name in PAGES)])
async def test_every_link_of_a_page_leads_somewhere(client: httpx.AsyncClient, path: str) -> None:
    for link in (await _read(client, path)).links:
        if "://" in link:
            continue
        place, _, anchor = urljoin(f"/{path}", link).partition("#")
        if place.partition("?")[0] not in OF_THE_SERVER:
            found = await _read(client, place.removeprefix("/"))
            assert not anchor or anchor in found.anchors, link


async def test_home_has_the_guides_in_both_languages(client: httpx.AsyncClient) -> None:
    home = await _read(client, "")
    assert home.languages == ["fr", "fr", "en"]
    guides = {link.removeprefix("pages/") for link in home.links if "/guide/" in link}
    assert guides == {name for name in PAGES if "/guide/" in name}
    assert {"fhir/metadata?_pretty=true", "docs", "pages/docs/README.md"} <= {*home.links}


@pytest.mark.parametrize("path", ["", "docs", "nowhere", *(f"pages/{name}" for name in PAGES)])
async def test_a_page_loads_nothing_and_its_policy_says_so(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/{path}" if path != "nowhere" else "/pages/nowhere")
    assert _Reader(answer.text).loading == []
    _check_policy(answer.text, answer.headers["content-security-policy"])
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_commands_ask_the_server_that_shows_them(client: httpx.AsyncClient) -> None:
    answer = await client.get("/pages/docs/guide/en/pharmacy.md")
    assert f"{BASE}/Patient/" in answer.text
    assert "127.0.0.1" not in answer.text


async def test_the_page_of_the_api_has_a_row_for_each_url_and_method(client: httpx.AsyncClient) -> None:
    text = (await client.get("/docs")).text
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert "/fhir/Subscription/{id}/$dmp-resend" in paths
    for path, methods in paths.items():
        for method in methods:
            assert f"<code>{path}</code></td><td>{method.upper()}</td>" in text


@pytest.mark.parametrize("path", ["redoc", "docs/oauth2-redirect"])
async def test_no_page_is_served_that_loads_its_parts_from_elsewhere(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"/{path}")).status_code == 404


def test_the_page_of_the_sign_in_loads_nothing() -> None:
    client = Client("app", name="<img src=x>")
    asked = AuthorizationRequest("app", "https://app.example/", "state", "challenge", ("patient/*.rs",))
    for text in (issuer_page.build_page(client, asked, "handle", ()), issuer_page.build_refusal("<script>")):
        assert _Reader(text).loading == []
        _check_policy(text, issuer_page.HEADERS["content-security-policy"])


async def test_a_guide_says_its_language(client: httpx.AsyncClient) -> None:
    assert (await _read(client, "pages/docs/guide/fr/pharmacy.md")).languages == ["fr"]
    assert (await _read(client, "pages/docs/guide/en/pharmacy.md")).languages == ["en"]


@pytest.mark.parametrize(
    "path", ["pyproject.toml", "../pyproject.toml", "docs/%2e%2e/%2e%2e/pyproject.toml", "docs", "", "//etc/passwd"]
)
async def test_what_is_no_page_is_not_served(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/pages/{path}")
    assert answer.status_code == 404
    assert "fhir_dmp" not in answer.text


async def test_markup_inside_of_a_page_is_text() -> None:
    app = FastAPI()
    app.include_router(build_pages({"a.md": "# A\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1))"}, BASE))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as opened:
        text = (await opened.get("/pages/a.md")).text
    assert "<script>" not in text
    assert "href" not in text


async def test_a_head_is_answered_too(client: httpx.AsyncClient) -> None:
    answer = await client.head("/")
    assert (answer.status_code, answer.text) == (200, "")
