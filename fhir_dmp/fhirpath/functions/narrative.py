"""Narrative: the XHTML that `htmlChecks()` accepts, https://hl7.org/fhir/R4/narrative.html#xhtml.

A div of well-formed XML with basic formatting elements, no script, form, frame or link to a style. That a narrative
says something (txt-2, which R4 gives the same expression) is not asked: two of R4's own examples are blank.
"""

from __future__ import annotations

from functools import lru_cache
from xml.parsers import expat

_XHTML = "http://www.w3.org/1999/xhtml"
_ELEMENTS = frozenset({
    "a", "abbr", "acronym", "address", "area", "b", "bdo", "big", "blockquote", "br", "caption", "center", "cite",
    "code", "col", "colgroup", "dd", "del", "dfn", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6",
    "hr", "i", "img", "ins", "kbd", "li", "map", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strike",
    "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var",
})  # fmt: skip
_ATTRIBUTES = frozenset({
    "abbr", "accesskey", "align", "alt", "axis", "bgcolor", "border", "cellhalign", "cellpadding", "cellspacing",
    "cellvalign", "char", "charoff", "charset", "cite", "class", "colspan", "compact", "coords", "dir", "frame",
    "headers", "height", "href", "hreflang", "hspace", "id", "lang", "longdesc", "name", "nowrap", "rel", "rev",
    "rowspan", "rules", "scope", "shape", "span", "src", "start", "style", "summary", "tabindex", "title", "type",
    "usemap", "valign", "value", "vspace", "width", "xml:lang", "xmlns",
})  # fmt: skip
_URL_ATTRIBUTES = frozenset({"href", "src", "cite", "longdesc"})
_ACTIVE_SCHEMES = ("javascript:", "vbscript:")
_MAX_DEPTH = 200


class _Refused(Exception):
    """Something in the text is not allowed in a narrative."""


@lru_cache(maxsize=16)
def is_safe_narrative(text: str) -> bool:
    """Tells whether a text is XHTML as a narrative may have it."""
    checks = _Checks()
    parser = expat.ParserCreate()
    parser.StartElementHandler = checks.start
    parser.EndElementHandler = checks.end
    # A document type would bring entities, which could grow without end or name files
    parser.StartDoctypeDeclHandler = checks.refuse
    parser.ProcessingInstructionHandler = checks.refuse
    try:
        parser.Parse(text, True)  # noqa: FBT003  # expat's own signature: this is all of it
    except (expat.ExpatError, _Refused, UnicodeEncodeError):
        return False
    return True


class _Checks:
    """Looks at each part of the document as it is read."""

    def __init__(self) -> None:
        self._depth = 0

    def refuse(self, *_arguments: object) -> None:
        raise _Refused

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1 and (name != "div" or attributes.get("xmlns") != _XHTML):
            raise _Refused
        if name not in _ELEMENTS or self._depth > _MAX_DEPTH:
            raise _Refused
        for attribute, value in attributes.items():
            self._attribute(attribute, value)

    def _attribute(self, name: str, value: str) -> None:
        if name not in _ATTRIBUTES:
            raise _Refused
        if name in _URL_ATTRIBUTES and "".join(value.split()).lower().startswith(_ACTIVE_SCHEMES):
            raise _Refused

    def end(self, _name: str) -> None:
        self._depth -= 1
