"""Texts as search compares them: without case, accents, punctuation and repeated spaces.

https://hl7.org/fhir/R4/search.html#string. Stored texts and search values go through the same function, so a text
starts with a value when its normal form starts with that of the value. A hyphen counts as a space: `Jean-Pierre` and
`Jean Pierre` are one name.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from hashlib import blake2b

_SPELLED = str.maketrans({
    "œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae", "ø": "o", "Ø": "o", "ł": "l", "Ł": "l", "đ": "d", "Đ": "d",
    "ß": "ss", "ẞ": "ss", "\N{LATIN SMALL LETTER DOTLESS I}": "i", "|": None,
})  # fmt: skip
"""Letters that no decomposition spells out. `|` is left out because stored texts are kept with one as separator."""

_ASCII = str.maketrans({
    **{chr(code): None for code in (*range(0x21, 0x30), *range(0x3A, 0x41), *range(0x5B, 0x61), *range(0x7B, 0x7F))},
    **{symbol: symbol for symbol in "$+<=>^`~"},
    **{chr(code): " " for code in (*range(0x20), 0x7F)},
    **dict.fromkeys("-_", " "),
})  # fmt: skip
_MOST_PARTS = 16
_PARTS = re.compile(r"[\s\-\u2010-\u2015]+")


COMPARED = 200
"""Only so many characters of a normal form are kept and compared: texts may be pages long."""


def normalise(text: str) -> str:
    """Returns the form of a text by which it is compared, at most COMPARED long; "" where nothing of it counts."""
    return _normalise(text[: 4 * COMPARED])[:COMPARED].rstrip()


@lru_cache(maxsize=16384)
def _normalise(text: str) -> str:
    if text.isascii():
        return " ".join(text.translate(_ASCII).lower().split())
    folded = _strip_marks(_strip_marks(text.translate(_SPELLED)).casefold().translate(_SPELLED))
    return " ".join("".join(map(_significant, folded)).split())


def exact(text: str) -> str:
    """Returns the form of a text by which `:exact` compares it: composed; a long one is its beginning and a digest."""
    composed = text if text.isascii() else unicodedata.normalize("NFC", text)
    if len(composed) <= COMPARED:
        return composed
    digest = blake2b(composed.encode("utf8", "surrogatepass"), digest_size=16).hexdigest()
    return composed[: COMPARED + 1 - len(digest)] + digest


def name_parts(text: str) -> list[str]:
    """Returns the normal forms by which a family name is found besides its own: those that begin at a later part."""
    parts = _PARTS.split(text, maxsplit=_MOST_PARTS)
    rests = [normalise(" ".join(parts[start:])) for start in range(1, len(parts))]
    return [rest for rest in rests if rest]


def _strip_marks(text: str) -> str:
    return "".join(
        character for character in unicodedata.normalize("NFD", text) if unicodedata.category(character) != "Mn"
    )


def _significant(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Pd", "Pc", "Cc"} or category[0] == "Z":
        return " "
    return "" if category[0] == "P" or category == "Cf" else character
