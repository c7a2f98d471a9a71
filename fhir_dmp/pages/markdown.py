"""A Markdown page as HTML: CommonMark with tables, and headings that links lead to as they do on GitHub."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from fhir_dmp.pages.frame import build_document

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
"""HTML inside of a page is text: a page has no markup of its own."""


def build_page(text: str, language: str) -> str:
    """Returns the whole HTML page; its title is that of the first heading."""
    tokens = _MARKDOWN.parse(text)
    headings = list(_headings(tokens))
    for opening, content in headings:
        opening.attrSet("id", build_anchor(content))
    title = headings[0][1] if headings else "fhir-dmp"
    return build_document(title, language, _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))


def build_anchor(heading: str) -> str:
    """Returns the fragment of a heading's link: `## $validate` is `#validate`."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _headings(tokens: Sequence[Token]) -> Iterator[tuple[Token, str]]:
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            yield opening, inline.content
