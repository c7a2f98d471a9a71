"""Narrative: which XHTML is accepted: https://hl7.org/fhir/R4/narrative.html#xhtml."""

from __future__ import annotations

import pytest

from fhir_dmp.fhirpath.functions.narrative import is_safe_narrative


def _div(content: str) -> str:
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{content}</div>'


@pytest.mark.parametrize(
    "text",
    [
        _div("<p>Text</p>"),
        _div(
            '<table class="grid"><tbody><tr><td colspan="2" style="color: red">é &#160; &lt;</td></tr></tbody></table>'
        ),
        _div('<a href="http://example.org" title="x">link</a><a name="here"/><img src="#photo" alt="photo"/>'),
        _div('<p xml:lang="fr" lang="fr" dir="ltr" id="a">Bonjour<br/></p>'),
        _div(""),
    ],
)
def test_formatting_is_accepted(text: str) -> None:
    assert is_safe_narrative(text)


@pytest.mark.parametrize(
    "text",
    [
        _div("<script>alert(1)</script>"),
        _div('<p onclick="alert(1)">x</p>'),
        _div('<a href="javascript:alert(1)">x</a>'),
        _div('<a href=" java\nscript:alert(1)">x</a>'),
        _div("<iframe/>"),
        _div("<form/>"),
        _div("<object/>"),
        _div("<style>p {}</style>"),
        _div('<link rel="stylesheet"/>'),
        _div("<p>open"),
        _div("&nbsp;"),
        _div("a & b"),
        _div("<P>x</P>"),
        _div("<?php x ?>"),
        "<div>no namespace</div>",
        '<p xmlns="http://www.w3.org/1999/xhtml">no div</p>',
        "just text",
        "",
        '<!DOCTYPE div [<!ENTITY a "b">]>' + _div("&a;"),
        '<!DOCTYPE div SYSTEM "file:///etc/passwd">' + _div("x"),
        _div("<b>" * 300 + "x" + "</b>" * 300),
        _div("\ud800"),
    ],
)
def test_active_or_malformed_content_is_refused(text: str) -> None:
    assert not is_safe_narrative(text)
