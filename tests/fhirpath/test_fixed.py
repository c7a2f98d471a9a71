"""What is the same for every item is evaluated once, and means what it meant."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.fhirpath.fixed import is_worth_keeping
from fhir_dmp.fhirpath.node import Budget, Node
from fhir_dmp.fhirpath.parser import parse_expression
from fhir_dmp.fhirpath.text_limit import MAX_TEXT
from fhir_dmp.loader import load_registry
from fhir_dmp.outcome import FhirError

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "name": [{"family": "A", "given": ["x"]}, {"family": "B", "given": ["y", "z"]}, {"family": "x"}],
}


def _evaluate(expression: str, **given: Any) -> list[Any]:
    program = compile_expression(expression, model=load_registry(), type_name="Patient")
    return [node.value for node in program.evaluate(PATIENT, **given)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("%resource.descendants().as(uri)", True),
        ("%resource.name.where(family = 'A').given.first()", True),
        ("%rootResource.name.exists($this.given.count() > 1) | %resource.id.toString()", True),
        ("%resource.name", False),
        ("%context.name.first()", False),
        ("%resource.name.where(family = %context.id)", False),
        ("%resource.name.select(given.where($total = 1))", False),
        ("%resource.name.given.join(id)", False),
        ("%resource.name.given.take(name.count())", False),
        ("%resource.managingOrganization.resolve()", False),
        ("name.first()", False),
        ("now()", False),
    ],
)
def test_what_depends_on_the_resource_alone_is_worth_keeping(expression: str, expected: bool) -> None:
    assert is_worth_keeping(parse_expression(expression)) is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("name.where(family in %resource.name.given.distinct()).family", ["x"]),
        ("name.where(%resource.name.where(given.count() > 1).family = family).given", ["y", "z"]),
        ("name.select(%resource.name.where(family = 'A').given.first() & family)", ["xA", "xB", "xx"]),
        ("name.where(family = 'none' or family in %resource.name.given.first()).family", ["x"]),
        ("name.where(family in %resource.name.suffix.first()).family", []),
        ("name.where(given in %resource.name.given.first() = false).family", []),
    ],
)
def test_kept_values_mean_what_they_meant(expression: str, expected: list[Any]) -> None:
    if "= false" in expression:
        with pytest.raises(FhirError, match="single item"):
            _evaluate(expression)
    else:
        assert _evaluate(expression) == expected


def test_evaluations_share_a_budget_and_stop_when_it_is_spent() -> None:
    budget = Budget(100)
    assert _evaluate("name.where(family.exists()).count()", budget=budget) == [3]
    assert budget.left < 100
    with pytest.raises(FhirError, match="too many steps"):
        _evaluate("name.select(%resource.name.combine($this)).select(%resource.name.combine($this))", budget=budget)


@pytest.mark.parametrize(
    "expression",
    [
        "text + text",
        "text & text",
        "text.replace('x', 'xx')",
        "text.replaceMatches('x', 'xx')",
        "(text | 'y').join(text)",
    ],
)
def test_texts_do_not_grow_without_end(expression: str) -> None:
    context = Node({"text": "x" * (MAX_TEXT // 2 + 1)}, "HumanName")
    program = compile_expression(expression, model=load_registry(), type_name="HumanName")
    with pytest.raises(FhirError, match="characters"):
        program.evaluate(PATIENT, context=context)
