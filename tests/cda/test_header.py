"""CDA documents as DocumentReferences: what of the header becomes what, and what is wrong is told with its place."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.cda.body import Embedded
from fhir_dmp.cda.document import PROFILE, Stored, build_document
from fhir_dmp.cda.faults import MOST
from fhir_dmp.cda.header import read_header
from fhir_dmp.cda.moment import read_moment
from fhir_dmp.cda.read import read_tree
from fhir_dmp.cda.systems import structured_format
from fhir_dmp.instant import parse_instant
from fhir_dmp.outcome import Category, FhirError, Issue

Json = Any
HERE = Path(__file__).parent
CASES = HERE.parent / "cases/cda"
DEPOSITED = "2026-07-01T08:00:00.000Z"
PARIS = ZoneInfo("Europe/Paris")
LEVEL_1, LEVEL_3 = ((HERE / f"documents/level{level}.xml").read_bytes() for level in (1, 3))
NOS = "https://mos.esante.gouv.fr/NOS"


def convert(data: bytes) -> tuple[Json, tuple[Embedded, ...]]:
    header, embedded = read_header(read_tree(data), PARIS)
    return build_document(header, Stored("urn:uuid:1", len(data), "AA==", DEPOSITED), ["MASQUE_PS"]), embedded


def test_a_header_of_level_1_fills_a_document() -> None:
    document, embedded = convert(LEVEL_1)
    assert document == json.loads((HERE / "documents/level1.json").read_text(encoding="utf8"))
    assert document["meta"]["profile"] == [PROFILE]
    assert [(row.media_type, row.data[:8]) for row in embedded] == [("application/pdf", "JVBERi0x")]


def test_a_document_of_level_3_has_the_format_of_its_model() -> None:
    document, embedded = convert(LEVEL_3)
    assert document["content"][0]["format"] == {
        "system": f"{NOS}/TRE_A06-FormatCodeComplementaire/FHIR/TRE-A06-FormatCodeComplementaire",
        "code": "urn:asip:ci-sis:vsm:2012",
    }
    assert document["masterIdentifier"] == {"system": "urn:oid:1.2.250.1.999.1", "value": "VSM-2026/1"}
    assert document["category"][0]["coding"][0]["code"] == "11"
    assert document["content"][0]["attachment"]["title"] == "Synthèse médicale & antécédents"
    created = document["content"][0]["attachment"]["creation"]
    assert created == "2026-01-13T09:30:00+01:00", "a time without zone is the server's"
    assert document["date"] == DEPOSITED, "when the document was written is not when it came"
    assert document["context"]["period"] == {"start": "2026-01-13"}
    assert [(row.media_type, row.path.rpartition(".")[2]) for row in embedded] == [("image/png", "value")]


def test_whoever_signed_is_beside_the_authors_and_a_device_is_one() -> None:
    document, _ = convert(LEVEL_3)
    inside = {row["id"]: row for row in document["contained"]}
    assert document["authenticator"] == {"reference": "#authenticator"}
    assert inside["authenticator-person"]["identifier"][1]["value"] == "99900000033"
    assert document["author"] == [{"reference": "#author-0"}, {"reference": "#author-1"}]
    assert inside["author-1"]["deviceName"] == [{"name": "Logiciel d'essai 3.2", "type": "model-name"}]
    assert inside["author-1"]["owner"] == {"reference": "#author-1-structure"}


@pytest.mark.parametrize(
    ("models", "code"),
    [
        (["1.2.250.1.213.1.1.1.1", "1.2.250.1.213.1.1.1.55"], "urn:ihe:lab:xd-lab:2008"),
        (["1.3.6.1.4.1.19376.1.8.1.1.2.16"], "urn:ihe:pat:apsr:urinary_bladder:2010"),
        (["1.2.250.1.213.1.1.1.5.4"], "urn:ans:ci-sis:cse-mde:2023"),
        (["1.2.250.1.213.1.1.1.1"], "urn:ihe:iti:xds:2017:mimeTypeSufficient"),
    ],
)
def test_formats_follow_from_models(models: list[str], code: str) -> None:
    assert structured_format(models)[1] == code


@pytest.mark.parametrize("case", json.loads((CASES / "refused.json").read_text()), ids=lambda case: str(case["name"]))
def test_a_header_that_is_not_the_french_one_is_refused_with_its_place(case: Json) -> None:
    text = LEVEL_1.decode()
    assert case["old"] in text
    with pytest.raises(FhirError) as caught:
        convert(text.replace(case["old"], case["new"]).encode())
    (issue,) = caught.value.issues
    assert (caught.value.category, issue.code) == (Category.UNPROCESSABLE, "cda-header")
    assert issue.expression == case["expression"], issue.message
    assert f"line {case['line']}, column " in issue.message


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(FhirError) as caught:
        convert(LEVEL_1.replace(b"fr-FR", b"?").replace(b"custodian>", b"x>").replace(b"Lettre de liaison<", b"<"))
    assert {issue.expression.partition(".")[2].partition(".")[0] for issue in caught.value.issues} == {
        "languageCode", "custodian", "title",
    }  # fmt: skip


@pytest.mark.parametrize("case", json.loads((CASES / "malformed.json").read_text()), ids=lambda case: str(case["name"]))
def test_what_is_no_document_is_refused_with_its_place(case: Json) -> None:
    with pytest.raises(FhirError) as caught:
        convert(case["text"].encode())
    (issue,) = caught.value.issues
    assert (caught.value.category, issue.code) == (Category.MALFORMED, "cda-malformed")
    assert case["told"] in issue.message


@pytest.mark.parametrize(
    "text",
    [
        b'<ClinicalDocument xmlns="urn:hl7-org:v3">' + b"<a>" * 300,
        b'<ClinicalDocument xmlns="urn:hl7-org:v3">' + b"<author/>" * 30_000,
        b'<ClinicalDocument xmlns="urn:hl7-org:v3"><component><structuredBody>' + b'<v representation="B64"/>' * 30_000,
    ],
    ids=["depth", "header", "media"],
)
def test_a_document_that_is_made_to_be_large_is_refused(text: bytes) -> None:
    with pytest.raises(FhirError) as caught:
        convert(text)
    assert caught.value.issues[0].code == "cda-malformed"


@given(st.sampled_from([LEVEL_1, LEVEL_3]), st.data())
def test_a_damaged_document_is_converted_or_refused(text: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = start + data.draw(st.integers(0, 60))
    piece = data.draw(st.sampled_from([b"", b"<", b'"', b"\xff", b"</x>", b'root="', b"&amp;", b'nullFlavor="UNK"']))
    refused: Sequence[Issue] = ()
    document: Json = {}
    try:
        document, _ = convert(text[:start] + piece + text[end:])
    except FhirError as fault:
        refused = fault.issues
    assert all(issue.code in {"cda-malformed", "cda-header"} and "line " in issue.message for issue in refused)
    assert bool(refused) != str(document.get("subject")).startswith("{'reference': 'Patient?identifier=urn:oid:")


MOMENTS = {
    "2026": "2026", "202606": "2026-06", "20260612": "2026-06-12", "2026061217": "2026-06-12T17:00:00+02:00",
    "202601121730": "2026-01-12T17:30:00+01:00", "20260612173015.25+0000": "2026-06-12T17:30:15+00:00",
    "20260612173000-0330": "2026-06-12T17:30:00-03:30",
}  # fmt: skip


@pytest.mark.parametrize("text", MOMENTS)
def test_points_in_time_stay_as_exact_as_they_are(text: str) -> None:
    assert read_moment(text, PARIS) == MOMENTS[text]


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))  # noqa: DTZ001  drawn without zone, as the text may be
def test_a_point_in_time_is_the_same_in_both_forms(at: datetime) -> None:
    text = f"{at.year:04}{at:%m%d%H%M%S}"
    expected = int(at.replace(microsecond=0, tzinfo=UTC).timestamp()) * 1000
    assert parse_instant(read_moment(f"{text}+0000", PARIS), "") == expected


@given(st.one_of(st.text(max_size=24), st.from_regex(r"[0-9]{1,20}([+-][0-9]{1,5})?", fullmatch=True)))
def test_any_text_is_a_point_in_time_or_none(text: str) -> None:
    try:
        found = read_moment(text, PARIS)
    except ValueError:
        return
    assert found[:4] == text[:4]


_LONG = "n" * 100
_NEST = 190
HOSTILE = {
    "long names, deep inside one another": (f"<{_LONG}>" * _NEST + "<b/>" * 15_000 + f"</{_LONG}>" * _NEST, ""),
    "a name longer than any": ("<" + "n" * 1000 + "/>", "the name of an element is longer than"),
    "a namespace longer than any": (
        f'<a xmlns="urn:{"n" * 1_000_000}">' + "<b/>" * 15_000 + "</a>",
        "a namespace has more than",
    ),
    "authors without anything": ("<author><assignedAuthor/></author>" * 6000, "is neither a person"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_header_takes_of_memory_grows_with_its_length(name: str) -> None:
    inside, message = HOSTILE[name]
    data = f'<ClinicalDocument xmlns="urn:hl7-org:v3">{inside}</ClinicalDocument>'.encode()
    tracemalloc.start()
    try:
        with pytest.raises(FhirError) as refused:
            convert(data)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 64 * 1024 * 1024
    assert len(refused.value.issues) <= MOST
    assert any(message in issue.message for issue in refused.value.issues)
