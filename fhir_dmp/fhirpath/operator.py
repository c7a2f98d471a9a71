"""Operators: http://hl7.org/fhirpath/N1/#operations. Booleans are True, False or None for the empty collection."""

from __future__ import annotations

from collections.abc import Callable

from fhir_dmp.fhirpath.compiler import Compiler, Focus
from fhir_dmp.fhirpath.expression import Chain, Expression, Operation, Polarity, TypeName
from fhir_dmp.fhirpath.invocation import compile_type_operation
from fhir_dmp.fhirpath.operand import EMPTY, Empty, Items, Operand, Route, Scalar

BOOLEAN = "System.Boolean"
_DIRECT = frozenset({"System.Boolean", "System.String", "System.Integer"})
"""Types whose Python values compare by Python's own operators."""


def compile_chain(compiler: Compiler, chain: Chain, focus: Focus) -> Operand:
    """Applies the operators of a chain from left to right."""
    if chain.operations[0].operator == "|":
        return _compile_union(compiler, chain, focus)
    left = compiler.compile(chain.first, focus)
    for operation in chain.operations:
        compiler.source.position = operation.position
        left = _compile_operation(compiler, left, operation, focus)
    return left


def _compile_operation(compiler: Compiler, left: Operand, operation: Operation, focus: Focus) -> Operand:
    if isinstance(operation.right, TypeName):
        return compile_type_operation(compiler, operation.operator, left, operation.right)
    lazy = _LAZY.get(operation.operator)
    if lazy is None and operation.operator == "in" and compiler.is_kept(operation.right):
        lazy = _compile_among
    if lazy is not None:
        return lazy(compiler, left, operation.right, focus)
    right = compiler.compile(operation.right, focus)
    compiler.source.position = operation.position
    if operation.operator in {"=", "!="}:
        return _compile_equality(compiler, operation.operator, left, right)
    if operation.operator in _ORDER:
        return _compile_order(compiler, operation.operator, left, right)
    if operation.operator in _BOOLEAN_FUNCTIONS:
        name = _BOOLEAN_FUNCTIONS[operation.operator]
        return Scalar(_apply(compiler, name, left, right), BOOLEAN)
    return _compile_arithmetic(compiler, operation.operator, left, right)


def _compile_among(compiler: Compiler, left: Operand, right: Expression, focus: Focus) -> Scalar:
    """`in` a collection that stays the same: its keys are kept, so that each item costs one look-up."""
    keys = compiler.keep(right, focus, "frozenset(map(key_of, {}))").text
    return Scalar(compiler.source.assign(f"is_among({compiler.items(left).text}, {keys})"), BOOLEAN)


def _apply(compiler: Compiler, function: str, left: Operand, right: Operand) -> str:
    one, other = compiler.items(left).text, compiler.items(right).text
    compiler.charge(one)
    compiler.charge(other)
    return compiler.source.assign(f"{function}({one}, {other})")


_ORDER = frozenset({"<", ">", "<=", ">="})
_BOOLEAN_FUNCTIONS = {"~": "equivalent", "!~": "not_equivalent", "in": "is_in", "contains": "has_item"}
_ARITHMETIC = {
    "+": "add", "-": "subtract", "*": "multiply", "/": "divide", "div": "divide_whole", "mod": "modulo",
}  # fmt: skip


def _compile_union(compiler: Compiler, chain: Chain, focus: Focus) -> Operand:
    """The union of all operands at once; those known to be empty cost nothing."""
    sides = [chain.first, *(row.right for row in chain.operations if not isinstance(row.right, TypeName))]
    operands = [compiler.compile(side, focus) for side in sides]
    lists = [compiler.items(operand) for operand in operands if not isinstance(operand, Empty)]
    if not lists:
        return EMPTY
    if len(lists) == 1 and lists[0].single:
        return lists[0]
    types = [found.types for found in lists]
    known = None if None in types else tuple(dict.fromkeys(name for row in types for name in row or ()))
    for found in lists:
        compiler.charge(found.text)
    together = " + ".join(f"[*{found.text}]" if len(lists) > 1 else found.text for found in lists)
    return Items(compiler.source.assign(f"distinct({together})"), known)


def _compile_and(compiler: Compiler, left: Operand, right: Expression, focus: Focus) -> Scalar:
    return _compile_short_circuit(compiler, left, right, focus, decisive="False")


def _compile_or(compiler: Compiler, left: Operand, right: Expression, focus: Focus) -> Scalar:
    return _compile_short_circuit(compiler, left, right, focus, decisive="True")


