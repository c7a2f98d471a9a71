"""The tree of an expression, as the FHIRPath Lab reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_dmp.operations.syntax import DEEPEST, write_tree


def _short(node: Any) -> str:
    """A node in one line: kind, name, and its arguments in brackets."""
    inner = ", ".join(_short(argument) for argument in node.get("Arguments", ()))
    name = f"{node['ExpressionType'].removesuffix('Expression')} {node['Name']}"
    return f"{name}[{inner}]" if inner else name


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("name.given", "Child given[Child name[Axis builtin.that]]"),
        ("trace('trc').given", "Child given[FunctionCall trace[Axis builtin.that, Constant trc]]"),
        ("a | b | %c", "Binary |[Binary |[Child a[Axis builtin.that], Child b[Axis builtin.that]], VariableRef c]"),
        ("$this[1]", "Indexer [][Axis $this, Constant 1]"),
        ("-1.50", "Unary -[Constant 1.50]"),
        ("%x is FHIR.Patient", "Binary is[VariableRef x, Constant FHIR.Patient]"),
        ("{}", "Constant {}"),
        ("4 days", "Constant 4 day"),
    ],
)
def test_an_expression_has_its_tree(text: str, tree: str) -> None:
    assert _short(json.loads(write_tree(text))) == tree


def test_nodes_know_their_position() -> None:
    found = json.loads(write_tree("name + 'x'"))
    assert (found["Position"], [node["Position"] for node in found["Arguments"]]) == (5, [0, 7])


def test_a_tree_that_is_too_deep_is_left_out() -> None:
    assert write_tree("a" + ".b" * (DEEPEST - 2)) != ""
    assert write_tree("a" + ".b" * DEEPEST) == ""
    assert write_tree("1" + "+1" * 4_000) == ""
