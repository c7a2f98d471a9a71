"""String manipulation: http://hl7.org/fhirpath/N1/#string-manipulation; from 2.1: encode, escape, trim, split, join."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re

from fhir_dmp.fhirpath.fault import EvaluationError
from fhir_dmp.fhirpath.functions.signature import function
from fhir_dmp.fhirpath.node import Node, Nodes
from fhir_dmp.fhirpath.singleton import system_of
from fhir_dmp.fhirpath.text_limit import check_length
from fhir_dmp.regex.regex import RegexRefused, compile_regex


def _strings(texts: list[str]) -> list[Node]:
    return [Node(text, "System.String") for text in texts]


def _index_of(text: str, part: str) -> int:
    return text.find(part)


def _last_index_of(text: str, part: str) -> int:
    return text.rfind(part)


def _substring(text: str, start: int, length: int | None = None) -> str | None:
    if not 0 <= start < len(text):
        return None
    return text[start:] if length is None else text[start : start + max(0, length)]


def _contains(text: str, part: str) -> bool:
    return part in text


def _matches(text: str, pattern: str) -> bool:
    try:
        return compile_regex(pattern).occurs_in(text)
    except RegexRefused as fault:
        raise EvaluationError(str(fault)) from None


def _matches_full(text: str, pattern: str) -> bool:
    try:
        return compile_regex(pattern).matches(text)
    except RegexRefused as fault:
        raise EvaluationError(str(fault)) from None


def _replace(text: str, part: str, substitution: str) -> str:
    check_length(len(text) + text.count(part) * (len(substitution) - len(part)))
    return text.replace(part, substitution)


def _replace_matches(text: str, pattern: str, substitution: str) -> str:
    """$1 and ${name} in the substitution stand for what a group matched."""
    if not pattern:
        return text

    made = 0

    def fill(match: re.Match[str]) -> str:
        nonlocal made
        filled = _GROUP.sub(lambda group: _group(match, group[1] or group[2]), substitution)
        made += len(filled)
        check_length(made)
        return filled

    try:
        return compile_regex(pattern).substitute(text, fill)
    except RegexRefused as fault:
        raise EvaluationError(str(fault)) from None


_GROUP = re.compile(r"\$(?:(\d)|\{(\w+)\})")


def _group(match: re.Match[str], name: str) -> str:
    try:
        return match[int(name) if name.isdigit() else name] or ""
    except IndexError:
        raise EvaluationError(f"the regular expression has no group {name}") from None


def _to_chars(text: str) -> list[Node]:
    return _strings(list(text))


def _split(text: str, separator: str) -> list[Node]:
    return _strings(text.split(separator)) if separator else _to_chars(text)


def _join(nodes: Nodes, separator: str = "") -> str:
    texts = [system_of(node) for node in nodes]
    if not all(isinstance(text, str) for text in texts):
        raise EvaluationError("only strings can be joined")
    check_length(sum(len(str(text)) + len(separator) for text in texts))
    return separator.join(str(text) for text in texts)


def _encode(text: str, encoding: str) -> str | None:
    data = text.encode()
    if encoding == "hex":
        return data.hex()
    if encoding == "base64":
        return base64.b64encode(data).decode()
    return base64.urlsafe_b64encode(data).decode() if encoding == "urlbase64" else None


def _decode(text: str, encoding: str) -> str | None:
    try:
        if encoding == "hex":
            return bytes.fromhex(text).decode()
        if encoding == "base64":
            return base64.b64decode(text, validate=True).decode()
        return base64.urlsafe_b64decode(text).decode() if encoding == "urlbase64" else None
    except (binascii.Error, ValueError):
        return None


def _escape(text: str, target: str) -> str | None:
    if target == "html":
        return html.escape(text)
    return json.dumps(text, ensure_ascii=False)[1:-1] if target == "json" else None


_HALF = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, which is no character."""


def _unescape(text: str, target: str) -> str | None:
    if target == "html":
        return html.unescape(text)
    if target != "json":
        return None
    try:
        # A quotation mark needs no backslash before it here, as it does in JSON
        found = json.loads('"' + re.sub(r'(?<!\\)"', r"\"", text) + '"')
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, str) and not _HALF.search(found) else None


TEXT = (
    function("indexOf", _index_of, "String", "String", gives="Integer"),
    function("lastIndexOf", _last_index_of, "String", "String", gives="Integer"),
    function("substring", _substring, "String", "Integer", "Integer", optional=1, gives="String"),
    function("startsWith", str.startswith, "String", "String", gives="Boolean"),
    function("endsWith", str.endswith, "String", "String", gives="Boolean"),
    function("contains", _contains, "String", "String", gives="Boolean"),
    function("upper", str.upper, "String", gives="String"),
    function("lower", str.lower, "String", gives="String"),
    function("trim", str.strip, "String", gives="String"),
    function("length", len, "String", gives="Integer"),
    function("replace", _replace, "String", "String", "String", gives="String"),
    function("matches", _matches, "String", "String", gives="Boolean"),
    function("matchesFull", _matches_full, "String", "String", gives="Boolean"),
    function("replaceMatches", _replace_matches, "String", "String", "String", gives="String"),
    function("toChars", _to_chars, "String"),
    function("split", _split, "String", "String"),
    function("join", _join, "Items", "String", optional=1, gives="String"),
    function("encode", _encode, "String", "String", gives="String"),
    function("decode", _decode, "String", "String", gives="String"),
    function("escape", _escape, "String", "String", gives="String"),
    function("unescape", _unescape, "String", "String", gives="String"),
)
