"""Hostile input: an answer in bounded time and memory, whatever resources, profiles and value sets say."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import pytest

from fhir_dmp.conformance.profiles import Profiles
from fhir_dmp.conformance.validate import validate_resource
from fhir_dmp.conformance.visit import Environment
from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.fhirpath.node import MAX_STEPS, Budget, Scope
from fhir_dmp.loader import load_registry
from fhir_dmp.validation.compiler import Schemas
from tests.conformance.hostile import CASES

MOST_SECONDS = 60
"""Far more than any takes: what would run for ever is caught, a busy machine is not."""
MOST_MEMORY = 3 << 30
"""Address space, the definitions of R4 and the input included."""

if TYPE_CHECKING:
    MakeProfiles = Callable[..., Profiles]


@pytest.mark.parametrize("name", CASES)
def test_hostile_input_has_an_answer(name: str, schemas: Schemas, make_profiles: MakeProfiles) -> None:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(name, schemas, make_profiles, theirs))
    child.start()
    theirs.close()
    try:
        codes = ours.recv() if ours.poll(MOST_SECONDS) else ["no answer in time"]
    except EOFError:
        codes = ["died"]
    finally:
        child.kill()
        child.join()
    expected = CASES[name]().code
    assert expected in codes if expected else not set(codes) - _HARMLESS


_HARMLESS = {"invariant", "binding", "not-checked", "extension-unknown", "conformance-too-many"}
"""Narratives are recommended, and what R4's own binding says of a code of ours."""


def _answer(name: str, schemas: Schemas, make_profiles: MakeProfiles, answer: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    case = CASES[name]()
    profiles = make_profiles(case.definitions)
    report = validate_resource(case.resource, schemas, profiles, case.claims, Environment())
    errors = {issue.code for issue in report.issues if issue.severity == "error"}
    answer.send(sorted(errors | {issue.code for issue in report.issues} if case.code else errors))


@pytest.mark.parametrize(
    "expression",
    [
        "contained.where(('#' + id) in %resource.descendants().reference).count()",
        "contained.all(%resource.descendants().as(canonical).empty())",
        "contained.all(%resource.contained.where(active = true).exists().not())",
    ],
)
def test_what_is_the_same_for_all_items_is_found_once(expression: str) -> None:
    program = compile_expression(expression, model=load_registry(), type_name="Patient")
    assert [_steps(program, count) / count for count in (100, 1000)] == pytest.approx([1, 1], abs=2.5)


def _steps(program: object, count: int) -> int:
    contained = [{"resourceType": "Patient", "id": f"p{row}"} for row in range(count)]
    patient = {"resourceType": "Patient", "contained": contained}
    budget = Budget()
    program.run(Scope(patient, budget=budget), patient)  # type: ignore[attr-defined]  # a Program
    return MAX_STEPS - budget.left
