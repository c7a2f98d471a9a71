"""What a professional could read and why: the decision itself, put in words for Patient/$dmp-explain-access."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from fhir_dmp.access.clauses import some
from fhir_dmp.access.consent import Reading
from fhir_dmp.access.decide import decide_item, find_ways
from fhir_dmp.access.inquiry import PUBLIC, Inquiry
from fhir_dmp.access.matrix import Matrix
from fhir_dmp.access.path import Verdict, judge, judge_record
from fhir_dmp.access.reason import Reason, Rule
from fhir_dmp.access.record import RecordState, build_record
from fhir_dmp.access.reimbursement import past_window
from fhir_dmp.access.requester import Kind
from fhir_dmp.access.wording import SENTENCES
from fhir_dmp.json_text import JsonObject
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.match import matches

Language = Literal["fr", "en"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One verdict in words: `rule` is its code, `consent` the id of the Consent that decided ("" where none)."""

    permitted: bool
    rule: str
    consent: str
    purpose: str
    sentence: str


def explain_record(inquiry: Inquiry, state: RecordState, matrix: Matrix, language: Language = "fr") -> Explanation:
    """Returns whether the requester would find the record open at all, and why; a token's scope is not asked."""
    if inquiry.requester.kind is Kind.EXCLUDED:
        return explain(Verdict(permitted=False, reason=Reason(Rule.EXCLUDED)), language)
    return explain(judge_record(find_ways(inquiry, state, matrix)), language)


def explain_item(
    inquiry: Inquiry, state: RecordState, matrix: Matrix, facts: Facts, language: Language = "fr"
) -> Explanation:
    """Returns whether the requester would see one item, and why."""
    return explain(decide_item(inquiry, state, matrix, facts), language)


def explain_items(
    inquiry: Inquiry, state: RecordState, matrix: Matrix, items: Iterable[Facts], language: Language = "fr"
) -> list[Explanation]:
    """Returns the same as explain_item of each of many items, for a professional with his ways found once."""
    is_his_to_judge = inquiry.requester.kind is Kind.PRACTITIONER and inquiry.scopes is None
    ways = find_ways(inquiry, state, matrix)
    apart = some([PUBLIC, past_window(inquiry.now)])
    return [
        explain(judge(ways, facts), language)
        if is_his_to_judge and facts.patient == state.patient_id and not matches(apart, facts)
        else explain_item(inquiry, state, matrix, facts, language)
        for facts in items
    ]


def explain_absent(language: Language = "fr") -> Explanation:
    """Returns what is said of an item that is not in the record, as far as who asks may know."""
    return explain(Verdict(permitted=False, reason=Reason(Rule.OTHER_RECORD)), language)


def explain(verdict: Verdict, language: Language = "fr") -> Explanation:
    """Returns a verdict in words."""
    reason = verdict.reason
    french, english = SENTENCES[reason.rule]
    sentence = french if language == "fr" else english
    return Explanation(verdict.permitted, reason.rule.value, reason.consent, reason.purpose, sentence)


def with_draft(
    patient: JsonObject,
    consents: Iterable[JsonObject],
    draft: JsonObject,
    reading: Reading,
    references: Mapping[str, frozenset[str]],
) -> RecordState:
    """Returns the state of a record as if a draft Consent were active, in place of the one with its id."""
    others = [consent for consent in consents if consent.get("id") != draft.get("id") or "id" not in draft]
    supposed = {"id": "draft", **draft, "status": "active"}
    return build_record(patient, [*others, supposed], reading, references)


def differs(before: Iterable[Explanation], after: Iterable[Explanation]) -> list[tuple[Explanation, Explanation]]:
    """Returns what changes between two lists of explanations of the same items."""
    return [(one, other) for one, other in zip(before, after, strict=True) if one.permitted != other.permitted]


def without_scope(inquiry: Inquiry) -> Inquiry:
    """Returns the inquiry of whoever the patient asks about: he has no token at hand."""
    return replace(inquiry, scopes=None)
