r"""The escapes of search values: `\,` `\|` `\$` `\\`. https://hl7.org/fhir/R4/search.html#escaping."""

from __future__ import annotations

import re

_PIECE = re.compile(r"\\[\\,|$]|[^\\]", re.DOTALL)
_SEPARATORS = re.compile(r"([\\,|$])")


def is_well_escaped(text: str) -> bool:
    """Tells whether every backslash of a value begins an escape."""
    return "\\" not in text or sum(map(len, _PIECE.findall(text))) == len(text)


def split(text: str, separator: str) -> list[str]:
    """Returns the parts of a value between separators that are not escaped; the parts stay escaped."""
    if "\\" not in text:
        return text.split(separator)
    parts = [""]
    for piece in _PIECE.findall(text):
        if piece == separator:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def unescape(text: str) -> str:
    """Returns what a value means, its escapes resolved."""
    return "".join(piece[-1] for piece in _PIECE.findall(text)) if "\\" in text else text


def escape_token(name: str) -> str:
    """Returns a name (`system|value`) as the value of a token, whose parts may have what separates values in it."""
    system, bar, value = name.partition("|")
    return "".join([_SEPARATORS.sub(r"\\\1", system), bar, _SEPARATORS.sub(r"\\\1", value)])
