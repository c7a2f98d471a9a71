"""Normal forms of texts."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fhir_dmp.search.text import COMPARED, name_parts, normalise


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Ève", "eve"),
        ("E\u0300ve", "eve"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("Œdipe & Cæsar", "oedipe caesar"),
        ("Łódź Øre Đại", "lodz ore dai"),
        ("Jean-Pierre", "jean pierre"),
        ("Jean\N{EN DASH}Pierre", "jean pierre"),
        ("O'Brien, l\N{RIGHT SINGLE QUOTATION MARK}ami", "obrien lami"),
        (" a \t\r\n\N{NO-BREAK SPACE}b ", "a b"),
        ("a|b", "ab"),
        ("a\N{ZERO WIDTH SPACE}b\x00c", "ab c"),
        ("5 € + 3 $ = <8>", "5 € + 3 $ = <8>"),
        ("-- ?!", ""),
        ("ÉCOLE", "ecole"),
        ("İstanbul", "istanbul"),
        ("Владимир", "владимир"),
        ("x" * 1000, "x" * COMPARED),
    ],
)
def test_text_has_the_normal_form_of_the_table(text: str, form: str) -> None:
    assert normalise(text) == form


@given(st.text())
@example("\u1e9e")
@example("\u0149")
@example("\u03f4")
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(max_size=50))
def test_composed_and_decomposed_texts_have_one_normal_form(text: str) -> None:
    assert normalise(unicodedata.normalize("NFC", text)) == normalise(unicodedata.normalize("NFD", text))


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_ascii_texts_are_treated_as_any_other(text: str) -> None:
    assert normalise(f"{text} é") == " ".join([*normalise(text).split(), "e"])


@given(st.text(max_size=100))
def test_normal_forms_have_no_separator_and_no_spare_spaces(text: str) -> None:
    form = normalise(text)
    assert "|" not in form
    assert form == " ".join(form.split())


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Dupont", []),
        ("Carreño Quiñones", ["quinones"]),
        ("Dupont-Martin", ["martin"]),
        ("de la Tour", ["la tour", "tour"]),
        ("Dupont -", []),
        (" ".join("abcdefghijklmnopqrstuvwxyz"), None),
    ],
)
def test_names_are_found_from_each_later_part(name: str, parts: list[str] | None) -> None:
    found = name_parts(name)
    assert len(found) == 16 if parts is None else found == parts
