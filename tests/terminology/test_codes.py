"""The algebra of codes: each operator code by code, as in three-valued logic."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.terminology.codes import Codes, Rule, Selection, combine, combine_selections, complement, subtract
from fhir_dmp.terminology.membership import NO, YES, Member, Membership, both, either, negate, prefer_known, unknown

DOUBT = unknown("code-system-absent", "it is not here")
ANSWERS = st.sampled_from([YES, NO, DOUBT])
ALPHABET = "abcd"
RULES = st.dictionaries(st.sampled_from(ALPHABET), ANSWERS).map(
    lambda table: Rule(lambda key: table.get(key, NO), DOUBT)
)
CODES = st.builds(Codes, st.dictionaries(st.sampled_from(ALPHABET), ANSWERS), st.one_of(ANSWERS, RULES))
SELECTIONS = st.builds(Selection, st.dictionaries(st.sampled_from("xy"), CODES), CODES)
ORDER = {Member.NO: 0, Member.UNKNOWN: 1, Member.YES: 2}


def _members(codes: Codes) -> list[Member]:
    return [codes.decide(code).member for code in ALPHABET]


@given(left=ANSWERS, right=ANSWERS)
def test_and_is_the_least_and_or_the_greatest(left: Membership, right: Membership) -> None:
    pair = [left.member, right.member]
    assert both(left, right).member is min(pair, key=ORDER.__getitem__)
    assert either(left, right).member is max(pair, key=ORDER.__getitem__)
    assert negate(both(left, right)).member is either(negate(left), negate(right)).member


@given(parts=st.lists(CODES, min_size=1, max_size=4), operator=st.sampled_from([both, either, prefer_known]))
def test_codes_are_combined_one_by_one(parts: list[Codes], operator: Any) -> None:
    found = combine(operator, parts)
    for code in ALPHABET:
        expected = parts[0].decide(code)
        for part in parts[1:]:
            expected = operator(expected, part.decide(code))
        assert found.decide(code).member is expected.member


@given(codes=CODES)
def test_the_complement_of_the_complement_is_the_same(codes: Codes) -> None:
    assert _members(complement(complement(codes))) == _members(codes)
    assert _members(complement(codes)) == [negate(codes.decide(code)).member for code in ALPHABET]


@given(left=SELECTIONS, right=st.lists(SELECTIONS, max_size=3), operator=st.sampled_from([both, either]))
def test_selections_are_combined_system_by_system(left: Selection, right: list[Selection], operator: Any) -> None:
    joined, rest = combine_selections(operator, [left, *right]), subtract(left, right)
    for system in "xyz":
        for code in ALPHABET:
            expected = kept = left.codes(system).decide(code)
            for part in right:
                expected = operator(expected, part.codes(system).decide(code))
                kept = both(kept, negate(part.codes(system).decide(code)))
            assert joined.codes(system).decide(code).member is expected.member
            assert rest.codes(system).decide(code).member is kept.member


@given(selection=SELECTIONS)
def test_a_code_without_system_belongs_where_any_system_has_it(selection: Selection) -> None:
    for code in ALPHABET:
        answers = [codes.decide(code).member for codes in (*selection.systems.values(), selection.others)]
        assert selection.infer(code).member is max(answers, key=ORDER.__getitem__)
