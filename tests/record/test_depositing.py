"""What the DMP makes of a document: its class, who sees it, what it replaces, and when two are one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.access.change import Item
from fhir_dmp.record.depositing import (
    contents_of,
    find_faults,
    find_replaced,
    find_unsaid,
    is_same,
    name_of,
    shows_more,
)
from fhir_dmp.record.document_type import _TYPES, CLASS, OWN_TYPE, class_of
from fhir_dmp.search.facts import Facts, Mark, Security
from fhir_dmp.search.sensitivity import CONFIDENTIALITY, LOINC, RANKS, VISIBILITY, rank_of, read_label

Json = Any
PAIRS = [(code, name) for name, codes in _TYPES.items() for code in codes.split()]
LABELS = ["MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"]


def _typed(code: str, *classes: str) -> Json:
    system = LOINC if code[0].isdigit() else OWN_TYPE
    rows = [{"coding": [{"system": CLASS, "code": name}]} for name in classes]
    return {"type": {"coding": [{"system": system, "code": code}]}, "category": rows}


def _labelled(*labels: tuple[str, str]) -> Item:
    """A document with labels, and the facts that these give it."""
    written = [{"coding": [{"system": system, "code": code}]} for system, code in labels]
    marks = tuple(Mark("label", f"{system}|{code}") for system, code in labels if system == VISIBILITY)
    ranks = [rank_of(code) for system, code in labels if read_label(system, code)[0] == CONFIDENTIALITY]
    security = Security(marks, max(ranks, default=RANKS.index("N")))
    facts = Facts("DocumentReference", "1", 0, security=security)
    return Item({"resourceType": "DocumentReference", "securityLabel": written}, facts)


@pytest.mark.parametrize(("code", "name"), PAIRS)
def test_each_type_of_the_dmp_goes_with_its_own_class_alone(code: str, name: str) -> None:
    assert find_faults(_typed(code, name)) == []
    for index, other in enumerate(_TYPES):
        found = find_faults(_typed(code, name, other))
        assert [issue.expression for issue in found] == ([] if other == name else ["DocumentReference.category[1]"]), (
            index
        )


@given(st.text(max_size=12), st.text(max_size=12), st.sampled_from(sorted(_TYPES)))
def test_a_type_that_the_dmp_does_not_have_is_of_no_class(system: str, code: str, name: str) -> None:
    document = {**_typed("34112-3", name), "type": {"coding": [{"system": system, "code": code}]}}
    assert class_of(system, code) == ""
    assert len(find_faults(document)) == 1
    assert find_faults({**document, "category": []}) == [], "without a class there is nothing to contradict"


@given(
    st.lists(st.tuples(st.just(VISIBILITY), st.sampled_from(LABELS)), max_size=3), st.sampled_from([None, *"NRVULM"])
)
def test_a_deposit_says_who_sees_it_if_and_only_if_it_says_its_confidentiality(
    labels: list[tuple[str, str]], confidentiality: str | None
) -> None:
    said = [*labels, *([(CONFIDENTIALITY, confidentiality)] if confidentiality else [])]
    found = find_unsaid(_labelled(*said))
    assert (found == []) == (confidentiality in {"N", "R", "V"})
    assert [issue.expression for issue in found] in ([], ["DocumentReference.securityLabel"])


@given(
    st.sets(st.sampled_from(LABELS)), st.sets(st.sampled_from(LABELS)),
    st.sampled_from("NRV"), st.sampled_from("NRV"),
)  # fmt: skip
def test_a_correction_shows_more_where_it_is_less_hidden_or_less_confidential(
    before: set[str], after: set[str], rank_before: str, rank_after: str
) -> None:
    old = _labelled(*((VISIBILITY, code) for code in before), (CONFIDENTIALITY, rank_before))
    new = _labelled(*((VISIBILITY, code) for code in after), (CONFIDENTIALITY, rank_after))
    # what is held back until it is announced opens by itself, so a correction may be open
    kept = before - {"INVISIBLE_PATIENT"}
    assert shows_more(new, old) == (not kept <= after or "NRV".index(rank_after) < "NRV".index(rank_before))
    assert not shows_more(old, old)


@given(st.lists(st.tuples(st.sampled_from(["replaces", "appends", "transforms", "signs"]), st.text(max_size=20))))
def test_what_is_replaced_is_told_in_order_with_its_place(relations: list[tuple[str, str]]) -> None:
    document = {"relatesTo": [{"code": code, "target": {"reference": text}} for code, text in relations]}
    expected = [
        (text, f"DocumentReference.relatesTo[{index}].target")
        for index, (code, text) in enumerate(relations)
        if code == "replaces"
    ]
    assert list(find_replaced(document)) == expected


ATTACHMENTS = st.fixed_dictionaries(
    {}, optional={"hash": st.sampled_from(["aGFzaA==", "b3RoZXI="]), "data": st.sampled_from(["YQ==", "Yg=="])}
)
DOCUMENTS = st.lists(ATTACHMENTS, max_size=3).map(lambda rows: {"content": [{"attachment": row} for row in rows]})


@given(DOCUMENTS, DOCUMENTS)
def test_contents_are_the_same_whatever_their_order(one: Json, other: Json) -> None:
    assert is_same(one, json.loads(json.dumps(one)))
    assert is_same(one, other) == is_same(other, one)
    turned = {"content": one["content"][::-1]}
    assert is_same(one, turned)


@given(DOCUMENTS)
def test_a_content_that_nothing_tells_apart_is_no_twin(document: Json) -> None:
    unknown = {"content": [*document["content"], {"attachment": {"url": "Binary/1"}}]}
    assert contents_of(unknown) == frozenset()


@given(st.text(max_size=8), st.text(max_size=8))
def test_a_name_has_a_value(system: str, value: str) -> None:
    found = name_of({"masterIdentifier": {"system": system, "value": value}})
    assert found == (f"{system}|{value}" if value else "")
    assert name_of({}) == name_of({"masterIdentifier": {"system": system}}) == ""
