"""A submission set has names, and is the same as another where the same source submits the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.access.change import Item
from fhir_dmp.record.submission import is_same_submission, names_of_submission
from fhir_dmp.search.facts import Facts, Mark, Security

Json = Any
BASE = "https://dmp.example/fhir"
CODE = {"system": "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes", "code": "submissionset"}
SOURCE = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-sourceId"
ITEMS = st.lists(st.sampled_from(["DocumentReference/1", "DocumentReference/2", "List/3"]), max_size=4)


def _list(items: list[str], *identifiers: Json, source: str = "1", code: Json = CODE) -> Json:
    return {
        "resourceType": "List",
        "code": {"coding": [code]},
        "extension": [{"url": SOURCE, "valueIdentifier": {"system": "s", "value": source}}],
        "identifier": list(identifiers),
        "entry": [{"item": {"reference": text}} for text in items],
    }


def _item(resource: Json, author: str = "a", patient: str = "1") -> Item:
    return Item(resource, Facts("List", "1", 0, patient=patient, security=Security((Mark("author", author),))))


@given(st.sampled_from(["usual", "official", "temp", "secondary", "old", None]), st.text(max_size=8))
def test_it_is_named_by_its_unique_id_and_its_entry_uuid(use: str | None, value: str) -> None:
    identifier = {"system": "s", "value": value} | ({"use": use} if use else {})
    expected = [f"s|{value}"] if use in {"usual", "official"} and value else []
    assert names_of_submission(_list([], identifier)) == expected
    assert names_of_submission(_list([], identifier, code={**CODE, "code": "folder"})) == []
    assert (
        names_of_submission({"resourceType": "PractitionerRole", "code": [{"text": "x"}], "identifier": [identifier]})
        == []
    )


@given(ITEMS, ITEMS)
def test_the_same_is_submitted_where_the_items_are_the_same_in_whatever_order(one: list[str], other: list[str]) -> None:
    absolute = [f"{BASE}/{text}" for text in other]
    assert is_same_submission(_item(_list(one)), _item(_list(absolute)), BASE) == (set(one) == set(other))


def test_of_one_entry_uuid_the_unique_id_is_not_another() -> None:
    both, *others = ([{"use": "usual", "system": "s", "value": value}] for value in "112")
    one = _item(_list([], *both))
    assert [is_same_submission(one, _item(_list([], *rows)), BASE) for rows in [*others, []]] == [True, False, True]


@pytest.mark.parametrize("other", [
    _item(_list([]), author="b"), _item(_list([]), patient="2"), _item(_list([], source="2")),
    _item({**_list([]), "entry": [{"item": {"identifier": {"system": "s", "value": "1"}}}]}),
])  # fmt: skip
def test_it_is_another_where_another_submits_or_something_else_or_for_another(other: Item) -> None:
    own = _item(_list([]))
    assert is_same_submission(own, own, BASE)
    assert not is_same_submission(own, other, BASE)
