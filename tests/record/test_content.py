"""What a content has to be to get into a record: of its type, of no type that runs, and with a name that is one."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.record.content import HEAD, explain_name, explain_type, explain_url

PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"
SIGNED = {"application/pdf": PDF, "image/png": PNG, "image/jpeg": JPEG}
RUNS = ["text/html", "image/svg+xml", "application/javascript", "application/x-msdownload", "application/x-sh"]
PROGRAMS = [b"MZ\x90\x00\x03", b"\x7fELF\x02\x01\x00", b"#!/bin/sh\n", b"\xca\xfe\xba\xbe\x00\x00"]
ENDINGS = ["exe", "COM", "bat", "scr", "js", "vbs", "ps1", "jar", "sh", "lnk", "htm", "html", "svg", "php"]
LETTERS = st.characters(whitelist_categories=("L", "N"))
WORDS = st.text(LETTERS, min_size=1, max_size=12)


@given(st.text(max_size=40), st.binary(max_size=64))
def test_whatever_is_said_and_sent_there_is_an_answer(declared: str, head: bytes) -> None:
    assert isinstance(explain_type(declared, head), str)


@given(st.sampled_from(sorted(SIGNED)), st.sampled_from(sorted(SIGNED)), st.binary(max_size=64))
def test_a_content_with_a_signature_is_of_that_type_alone(declared: str, real: str, rest: bytes) -> None:
    assert (explain_type(declared, SIGNED[real] + rest) == "") == (declared == real)


@given(st.sampled_from(sorted(SIGNED)), st.sampled_from(["", "; charset=utf-8", " ;version=1.7"]))
def test_a_type_is_the_same_in_capitals_and_with_parameters(declared: str, rest: str) -> None:
    assert explain_type(declared.upper() + rest, SIGNED[declared] + b"\0" * 32) == ""


@given(st.sampled_from(RUNS), st.binary(max_size=64))
def test_a_type_that_runs_is_never_taken(declared: str, head: bytes) -> None:
    assert "would run" in explain_type(declared, head)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("declared", ["application/octet-stream", "application/pdf", "text/plain", "application/x-any"])
def test_a_program_is_never_taken(declared: str, program: bytes) -> None:
    assert explain_type(declared, program + b"\x00\x01\x02\x03" * 8)


def test_a_text_that_begins_as_a_program_would_is_a_text() -> None:
    assert explain_type("text/plain", b"MZ: le code postal de Metz") == ""


@given(st.text(st.characters(blacklist_categories=("Cc", "Cs")), max_size=200))
def test_a_text_is_taken_in_whatever_language(text: str) -> None:
    body = f"Compte rendu\n{text}\n".encode()
    assert explain_type("text/plain; charset=utf-8", body[:HEAD]) == ""


@given(st.binary(max_size=64), st.sampled_from([0, 1, 7, 8, 31]), st.binary(max_size=64))
def test_a_text_has_no_control_characters(before: bytes, control: int, after: bytes) -> None:
    head = b"a" + before + bytes([control]) + after
    assert explain_type("text/plain", head)


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)


@given(JSONS)
def test_json_begins_as_json(value: object) -> None:
    body = json.dumps(value).encode()
    assert explain_type("application/fhir+json", body) == ""
    assert explain_type("application/json", b"<" + body)
    assert explain_type("application/xml", body)
    assert explain_type("application/xml", b"\xef\xbb\xbf <a>" + body) == ""


@given(st.text(max_size=30))
def test_whatever_a_name_is_there_is_an_answer(name: str) -> None:
    assert isinstance(explain_name(name), str)


@given(st.lists(WORDS, min_size=1, max_size=4), st.sampled_from(["pdf", "txt", "jpg", "dcm", "docx"]))
def test_a_name_as_people_write_them_is_one(words: list[str], ending: str) -> None:
    assert explain_name(f"{' '.join(words)}.{ending}") == ""
    assert explain_name(f"{words[0]} (n° 3), l'{words[-1]} & co.{ending}") == ""


@given(WORDS, st.sampled_from(ENDINGS), st.sampled_from(["", " ", "\u00a0"]))
def test_the_name_of_a_program_is_refused(name: str, ending: str, rest: str) -> None:
    assert "program" in explain_name(f"{name}.pdf.{ending}{rest}")


@given(WORDS, st.sampled_from(["../", "..\\"]), WORDS)
def test_a_name_that_leads_elsewhere_is_refused(before: str, up: str, after: str) -> None:
    assert "path" in explain_name(f"{before}{up}{after}")
    assert "path" in explain_name(f"/{after}")
    assert "path" in explain_name(f"C:\\{after}")


INVISIBLE = st.characters(whitelist_categories=("Cc", "Cf"), blacklist_characters="\u200c\u200d\u00ad")


@given(WORDS, INVISIBLE, WORDS)
def test_a_name_that_hides_how_it_ends_is_refused(before: str, sign: str, after: str) -> None:
    assert unicodedata.category(sign) in {"Cc", "Cf"}
    assert "control" in explain_name(f"{before}{sign}{after}.pdf")


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d", "\u00ad"])
def test_what_writing_needs_is_no_disguise(joiner: str) -> None:
    assert explain_name(f"compte{joiner}rendu.pdf") == ""


@pytest.mark.parametrize("url", ["data:text/html,x", "JavaScript:alert(1)", "vbscript:x", "FILE:///etc/passwd"])
def test_a_url_that_is_no_address_is_told(url: str) -> None:
    assert url.partition(":")[0].lower() in explain_url(url)


@pytest.mark.parametrize("url", ["", "Binary/1", "urn:uuid:1", "https://pacs.example/data:1", "urn:oid:1.2", "base"])
def test_any_other_url_of_a_content_is_taken(url: str) -> None:
    assert explain_url(url) == ""
