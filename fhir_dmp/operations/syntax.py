"""The tree of an expression as the FHIRPath Lab shows it (JsonNode of its server API), for `parseDebugTree`.

A step has what it is applied to as its first argument; `builtin.that` stands for the focus.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

from fhir_dmp.fhirpath.expression import (
    Call,
    Chain,
    Expression,
    External,
    Item,
    Literal,
    Member,
    Nothing,
    Operation,
    Path,
    Polarity,
    Special,
    Step,
    TypeName,
)  # fmt: skip
from fhir_dmp.fhirpath.parser import parse_expression
from fhir_dmp.json_text import JsonObject, write_json

DEEPEST = 100
"""Nodes inside one another; a tree that is deeper is left out."""


class _Tree(NamedTuple):
    """A node, and how many are inside one another in it."""

    node: JsonObject
    depth: int


def write_tree(text: str) -> str:
    """Returns the tree of an expression as JSON; empty where it is too deep to be read by anybody."""
    tree = _build(parse_expression(text))
    return write_json(tree.node).decode() if tree.depth <= DEEPEST else ""


def _build(expression: Expression) -> _Tree:
    match expression:
        case Path(position, head, steps):
            start = _build(head) if head else _node("AxisExpression", "builtin.that", position)
            return reduce(_apply_step, steps, start)
        case Polarity(position, negative, operand):
            return _node("UnaryExpression", "-" if negative else "+", position, (_build(operand),))
        case Chain(_, first, operations):
            return reduce(_apply_operation, operations, _build(first))
        case _:
            return _build_leaf(expression)


def _build_leaf(expression: Literal | Nothing | Special | External) -> _Tree:
    match expression:
        case Literal(position, value, type_name):
            return _node("ConstantExpression", str(value), position, (), ReturnType=type_name.removeprefix("System."))
        case Nothing(position):
            return _node("ConstantExpression", "{}", position)
        case Special(position, name):
            return _node("AxisExpression", name, position)
        case External(position, name):
            return _node("VariableRefExpression", name, position)


def _apply_step(focus: _Tree, step: Step) -> _Tree:
    match step:
        case Member(position, name):
            return _node("ChildExpression", name, position, (focus,))
        case Call(position, name, arguments):
            return _node("FunctionCallExpression", name, position, (focus, *map(_build, arguments)))
        case Item(position, index):
            return _node("IndexerExpression", "[]", position, (focus, _build(index)))


def _apply_operation(left: _Tree, operation: Operation) -> _Tree:
    right = operation.right
    if isinstance(right, TypeName):
        name = f"{right.namespace}.{right.name}" if right.namespace else right.name
        other = _node("ConstantExpression", name, right.position)
    else:
        other = _build(right)
    return _node("BinaryExpression", operation.operator, operation.position, (left, other))


def _node(kind: str, name: str, position: int, inner: Sequence[_Tree] = (), **more: str) -> _Tree:
    node: JsonObject = {"ExpressionType": kind, "Name": name}
    if inner:
        node["Arguments"] = [tree.node for tree in inner]
    return _Tree(node | more | {"Position": position}, 1 + max((tree.depth for tree in inner), default=0))
