"""Text to tokens: the lexical elements of FHIRPath, http://hl7.org/fhirpath/N1/#lexical-elements."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from fhir_dmp.fhirpath.fault import expression_error

MAX_LENGTH = 20_000
"""Characters in an expression; the longest of R4 has under 3,000."""

TokenKind = Literal["space", "datetime", "date", "time", "number", "string", "identifier", "external", "special",
                    "symbol", "end"]  # fmt: skip

_TIME = r"\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?"
_QUOTED = r"'(?:\\.|[^'\\])*'"
_DELIMITED = r"`(?:\\.|[^`\\])*`"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_TOKEN = re.compile(
    rf"""
    (?P<space>      \s+ | //[^\r\n]* | /\*.*?\*/ )
  | (?P<datetime>   @\d{{4}}(?:-\d\d(?:-\d\d)?)?T(?:{_TIME}(?:Z|[+-]\d\d:\d\d)?)? )
  | (?P<date>       @\d{{4}}(?:-\d\d(?:-\d\d)?)? )
  | (?P<time>       @T{_TIME} )
  | (?P<number>     \d+(?:\.\d+)? )
  | (?P<string>     {_QUOTED} )
  | (?P<identifier> {_NAME} | {_DELIMITED} )
  | (?P<external>   %(?:{_NAME} | {_DELIMITED} | {_QUOTED}) )
  | (?P<special>    \$(?:this|index|total)\b )
  | (?P<symbol>     <= | >= | != | !~ | [][.(){{}}+\-*/&|<>=~,] )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(
    r"\\(?:u(?P<high>d[89ab][0-9a-f]{2})\\u(?P<low>d[c-f][0-9a-f]{2})|u(?P<hex>[0-9a-f]{4})|(?P<one>.))",
    re.DOTALL | re.IGNORECASE,
)
"""Two halves of a surrogate pair make one character."""
_ESCAPES = {"f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERAL_ESCAPES = frozenset("'\"`\\/")


@dataclass(frozen=True, slots=True)
class Token:
    """A lexical element. `text` is its meaning: without quotes and escapes where it had them.

    `delimited` is true of an identifier in backticks, which is never a keyword.
    """

    kind: TokenKind
    text: str
    position: int
    delimited: bool = False


def tokenize(text: str) -> list[Token]:
    """Returns the tokens of an expression, the last of kind `end`; raises FhirError where there is none."""
    if len(text) > MAX_LENGTH:
        raise expression_error(text, MAX_LENGTH, f"it is longer than {MAX_LENGTH} characters")
    tokens = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or (text.startswith("/*", position) and not match["space"]):
            raise expression_error(text, position, _describe(text, position))
        if match.lastgroup != "space":
            tokens.append(_token(text, match))
        position = match.end()
    tokens.append(Token("end", "", len(text)))
    return tokens


def _describe(text: str, position: int) -> str:
    if text.startswith("/*", position):
        return "a comment is not closed"
    if text[position] in "'`":
        return "a quoted text is not closed"
    return f"unexpected character {text[position]!r}"


def _token(text: str, match: re.Match[str]) -> Token:
    kind: TokenKind = match.lastgroup  # type: ignore[assignment]  # the groups of _TOKEN are the kinds
    found, position = match.group(), match.start()
    if kind == "external":
        return Token(kind, _unquote(text, found[1:], position + 1), position)
    if kind in {"string", "identifier"}:
        return Token(kind, _unquote(text, found, position), position, delimited=found[0] == "`")
    return Token(kind, found, position)


def _unquote(text: str, found: str, position: int) -> str:
    if found[0] not in "'`":
        return found

    def replace(match: re.Match[str]) -> str:
        high, low, code, escape = match.group("high", "low", "hex", "one")
        if low:
            return bytes.fromhex(high + low).decode("utf-16-be")
        if code and not _is_half(chr(int(code, 16))):
            return chr(int(code, 16))
        if escape and (escape in _ESCAPES or escape in _LITERAL_ESCAPES):
            return _ESCAPES.get(escape, escape)
        reason = f"\\u{code} is half of a surrogate pair" if code else f"unknown escape \\{escape}"
        raise expression_error(text, position + match.start() + 1, reason)

    return _ESCAPE.sub(replace, found[1:-1])


def _is_half(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"
