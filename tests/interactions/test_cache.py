"""What is kept of records and decisions is used only while nothing that it was made of has changed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_dmp.access.closure import Closure
from fhir_dmp.access.decide import decide
from fhir_dmp.access.matrix import Matrix
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.reimbursement import next_hour
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.cache import AGEING_MILLISECONDS, CLOSURE_MILLISECONDS, AccessCache
from fhir_dmp.interactions.decided import Decisions, is_lasting
from fhir_dmp.search.facts import END
from fhir_dmp.search.query import Everything
from tests.strategies.access import MATRIX, inquiry, record
from tests.strategies.access_worlds import make_consent, make_person, make_traits

EXAMPLES = int(os.environ.get("FHIR_DMP_TEST_EXAMPLES", "40"))
STATE = RecordState("p")
STAMPS = frozenset({("Patient/p", 1), ("Consent/c", 4)})
DOCTOR = Requester(Kind.PRACTITIONER, "doctor", purposes=frozenset({"TREAT"}), scopes=("user/*.rs",))
ALL = Restriction(Everything())
ASKED = (DOCTOR, "read", "Observation")
KNOWN = (Closure(), MATRIX)


def _cache() -> AccessCache:
    cache = AccessCache()
    cache.keep_state(STATE, STAMPS, cache.changes)
    return cache


def test_a_state_is_forgotten_when_something_of_the_record_is_written() -> None:
    for reference, patient in (("Consent/new", "p"), ("Consent/c", None), ("Consent/c", "q"), ("", None)):
        cache = _cache()
        assert cache.current_state("p") is STATE
        cache.forget_record(reference, patient)
        assert cache.current_state("p") is None


def test_a_state_is_kept_when_something_of_another_record_is_written() -> None:
    cache = _cache()
    cache.forget_record("Consent/other", "q")
    assert cache.current_state("p") is STATE


def test_a_state_that_was_being_read_while_something_changed_is_not_kept() -> None:
    cache = AccessCache()
    before = cache.changes
    cache.forget_record("Consent/c", "p")
    cache.keep_state(STATE, STAMPS, before)
    assert cache.current_state("p") is None


async def test_who_asks_all_the_time_does_not_wait_for_his_closure_to_be_read_anew() -> None:
    cache, reads = AccessCache(), count(1)
    is_failing = False

    async def read(_: Requester) -> Closure:
        number = next(reads)
        await asyncio.sleep(0)
        if is_failing:
            raise RuntimeError("no database")
        return Closure(frozenset({f"Practitioner/{number}"}))

    first = await cache.find_closure(DOCTOR, read, 0)
    assert cache.closure(DOCTOR, AGEING_MILLISECONDS - 1) == (first, False)
    assert cache.closure(DOCTOR, AGEING_MILLISECONDS) == (first, True)
    is_failing = True
    cache.renew_closure(DOCTOR, read, AGEING_MILLISECONDS)
    await asyncio.sleep(0.01)
    assert cache.closure(DOCTOR, CLOSURE_MILLISECONDS - 1) == (first, True)
    assert cache.closure(DOCTOR, CLOSURE_MILLISECONDS) is None
    is_failing = False
    for _ in range(3):
        cache.renew_closure(DOCTOR, read, AGEING_MILLISECONDS)
    assert cache.closure(DOCTOR, AGEING_MILLISECONDS) == (first, True)
    await asyncio.sleep(0.01)
    assert cache.closure(DOCTOR, CLOSURE_MILLISECONDS) == (Closure(frozenset({"Practitioner/3"})), False)
    assert next(reads) == 4


async def test_a_closure_that_was_being_renewed_while_the_directory_was_written_is_not_kept() -> None:
    cache = AccessCache()

    async def read(_: Requester) -> Closure:
        await asyncio.sleep(0)
        return Closure()

    cache.renew_closure(DOCTOR, read, 0)
    await asyncio.sleep(0)
    cache.forget({"PractitionerRole"})
    await asyncio.sleep(0.01)
    assert cache.closure(DOCTOR, 0) is None
    await cache.close()


def _recall(
    known: tuple[Closure, Matrix],
    states: Sequence[RecordState],
    now: int,
    asked: tuple[Requester, str, str] = ASKED,
) -> Restriction | None:
    decisions = Decisions()
    decisions.keep(decisions.question(*ASKED, *KNOWN), [STATE], 1000, ALL)
    return decisions.recall(decisions.question(*asked, *known), states, now)


def test_a_decision_is_recalled_for_the_same_question_and_nothing_else() -> None:
    assert _recall(KNOWN, [STATE], 1000) is ALL
    assert _recall((Closure(), MATRIX), [STATE], 1000) is ALL
    others = [
        (replace(DOCTOR, purposes=frozenset({"HPAYMT"})), *ASKED[1:]),
        (replace(DOCTOR, scopes=()), *ASKED[1:]),
        (DOCTOR, "vread", "Observation"),
        (DOCTOR, "read", "Condition"),
    ]
    assert [_recall(KNOWN, [STATE], 1000, other) for other in others] == [None] * len(others)
    for closure, matrix in ((Closure(frozenset({"Practitioner/1"})), MATRIX), (KNOWN[0], replace(MATRIX))):
        assert _recall((closure, matrix), [STATE], 1000) is None
    for states in ([replace(STATE)], [], [STATE, STATE], [replace(STATE, patient_id="q")]):
        assert _recall(KNOWN, states, 1000) is None
    assert _recall(KNOWN, [STATE], 999) is None


def test_a_decision_is_not_recalled_for_who_was_known_otherwise_meanwhile() -> None:
    decisions = Decisions()
    decisions.keep(decisions.question(*ASKED, *KNOWN), [STATE], 1000, ALL)
    decisions.question(*ASKED, Closure(frozenset({"Practitioner/1"})), MATRIX)
    assert decisions.recall(decisions.question(*ASKED, *KNOWN), [STATE], 1000) is None


def test_requesters_that_differ_in_anything_are_told_apart() -> None:
    assert hash(replace(DOCTOR)) == hash(DOCTOR)
    assert replace(DOCTOR) == DOCTOR
    assert len({DOCTOR, replace(DOCTOR, scopes=()), replace(DOCTOR, purposes=frozenset()), replace(DOCTOR)}) == 3


def test_what_changes_by_itself_is_not_kept() -> None:
    for who in (
        replace(DOCTOR, purposes=frozenset({"BTG"})),
        replace(DOCTOR, purposes=frozenset({"ETREAT"})),
        replace(DOCTOR, scopes=("user/Observation.rs?category=x",)),
        Requester(Kind.PATIENT, "patient", patient_id="p"),
    ):
        decisions = Decisions()
        question = decisions.question(who, "read", "Observation", *KNOWN)
        decisions.keep(question, [STATE], 1000, ALL)
        assert decisions.recall(question, [STATE], 1000) is None


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_a_decision_stays_as_it_is_until_the_state_changes_or_an_hour_begins(seed: int) -> None:
    random = Random(seed)
    for _ in range(20):
        asked = inquiry(make_person(random))
        if not is_lasting(asked.requester):
            continue
        state = record([make_consent(random, f"c{number}") for number in range(4)], **make_traits(random))
        until = min(state.changes_after(asked.now), next_hour(asked.now))
        latest = min(until, asked.now + 10**12) - 1
        later = [replace(asked, now=at) for at in (latest, random.randint(asked.now, latest))]
        assert [decide(row, [state], MATRIX) for row in later] == [decide(asked, [state], MATRIX)] * 2


def test_the_next_change_is_that_of_a_rule_inside_another_too() -> None:
    inner = {"type": "deny", "period": {"start": "2099-01-01T00:00:00Z"}}
    consent = {
        **make_consent(Random(1), "c"),
        "status": "active",
        "provision": {"type": "permit", "provision": [inner]},
    }
    assert record([consent]).changes_after(0) == 4_070_908_800_000
    assert RecordState("p").changes_after(0) == END
