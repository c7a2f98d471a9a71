"""Files become entries and parcels: every form of file, and ids that are the same each time."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.commands.parcel import MAX_BYTES, MAX_ENTRIES, Entry, Parcel, pack
from fhir_dmp.commands.progress import show_progress
from fhir_dmp.commands.reading import Piece, read_pieces
from fhir_dmp.commands.report import Place, Refusal
from fhir_dmp.json_position import Position

PATIENT = {"resourceType": "Patient", "id": "1"}
NAMELESS = {"resourceType": "Patient", "active": True}
A, B = "urn:uuid:0d9d4a9c-6d3b-4b5e-8c53-000000000001", "urn:uuid:0d9d4a9c-6d3b-4b5e-8c53-000000000002"


def _read(file: Path, content: object) -> list[Piece]:
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf8")
    with show_progress("reading", 1) as meter:
        return list(read_pieces([file], meter))


def _sent(parcels: Iterable[Parcel | Refusal], *, plain: bool = False) -> list[list[tuple[str, str, Any]]]:
    """The method, URL and resource of each entry of each parcel, as the server gets them."""
    bundles = [json.loads(row.build_bundle(row.kind, plain=plain)) for row in parcels if isinstance(row, Parcel)]
    return [
        [(row["request"]["method"], row["request"]["url"], row.get("resource")) for row in bundle["entry"]]
        for bundle in bundles
    ]


def _bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def test_a_resource_with_an_id_is_an_update(tmp_path: Path) -> None:
    assert _sent(pack(_read(tmp_path / "a.json", PATIENT))) == [[("PUT", "Patient/1", PATIENT)]]


def test_a_resource_without_id_gets_one_that_stays(tmp_path: Path) -> None:
    first, again = (_sent(pack(_read(tmp_path / "a.json", NAMELESS))) for _ in range(2))
    ((method, url, resource),) = first[0]
    assert method == "PUT"
    assert uuid.UUID(url.removeprefix("Patient/")).version == 5
    assert resource == {"id": url.removeprefix("Patient/"), **NAMELESS}
    assert first == again


def test_file_line_and_content_tell_ids_apart(tmp_path: Path) -> None:
    line = json.dumps(NAMELESS)
    other = json.dumps({"resourceType": "Patient", "active": False})
    rows = _sent(pack(_read(tmp_path / "a.ndjson", f"{line}\n{line}\n{other}\n")))
    rows += _sent(pack(_read(tmp_path / "b.ndjson", f"{line}\n")))
    rows += _sent(pack(_read(tmp_path / "a.ndjson", f"{other}\n")))
    urls = [url for row in rows for _, url, _ in row]
    assert len(set(urls)) == len(urls) == 5


def test_a_server_that_assigns_ids_gets_a_creation(tmp_path: Path) -> None:
    pieces = _read(tmp_path / "a.ndjson", f"{json.dumps(NAMELESS)}\n{json.dumps(PATIENT)}\n")
    assert _sent(pack(pieces), plain=True) == [[("POST", "Patient", NAMELESS), ("PUT", "Patient/1", PATIENT)]]


def test_text_is_sent_digit_for_digit(tmp_path: Path) -> None:
    line = '{"resourceType":"Observation","id":"o","valueQuantity":{"value":1.00},"x":"\\u00e9"}'
    (parcel,) = pack(_read(tmp_path / "a.ndjson", f"  {line} \r\n"))
    assert isinstance(parcel, Parcel)
    assert line.encode() in parcel.build_bundle("transaction", plain=False)
    (parcel,) = pack(
        _read(tmp_path / "c.json", f'{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{line}}}]}}')
    )
    assert isinstance(parcel, Parcel)
    assert b'"value":1.00' in parcel.build_bundle("transaction", plain=False)


def test_an_id_is_escaped_in_the_url(tmp_path: Path) -> None:
    resource = {"resourceType": "Patient", "id": "a/b?c"}
    assert _sent(pack(_read(tmp_path / "a.json", resource))) == [[("PUT", "Patient/a%2Fb%3Fc", resource)]]


def test_what_a_transaction_creates_without_conditions_gets_ids_that_stay(tmp_path: Path) -> None:
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": A,
            "resource": {"resourceType": "Patient", "id": "own"},
            "request": {"method": "POST", "url": "Patient"},
        },
        {"resource": NAMELESS, "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=a"}},
        {"resource": PATIENT, "request": {"method": "PUT", "url": "Patient/1"}},
        {"request": {"method": "DELETE", "url": "Patient/2"}},
        {"resource": {"resourceType": "Parameters"}, "request": {"method": "POST", "url": "Patient/$match"}},
    ]
    (parcel,) = _read(tmp_path / "t.json", _bundle("transaction", *entries))
    assert isinstance(parcel, Parcel)
    assert (parcel.is_whole, parcel.kind, parcel.depends) == (True, "transaction", False)
    sent = json.loads(parcel.build_bundle(parcel.kind, plain=False))["entry"]
    chosen = sent[0]["resource"]["id"]
    assert sent[0] == {
        "fullUrl": A,
        "resource": {"resourceType": "Patient", "id": chosen},
        "request": {"method": "PUT", "url": f"Patient/{chosen}"},
    }
    assert chosen != "own"
    assert sent[1:] == entries[1:]
    assert json.loads(parcel.build_bundle(parcel.kind, plain=True))["entry"] == entries


def test_a_transaction_with_conditional_references_depends_on_others(tmp_path: Path) -> None:
    subject = {"resourceType": "Observation", "subject": {"reference": "Patient?identifier=a|b"}}
    entry = {"resource": subject, "request": {"method": "POST", "url": "Observation"}}
    assert [row.depends for row in _read(tmp_path / "t.json", _bundle("transaction", entry)) if isinstance(row, Parcel)]


@pytest.mark.parametrize("kind", ["collection", "searchset"])
def test_members_of_a_collection_come_one_by_one(tmp_path: Path, kind: str) -> None:
    outcome = {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}}
    bundle = _bundle(
        kind, {"fullUrl": "http://x/Patient/1", "resource": PATIENT}, outcome, {"fullUrl": A}, {"resource": NAMELESS}
    )
    pieces = _read(tmp_path / "c.json", bundle)
    assert [type(piece) for piece in pieces] == [Entry, Entry]
    assert [piece.place.frame for piece in pieces if isinstance(piece, Entry)] == [
        "Bundle.entry[0].resource",
        "Bundle.entry[3].resource",
    ]
    assert _sent(pack(pieces))[0][0] == ("PUT", "Patient/1", PATIENT)


@pytest.mark.parametrize("escape", [False, True])
def test_members_that_refer_to_one_another_stay_together(tmp_path: Path, *, escape: bool) -> None:
    full_url = "http://x/fhir/Patient/1"
    subject = {"resourceType": "Observation", "id": "o", "subject": {"reference": full_url}}
    bundle = json.dumps(
        _bundle("collection", {"fullUrl": full_url, "resource": PATIENT}, {"fullUrl": B, "resource": subject})
    )
    (parcel,) = _read(tmp_path / "c.json", bundle.replace("/", "\\/") if escape else bundle)
    assert isinstance(parcel, Parcel)
    assert (parcel.is_whole, len(parcel.entries)) == (True, 2)
    sent = json.loads(parcel.build_bundle("transaction", plain=False))["entry"]
    assert [entry["fullUrl"] for entry in sent] == [full_url, B]


@pytest.mark.parametrize("kind", ["document", "message"])
def test_documents_and_messages_are_stored_as_bundles(tmp_path: Path, kind: str) -> None:
    bundle = {**_bundle(kind, {"resource": PATIENT}), "id": "d"}
    assert _sent(pack(_read(tmp_path / "d.json", bundle))) == [[("PUT", "Bundle/d", bundle)]]


@pytest.mark.parametrize(
    ("content", "line", "column", "expression", "message"),
    [
        ('{\n "resourceType": "Patient",\n}', 3, 1, "", "not acceptable JSON: Expecting property name"),
        ("[]", 1, 1, "", "not acceptable JSON: the body is not a JSON object"),
        ({"type": "x"}, None, None, "", "a resource names its type"),
        ({"resourceType": 3}, None, None, "", "a resource names its type"),
        ({"resourceType": "../x"}, None, None, "", "a resource names its type"),
        (_bundle("history"), None, None, "Bundle.type", "a Bundle of type history is nothing to load"),
        ({"resourceType": "Bundle"}, None, None, "Bundle.type", "a Bundle of type None is nothing to load"),
        ({**_bundle("batch"), "entry": [3]}, None, None, "Bundle.entry", "the entries of a Bundle are an array of"),
        ({**_bundle("batch"), "entry": {}}, None, None, "Bundle.entry", "the entries of a Bundle are an array of"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_here(
    tmp_path: Path, content: object, line: int | None, column: int | None, expression: str, message: str
) -> None:
    (refusal,) = _read(tmp_path / "x.json", content)
    assert isinstance(refusal, Refusal)
    assert refusal.message.startswith(message)
    assert refusal.expression == expression
    assert refusal.position == (Position(line, column) if line and column else None)


def test_a_line_of_ndjson_is_refused_in_its_place(tmp_path: Path) -> None:
    refused = [
        piece
        for piece in _read(tmp_path / "x.ndjson", '\n{"a":\n{"resourceType":"Patient"}\n')
        if isinstance(piece, Refusal)
    ]
    assert [(row.position, row.place.line) for row in refused] == [(Position(2, 6), 2)]


@pytest.mark.parametrize("kind", ["transaction", "batch", "collection"])
def test_an_empty_bundle_is_nothing_to_send(tmp_path: Path, kind: str) -> None:
    assert _read(tmp_path / "e.json", _bundle(kind)) == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
_PATIENT = st.fixed_dictionaries({"resourceType": st.just("Patient") | _JSON}, optional={"id": _JSON})
_CREATION = st.fixed_dictionaries({"method": st.just("POST") | _JSON, "url": st.just("Patient") | _JSON})
_ENTRY = st.fixed_dictionaries(
    {}, optional={"fullUrl": _JSON, "resource": _JSON | _PATIENT, "request": _JSON | _CREATION}
)
_MEMBERS = {
    "resourceType": st.just("Bundle"),
    "type": st.sampled_from(["transaction", "batch", "collection", "searchset", "history"]) | _JSON,
    "entry": st.lists(_ENTRY | _JSON, max_size=3) | _JSON,
}


@given(bundle=st.fixed_dictionaries(_MEMBERS))
def test_no_bundle_makes_reading_fail(tmp_path_factory: pytest.TempPathFactory, bundle: dict[str, Any]) -> None:
    parcels = list(pack(_read(tmp_path_factory.mktemp("any") / "b.json", bundle)))
    for parcel in parcels:
        if isinstance(parcel, Parcel):
            assert json.loads(parcel.build_bundle("batch", plain=False))["entry"]
            assert json.loads(parcel.build_bundle("batch", plain=True))["entry"]
            assert parcel.urls is not None


def _entry(url: str, size: int = 1) -> Entry:
    return Entry(Place(Path("x")), {"request": {"method": "PUT", "url": url}}, f"key of {url}", size)


def test_entries_are_packed_by_the_hundred_and_by_size() -> None:
    many = [_entry(f"Patient/{number}") for number in range(MAX_ENTRIES * 2 + 1)]
    assert [len(row.entries) for row in pack(many) if isinstance(row, Parcel)] == [MAX_ENTRIES, MAX_ENTRIES, 1]
    large = [_entry(f"Patient/{number}", MAX_BYTES // 2) for number in range(5)]
    assert [len(row.entries) for row in pack(large) if isinstance(row, Parcel)] == [2, 2, 1]


@given(st.lists(st.sampled_from("abcdef") | st.just(None), max_size=40))
def test_packing_keeps_everything_in_order_and_a_resource_once_per_parcel(names: list[str | None]) -> None:
    refusal = Refusal(Place(Path("x")), "no")
    pieces: list[Piece] = [_entry(f"Patient/{name}") if name else refusal for name in names]
    packed = list(pack(pieces))
    entries = [entry for row in packed if isinstance(row, Parcel) for entry in row.entries]
    assert entries == [piece for piece in pieces if isinstance(piece, Entry)]
    assert sum(row is refusal for row in packed) == names.count(None)
    for row in packed:
        if isinstance(row, Parcel):
            assert len({entry.url for entry in row.entries}) == len(row.entries)


def test_a_whole_parcel_keeps_its_place_among_the_entries() -> None:
    whole = Parcel((_entry("Patient/b"),), is_whole=True)
    packed = list(pack([_entry("Patient/a"), whole, _entry("Patient/c")]))
    assert [row.entries[0].url for row in packed if isinstance(row, Parcel)] == ["Patient/a", "Patient/b", "Patient/c"]
