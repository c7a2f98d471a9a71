"""Words of French texts, as `_text` and `_content` compare them: stems without case and accents, no common words.

https://hl7.org/fhir/R4/search.html#content. `diabétiques` and `diabète` have one stem. The stems of a resource and
those of what is asked are made in the same way: the store compares them exactly (docs/decisions/0023).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from html import unescape
from typing import NamedTuple

import Stemmer

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.search.text import normalise

_FRENCH = Stemmer.Stemmer("french", 0)
_WORD = re.compile(r"[^\W_]{2,}")
_TAG = re.compile(r"<[^<>]*>")
"""It ends at the next `<` too: a text of nothing but `<` would take time with the square of its length."""
_DATE = re.compile(r"\d{4}-\d\d")
_LONGEST = 64
_MOST_WORDS = 5_000
_COMMON_WORDS = """
au aux avec ce ces cet cette dans de des du elle en est et eux il ils je la le les leur lui ma mais me mes moi mon ne
nos notre nous on ont ou où par pas pour qu que qui sa se ses son sont sur ta te tes toi ton tu un une vos votre vous
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_CODED = """
resourceType id url system reference versionId lastUpdated profile source data hash contentType language code status use
gender unit currency comparator
"""
_NO_TEXT = frozenset(_CODED.split())
"""Properties that hold codes, addresses and numbers rather than words."""


_NO_STEMS: frozenset[str] = frozenset()


class Words(NamedTuple):
    """The stems of a resource: those of its narrative, and those that are only elsewhere in it; sorted."""

    narrative: tuple[str, ...] = ()
    content: tuple[str, ...] = ()


NO_WORDS = Words()


def stems(text: str) -> frozenset[str]:
    """Returns the stems of the words of a text, but for common words and single letters."""
    words = unicodedata.normalize("NFC", text).lower() if not text.isascii() else text.lower()
    found = {_stem(word[:_LONGEST]) for word in _WORD.findall(words) if word not in _COMMON}
    return frozenset(found - {""})


def words_of(resource: JsonObject, content: set[str]) -> Words:
    """Returns the stems of a resource; `content` are those of its properties."""
    narrative = stems(_narrative(resource))
    return Words(tuple(sorted(narrative)[:_MOST_WORDS]), tuple(sorted(content - narrative)[:_MOST_WORDS]))


def stems_of(name: str, value: Json) -> frozenset[str]:
    """Returns the stems of a property of a resource, and none of its narrative.

    Those of contained resources are among them, but for their narratives.
    """
    if name == "text":
        return _NO_STEMS
    texts: list[str] = []
    for part in value if type(value) is list else (value,):
        _collect_value(name, part, texts)
    return stems("\n".join(texts)) if texts else _NO_STEMS


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    stem: str = _FRENCH.stemWord(word)
    return normalise(stem).replace(" ", "")


def _narrative(resource: JsonObject) -> str:
    text = resource.get("text")
    div = text.get("div") if type(text) is dict else None
    return _read_markup(div) if type(div) is str else ""


def _read_markup(text: str) -> str:
    bare = _TAG.sub(" ", text)
    try:
        return unescape(bare)
    except ValueError:  # a character by a number longer than Python reads
        return bare


def _collect(value: JsonObject, texts: list[str]) -> None:
    """Adds the texts of an object that a person reads.

    The display of a reference is none: it is taken away where the reader may not see what it leads to, and so must not
    be found.
    """
    for key, item in value.items():
        is_narrative = key == "text" and "resourceType" in value
        if not is_narrative and not (key == "display" and "reference" in value):
            for part in item if type(item) is list else (item,):
                _collect_value(key, part, texts)


def _collect_value(key: str, value: Json, texts: list[str]) -> None:
    if type(value) is dict:
        _collect(value, texts)
    elif type(value) is str and key not in _NO_TEXT and not _DATE.match(value):
        texts.append(_read_markup(value) if "<" in value else value)
