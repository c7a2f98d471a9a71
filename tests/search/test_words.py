"""Words of texts as clients write them: they may be anything, and as long as a resource."""

from __future__ import annotations

from time import perf_counter

import pytest

from fhir_dmp.json_text import Json
from fhir_dmp.search.words import NO_WORDS, stems_of, words_of

LONG = 1_000_000


@pytest.mark.parametrize("text", ["<" * LONG, "<a" * (LONG // 2), "<" + "a" * LONG, "&#" * (LONG // 2) + "<"])
def test_a_long_text_that_looks_like_markup_takes_time_with_its_length(text: str) -> None:
    began = perf_counter()
    stems_of("note", [{"text": text}])
    assert perf_counter() - began < 10  # with its square it would be ten minutes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<b>lyse</b>", {"lys"}),
        ("5 <6 et lyse <b>", {"lys"}),
        ("lyse <a> &#" + "9" * 5000 + ";", {"lys"}),
        ("lyse<br/>&#233;tat", {"lys", "etat"}),
    ],
)
def test_words_are_found_beside_whatever_looks_like_markup(text: str, found: set[str]) -> None:
    stems = set(stems_of("note", [{"text": text}]))
    assert found <= stems
    narrative: Json = {"text": {"div": f"<div>{text}</div>"}}
    assert found <= set(words_of(narrative, set()).narrative)
    assert words_of({}, set()) == NO_WORDS
