"""xhtml: the part of XHTML that a narrative may be written in (txt-1), and nothing that acts by itself.

https://hl7.org/fhir/R4/narrative.html#xhtml
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from xml.parsers.expat import ExpatError, ParserCreate

from fhir_dmp.validation.finding import FindingCode
from fhir_dmp.validation.formats.format import Format
from fhir_dmp.validation.formats.text import MAX_STRING

_XHTML = "http://www.w3.org/1999/xhtml "
_TAGS = (
    "a", "abbr", "acronym", "b", "big", "blockquote", "br", "caption", "cite", "code", "col", "colgroup", "dd",
    "dfn", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "li", "ol", "p", "pre",
    "q", "samp", "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr",
    "tt", "ul", "var",
)  # fmt: skip
_ELEMENTS = frozenset(_XHTML + tag for tag in _TAGS)
_ATTRIBUTES = frozenset((
    "abbr", "accesskey", "align", "alt", "axis", "bgcolor", "border", "cellhalign", "cellpadding", "cellspacing",
    "cellvalign", "char", "charoff", "charset", "cite", "class", "colspan", "compact", "coords", "dir", "frame",
    "headers", "height", "href", "hreflang", "hspace", "id", "lang", "longdesc", "name", "nowrap", "rel", "rev",
    "rowspan", "rules", "scope", "shape", "span", "src", "start", "style", "summary", "tabindex", "title", "type",
    "valign", "value", "vspace", "width", "http://www.w3.org/XML/1998/namespace lang",
))  # fmt: skip

_MARKUP_DECLARATION = re.compile(r"<!(?!--|\[CDATA\[)|<\?")
_DIV = re.compile(r"\s*<(?:[A-Za-z]+:)?div[\s>/]")
_IGNORED = re.compile(r"[\x00-\x20]+")
"""What browsers leave out of the scheme of a URL."""

_ACTIVE_STYLE = re.compile(
    r"\\|/\*|expression|javascript|@import|(?<![-\w])behavior\s*+:|-moz-binding"
    r"|url\(\s*+['\"]?+\s*+(?:[a-z]++:(?!image/)|//)",
    re.IGNORECASE,
)


def _scheme(url: str) -> str:
    before, colon, _ = url.partition(":")
    return _IGNORED.sub("", before).lower() if colon else ""


def _is_active_link(url: str) -> bool:
    return _scheme(url) in {"javascript", "vbscript", "data"}


def _is_active_image(url: str) -> bool:
    return _is_active_link(url) and not url.startswith("data:image/")


def _is_active_style(style: str) -> bool:
    return _ACTIVE_STYLE.search(style) is not None


_UNSAFE: Mapping[str, Callable[[str], bool]] = {
    "href": _is_active_link,
    "cite": _is_active_link,
    "longdesc": _is_active_link,
    "src": _is_active_image,
    "style": _is_active_style,
}
"""The attributes through which a browser could be made to run or fetch something."""


class _NotAllowed(Exception):
    """Stops the parser at the first element that a narrative may not have."""


def explain_narrative(text: str) -> str:
    """Returns why the text may not be a Narrative.div, empty where it may."""
    if len(text) > MAX_STRING:
        return f"it is longer than {MAX_STRING} characters"
    if _MARKUP_DECLARATION.search(text):
        return "document types, entities and processing instructions are not allowed"
    if not _DIV.match(text):
        return f'it has to be a <div xmlns="{_XHTML[:-1]}">'
    parser = ParserCreate(None, " ")
    parser.StartElementHandler = _check_element
    try:
        parser.Parse(text, True)  # noqa: FBT003  # the signature of the C function
    except _NotAllowed as reason:
        return str(reason)
    except (ExpatError, ValueError) as fault:
        return f"it is not well-formed XML ({str(fault)[:80]})"
    return ""


def _check_element(tag: str, attributes: dict[str, str]) -> None:
    if tag not in _ELEMENTS:
        reason = "is not allowed" if tag.startswith(_XHTML) else f'is not in the namespace xmlns="{_XHTML[:-1]}"'
        raise _NotAllowed(f"the element <{_local(tag)}> {reason}")
    for name, value in attributes.items():
        if name not in _ATTRIBUTES:
            raise _NotAllowed(f"the attribute '{_local(name)}' of <{_local(tag)}> is not allowed")
        is_unsafe = _UNSAFE.get(name)
        if is_unsafe is not None and is_unsafe(value):
            raise _NotAllowed(f"the {name} of <{_local(tag)}> holds active or external content")


def _local(name: str) -> str:
    """The name without its namespace, as much of it as a message needs."""
    return name.rpartition(" ")[2][:40]


def _is_narrative(text: str) -> bool:
    return not explain_narrative(text)


NARRATIVE_FORMAT = Format("xhtml", "the XHTML of a narrative", _is_narrative, explain_narrative, FindingCode.NARRATIVE)
