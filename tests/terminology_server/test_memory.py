"""How long answers hold, and when a server is left alone."""

from __future__ import annotations

from fhir_dmp.terminology.question import CodeQuestion
from fhir_dmp.terminology_server.memory import FAILURE_KEPT_FOR, FAILURES, KEPT_FOR, PAUSE, Answers, Circuit

ONE, OTHER, THIRD = (CodeQuestion("http://v", "http://s", code) for code in "abc")


def test_answers_hold_for_their_time() -> None:
    answers = Answers()
    answers.keep(ONE, True, 0)  # the answer
    answers.keep(OTHER, None, 0)
    assert (answers.find(ONE, 1), answers.find(OTHER, 1), answers.find(THIRD, 1)) == ((True,), (None,), None)
    assert answers.find(OTHER, FAILURE_KEPT_FOR) is None
    assert answers.find(ONE, KEPT_FOR - 1) == (True,)
    assert answers.find(ONE, KEPT_FOR) is None
    assert len(answers) == 0


def test_oldest_answer_goes_first() -> None:
    answers = Answers(most=2)
    for question in (ONE, OTHER, THIRD):
        answers.keep(question, False, 0)  # the answer
    assert [answers.find(question, 1) for question in (ONE, OTHER, THIRD)] == [None, (False,), (False,)]


def test_circuit_opens_after_failures_in_a_row_and_tries_again() -> None:
    circuit = Circuit()
    for _ in range(FAILURES - 1):
        circuit.fail(0)
    circuit.succeed()
    for _ in range(FAILURES - 1):
        circuit.fail(0)
    assert circuit.admits(0)
    circuit.fail(0)
    assert not circuit.admits(PAUSE - 1)
    assert circuit.admits(PAUSE)
    assert not circuit.admits(PAUSE)
    circuit.succeed()
    assert circuit.admits(PAUSE)