def _compile_short_circuit(
    compiler: Compiler, left: Operand, right: Expression, focus: Focus, *, decisive: str
) -> Scalar:
    """The right side is only evaluated where the left has not decided."""
    source = compiler.source
    result = source.assign(compiler.boolean(left))
    with source.block(f"if {result} is not {decisive}:"):
        other = compiler.boolean(compiler.compile(right, focus))
        source.line(f"if {other} is {decisive}: {result} = {decisive}")
        source.line(f"elif {other} is None: {result} = None")
    return Scalar(result, BOOLEAN)


def _compile_implies(compiler: Compiler, left: Operand, right: Expression, focus: Focus) -> Scalar:
    source = compiler.source
    premise = compiler.boolean(left)
    result = source.assign("True")
    with source.block(f"if {premise} is not False:"):
        other = compiler.boolean(compiler.compile(right, focus))
        source.line(f"if {other} is not True: {result} = {other} if {premise} else None")
    return Scalar(result, BOOLEAN)


def _compile_xor(compiler: Compiler, left: Operand, right: Expression, focus: Focus) -> Scalar:
    one = compiler.boolean(left)
    other = compiler.boolean(compiler.compile(right, focus))
    return Scalar(compiler.source.assign(f"None if {one} is None or {other} is None else {one} != {other}"), BOOLEAN)


_LAZY: dict[str, Callable[[Compiler, Operand, Expression, Focus], Operand]] = {
    "and": _compile_and,
    "or": _compile_or,
    "implies": _compile_implies,
    "xor": _compile_xor,
}


def _compile_direct(compiler: Compiler, operator: str, left: Operand, right: Operand) -> Scalar | None:
    """Compares two values of one System type with Python's own operator, where that means the same."""
    if _system_type(compiler, left) not in _DIRECT or _system_type(compiler, left) != _system_type(compiler, right):
        return None
    one, other = compiler.scalar_of(left), compiler.scalar_of(right)
    if one is None or other is None:
        return None
    texts = [text.text for text in (one, other) if text.text not in compiler.source.constants]
    missing = " or ".join(f"{text} is None" for text in texts)
    comparison = f"{one.text} {operator} {other.text}"
    return Scalar(compiler.source.assign(f"None if {missing} else {comparison}" if missing else comparison), BOOLEAN)


def _system_type(compiler: Compiler, operand: Operand) -> str | None:
    """The System type of an operand that has at most one item, where it is certain."""
    if isinstance(operand, Route) and not operand.single:
        return None
    return compiler.scalar_type(operand)


def _compile_equality(compiler: Compiler, operator: str, left: Operand, right: Operand) -> Operand:
    if EMPTY in (left, right):
        return EMPTY
    direct = _compile_direct(compiler, "==" if operator == "=" else "!=", left, right)
    return direct or Scalar(_apply(compiler, "equal" if operator == "=" else "not_equal", left, right), BOOLEAN)


def _compile_order(compiler: Compiler, operator: str, left: Operand, right: Operand) -> Operand:
    if EMPTY in (left, right):
        return EMPTY
    direct = None if _system_type(compiler, left) == BOOLEAN else _compile_direct(compiler, operator, left, right)
    if direct is not None:
        return direct
    compared = _apply(compiler, "compare", left, right)
    return Scalar(compiler.source.assign(f"None if {compared} is None else {compared} {operator} 0"), BOOLEAN)


def _compile_arithmetic(compiler: Compiler, operator: str, left: Operand, right: Operand) -> Operand:
    if operator == "&":
        one, other = compiler.scalar(left, "String"), compiler.scalar(right, "String")
        return Scalar(compiler.source.assign(f"concatenate({one} or '', {other} or '')"), "System.String")
    integers = [operand for operand in (left, right) if _system_type(compiler, operand) == "System.Integer"]
    if len(integers) == 2 and operator in {"+", "-"}:  # noqa: PLR2004  # both sides
        direct = _compile_direct(compiler, operator, left, right)
        if direct is not None:
            return Scalar(direct.text, "System.Integer")
    return Items(_apply(compiler, _ARITHMETIC[operator], left, right), single=True)


def compile_polarity(compiler: Compiler, node: Polarity, focus: Focus) -> Operand:
    """A sign before a number or quantity."""
    operand = compiler.items(compiler.compile(node.operand, focus))
    compiler.source.position = node.position
    return Items(compiler.source.assign(f"signed({operand.text}, {node.negative})"), operand.types, single=True)
