"""Explanations are the decision in words, and tell what a draft would change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random

import pytest

from fhir_dmp.access.explain import (
    differs,
    explain_absent,
    explain_item,
    explain_items,
    explain_record,
    with_draft,
    without_scope,
)
from fhir_dmp.access.reason import SYSTEM, Rule
from fhir_dmp.access.wording import SENTENCES
from fhir_dmp.loader import data_folder
from tests.strategies.access import MATRIX, READING, consent, facts, inquiry, patient, record, reference
from tests.strategies.access_worlds import PEOPLE, make_consent, make_item

PETIT = {"rpps": "10000000004", "profession": "10", "purpose": "TREAT"}
ACCESS = consent("acces", {"type": "permit", "actor": ["Practitioner/petit"], "purpose": ["TREAT"]})
ALLERGY = facts({"resourceType": "AllergyIntolerance", "id": "1", "patient": reference("Patient/p")})


def test_every_rule_has_a_sentence_in_both_languages() -> None:
    assert SENTENCES.keys() == set(Rule)
    assert all(len(set(pair)) == 2 and all(text.endswith(".") for text in pair) for pair in SENTENCES.values())


def test_the_published_code_system_has_the_rules_and_their_sentences() -> None:
    published = json.loads((data_folder("profiles") / "dmp" / "CodeSystem-dmp-access-rule.json").read_bytes())
    assert (published["url"], published["language"]) == (SYSTEM, "fr")
    assert published["concept"] == [
        {
            "code": rule.value,
            "display": SENTENCES[rule][0],
            "designation": [{"language": "en", "value": SENTENCES[rule][1]}],
        }
        for rule in Rule
    ]


@pytest.mark.parametrize("row", PEOPLE, ids=str)
def test_many_items_are_explained_as_each_is(row: Mapping[str, object]) -> None:
    random = Random(str(row))
    for _ in range(20):
        items = [facts(make_item(random, number)) for number in range(10)]
        state = record([make_consent(random, f"c{number}") for number in range(3)])
        asked = without_scope(inquiry(row))
        each = [explain_item(asked, state, MATRIX, item) for item in items]
        assert explain_items(asked, state, MATRIX, items) == each
        assert explain_items(inquiry(row), state, MATRIX, items) == [
            explain_item(inquiry(row), state, MATRIX, item) for item in items
        ]


def test_an_absent_item_is_told_of_like_one_of_another_record() -> None:
    elsewhere = facts({"resourceType": "AllergyIntolerance", "id": "1", "patient": reference("Patient/q")})
    assert explain_absent() == explain_item(without_scope(inquiry(PETIT)), record([ACCESS]), MATRIX, elsewhere)


def test_the_consent_that_decided_is_named() -> None:
    told = explain_item(inquiry(PETIT), record([ACCESS]), MATRIX, ALLERGY)
    assert (told.permitted, told.rule, told.consent, told.purpose) == (True, "consent", "acces", "TREAT")
    assert told.sentence == "Un de vos consentements le permet."


def test_a_record_as_a_whole_is_explained() -> None:
    assert explain_record(inquiry(PETIT), record(), MATRIX).rule == "no-consent"
    assert explain_record(inquiry(PETIT), record([ACCESS]), MATRIX, "en").sentence == "One of your consents permits it."
    assert explain_record(inquiry({"kind": "excluded"}), record([ACCESS]), MATRIX).rule == "excluded"
    assert explain_record(inquiry({**PETIT, "profession": "26"}), record([ACCESS]), MATRIX).rule == "matrix"


def test_the_author_does_not_make_a_record_open() -> None:
    author = {"rpps": "10000000003", "profession": "10", "purpose": "TREAT"}
    assert not explain_record(inquiry(author), record(), MATRIX).permitted


def test_a_draft_is_tried_before_it_is_saved() -> None:
    block = {**consent("x", {"type": "deny", "actor": ["Practitioner/petit"]}), "status": "draft"}
    supposed = with_draft(patient(), [ACCESS], block, READING, {})
    before = explain_item(inquiry(PETIT), record([ACCESS]), MATRIX, ALLERGY)
    after = explain_item(inquiry(PETIT), supposed, MATRIX, ALLERGY)
    assert differs([before], [after]) == [(before, after)]
    assert (after.permitted, after.rule, after.consent) == (False, "blocked", "x")


def test_a_draft_of_a_consent_that_exists_replaces_it() -> None:
    narrowed = consent("acces", {"type": "permit", "actor": ["Practitioner/site"]})
    supposed = with_draft(patient(), [ACCESS], narrowed, READING, {})
    assert explain_record(inquiry(PETIT), supposed, MATRIX).rule == "no-consent"
