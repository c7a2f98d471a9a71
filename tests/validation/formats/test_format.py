"""Every format against its table of right and wrong texts, and its two answers against one another."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.validation.formats.format import Format
from fhir_dmp.validation.formats.narrative import NARRATIVE_FORMAT
from fhir_dmp.validation.formats.temporal import TEMPORAL_FORMATS
from fhir_dmp.validation.formats.text import MAX_STRING, TEXT_FORMATS

FORMATS = {item.type: item for item in (*TEXT_FORMATS, *TEMPORAL_FORMATS, NARRATIVE_FORMAT)}
TABLES = {
    name: table
    for file in sorted((Path(__file__).parent / "cases").glob("*.json"))
    for name, table in json.loads(file.read_text(encoding="utf-8")).items()
}
RIGHT = [(name, text) for name, table in TABLES.items() for text in table["right"]]
WRONG = [(name, text, reason) for name, table in TABLES.items() for text, reason in table["wrong"].items()]

ALPHABETS = {
    "date": "0123456789-T",
    "dateTime": "0123456789-T:Z+.",
    "instant": "0123456789-T:Z+.",
    "time": "0123456789:.Z",
    "oid": "urnoid:0123.",
    "uuid": "urnid:0af-",
    "base64Binary": "QUJ=+/ \n-",
    "id": "aZ0-._ ",
}
"""Letters that make near misses likely."""


def decide(item: Format, text: str) -> bool:
    return bool(item.accept(text)) or not item.explain(text)


def test_every_format_has_a_table() -> None:
    assert set(TABLES) == set(FORMATS)


@pytest.mark.parametrize(("name", "text"), RIGHT)
def test_right_text_is_taken(name: str, text: str) -> None:
    assert FORMATS[name].explain(text) == ""
    assert decide(FORMATS[name], text)


@pytest.mark.parametrize(("name", "text", "reason"), WRONG)
def test_wrong_text_is_explained(name: str, text: str, reason: str) -> None:
    assert not FORMATS[name].accept(text)
    assert FORMATS[name].explain(text) == reason


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_quick_yes_is_never_given_to_a_text_that_is_explained_away(name: str, data: st.DataObject) -> None:
    alphabet = ALPHABETS.get(name)
    text = data.draw(st.text(alphabet) if alphabet else st.text())
    if FORMATS[name].accept(text):
        assert FORMATS[name].explain(text) == ""


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_text_near_a_right_one_is_decided_the_same_twice(name: str, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TABLES[name]["right"]))
    place = data.draw(st.integers(0, len(text)))
    changed = text[:place] + data.draw(st.text(max_size=2)) + text[place + data.draw(st.integers(0, 2)) :]
    if FORMATS[name].accept(changed):
        assert FORMATS[name].explain(changed) == ""


@given(st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32))
def test_dates_are_those_of_the_calendar(year: int, month: int, day: int) -> None:
    text = f"{year:04}-{month:02}-{day:02}"
    assert decide(FORMATS["date"], text) == _is_in_calendar(text)
    assert decide(FORMATS["dateTime"], f"{text}T10:00:00Z") == _is_in_calendar(text)
    assert decide(FORMATS["instant"], f"{text}T10:00:00Z") == _is_in_calendar(text)


def _is_in_calendar(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", ["string", "markdown"])
def test_strings_have_at_most_a_mebibyte_of_characters(name: str) -> None:
    assert decide(FORMATS[name], "é" * MAX_STRING)
    assert FORMATS[name].explain("é" * (MAX_STRING + 1)) == "it is longer than 1048576 characters"


def test_narratives_have_at_most_a_mebibyte_of_characters() -> None:
    assert FORMATS["xhtml"].explain("<" * (MAX_STRING + 1)) == "it is longer than 1048576 characters"


@pytest.mark.parametrize(
    "text",
    [
        "<div xmlns='http://www.w3.org/1999/xhtml' style='url(" + " " * 500_000 + "'/>",
        "<div xmlns='http://www.w3.org/1999/xhtml'>" + "<b>" * 100_000 + "</b>" * 100_000 + "</div>",
        "<div xmlns='http://www.w3.org/1999/xhtml'><b " + " ".join(f"a{i}='1'" for i in range(50_000)) + "/></div>",
        "<!" * 500_000,
    ],
    ids=["spaces", "nesting", "attributes", "declarations"],
)
def test_hostile_narrative_is_decided(text: str) -> None:
    assert isinstance(FORMATS["xhtml"].explain(text), str)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "text", ["a " * 200_000, "1" * 400_000, "urn:oid:1" + ".1" * 200_000 + ".", "=" * 400_000, "\ud800"]
)
def test_hostile_text_is_decided(name: str, text: str) -> None:
    assert isinstance(decide(FORMATS[name], text), bool)
