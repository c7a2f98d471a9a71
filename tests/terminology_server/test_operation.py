"""$validate-code as text: what is asked, and what an answer means."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.terminology.question import CodeQuestion
from fhir_dmp.terminology_server.operation import build_target, read_answer


@pytest.mark.parametrize(
    ("question", "target"),
    [
        (
            CodeQuestion("urn:v|1.0", "urn:s", "8867-4", "2.7"),
            "ValueSet/$validate-code?url=urn%3Av&valueSetVersion=1.0&system=urn%3As&systemVersion=2.7&code=8867-4",
        ),
        (CodeQuestion("http://v", "", "a&b"), "ValueSet/$validate-code?url=http%3A%2F%2Fv&code=a%26b&inferSystem=true"),
        (CodeQuestion("", "http://s", "c"), "CodeSystem/$validate-code?url=http%3A%2F%2Fs&code=c"),
    ],
)
def test_question_is_asked_in_the_words_of_the_operation(question: CodeQuestion, target: str) -> None:
    assert build_target(question) == target


def _answer(result: object, *more: dict[str, Any]) -> bytes:
    rows = [{"name": "result", "valueBoolean": result}, *more]
    return json.dumps({"resourceType": "Parameters", "parameter": rows}).encode()


def _issues(code: str) -> dict[str, Any]:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}
    return {"name": "issues", "resource": outcome}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (_answer(True), True),  # the result
        (_answer(False), False),
        (_answer(False, _issues("code-invalid")), False),
        (_answer(False, _issues("not-found")), None),
        (_answer(False, {"name": "x-unknown-system", "valueCanonical": "http://s"}), None),
        (_answer("true"), None),
        (b'{"resourceType": "OperationOutcome", "issue": []}', None),
        (b'{"resourceType": "Parameters", "parameter": {"name": 1}}', None),
        (b"<html>", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
    ],
)
def test_answer_is_what_parameters_say_and_else_none(body: bytes, expected: bool | None) -> None:
    assert read_answer(body) is expected


_JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "valueBoolean", "resource", "issue", "code", "parameter", "resourceType"]), inner
        )
    ),
)


@given(rows=_JSON)
def test_any_parameters_have_an_answer(rows: object) -> None:
    body = json.dumps({"resourceType": "Parameters", "parameter": rows}).encode()
    assert read_answer(body) in {True, False, None}
    named = {"resourceType": "Parameters", "parameter": [{"name": "result", "valueBoolean": False}, rows]}
    assert read_answer(json.dumps(named).encode()) in {True, False, None}
    issues = [{"name": "result", "valueBoolean": False}, {"name": "issues", "resource": rows}]
    assert read_answer(json.dumps({"resourceType": "Parameters", "parameter": issues}).encode()) in {False, None}
