"""Which elements an invariant looks at, and that passing objects by without them changes no answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fhir_dmp.conformance.invariant import InvariantRule, build_invariants
from fhir_dmp.conformance.row import Constraint
from fhir_dmp.conformance.validate import validate_resource
from fhir_dmp.json_text import parse_json_object
from fhir_dmp.loader import load_registry
from tests.conformance.corpus import CORPUS, REASON, read_list

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_dmp.conformance.profiles import Profiles
    from fhir_dmp.validation.compiler import Schemas


def build(expression: str, type_name: str = "Patient") -> InvariantRule:
    constraint = Constraint("x-1", "error", "a rule", expression)
    return build_invariants([constraint], load_registry(), type_name)[0]


@pytest.mark.parametrize(
    ("expression", "guard"),
    [
        ("name.exists() or birthDate.exists()", {"name", "_name", "birthDate", "_birthDate"}),
        ("contact.where(%resource.id = id).empty()", {"contact", "_contact"}),
        ("contact.all(descendants().count() > 1) and %resource.name.exists()", None),
        ("name.exists() implies %resource.id.exists()", None),
        ("children().count() > 1", None),
        ("deceased.exists()", {"deceasedBoolean", "_deceasedBoolean", "deceasedDateTime", "_deceasedDateTime"}),
        ("gender != 'name'", {"gender", "_gender"}),
    ],
)
def test_guard_is_the_elements_that_the_expression_names(expression: str, guard: set[str] | None) -> None:
    assert build(expression).guard == guard


@pytest.mark.parametrize("key", ["ele-1", "ext-1", "dom-2", "txt-1", "txt-2", "ref-1"])
def test_invariants_of_the_structure_pass_are_left_out(key: str) -> None:
    assert build_invariants([Constraint(key, "error", "x", "false")], load_registry(), "Patient") == []


def test_invariant_without_expression_is_left_out() -> None:
    assert build_invariants([Constraint("x-1", "error", "x", "")], load_registry(), "Patient") == []


@pytest.mark.skipif(not CORPUS.is_dir(), reason=REASON)
def test_passing_objects_by_changes_no_answer(schemas: Schemas, make_profiles: Callable[..., Profiles]) -> None:
    quick, thorough = make_profiles([]), make_profiles([])
    registry = load_registry()
    for type_name in sorted(registry.types):
        structure = registry.structure(type_name)
        for name in structure.groups if structure else ():
            group = thorough.group(name)
            group.rules = [
                replace(rule, guard=None) if isinstance(rule, InvariantRule) else rule for rule in group.rules
            ]
    for row in read_list("spec-examples.json"):
        resource = parse_json_object((CORPUS / row["file"]).read_bytes())
        assert validate_resource(resource, schemas, quick) == validate_resource(resource, schemas, thorough)
