"""Which parts of an expression are the same for every item it is asked of: `%resource.descendants().as(canonical)`.

They are evaluated once for each Scope, without which constraints such as dom-3 would be quadratic.
"""

from __future__ import annotations

from fhir_dmp.fhirpath.expression import (
    Call,
    Chain,
    Expression,
    External,
    Item,
    Literal,
    Member,
    Path,
    Special,
    Step,
    TypeName,
)

_ROOTS = frozenset({"resource", "rootResource"})
_CRITERIA = frozenset({"where", "exists", "select", "all"})
_TYPES = frozenset({"as", "ofType", "is"})
_OF_THE_MOMENT = frozenset({"trace", "resolve", "memberOf", "conformsTo", "subsumes", "subsumedBy", "now", "today"})


def is_worth_keeping(expression: Expression) -> bool:
    """Tells whether an expression depends on the resource alone and calls functions."""
    return _is_fixed(expression, inside=False) and _has_calls(expression)


def _is_fixed(expression: Expression, *, inside: bool) -> bool:
    """Within a criterion (`inside`) the items come from what is fixed itself, so that paths may start from them."""
    match expression:
        case Literal():
            return True
        case External(_, name):
            return name in _ROOTS
        case Special(_, name):
            return inside and name != "$total"
        case Path(_, head, steps):
            starts = inside if head is None else _is_fixed(head, inside=inside)
            return starts and all(_is_fixed_step(step, inside=inside) for step in steps)
        case Chain(_, first, operations):
            sides = [first, *(row.right for row in operations if not isinstance(row.right, TypeName))]
            return all(_is_fixed(side, inside=inside) for side in sides)
        case _:
            return False


def _is_fixed_step(step: Step, *, inside: bool) -> bool:
    match step:
        case Member():
            return True
        case Item(_, index):
            return _is_fixed(index, inside=inside)
        case Call(_, name, arguments):
            fixed = all(_is_fixed_argument(name, row) for row in arguments)
            return name in _TYPES or (fixed and name not in _OF_THE_MOMENT)


def _is_fixed_argument(function: str, argument: Expression) -> bool:
    return isinstance(argument, Literal) or (function in _CRITERIA and _is_fixed(argument, inside=True))


def _has_calls(expression: Expression) -> bool:
    match expression:
        case Path(_, _, steps):
            return any(isinstance(step, Call) for step in steps)
        case Chain(_, first, operations):
            sides = [first, *(row.right for row in operations if not isinstance(row.right, TypeName))]
            return any(map(_has_calls, sides))
        case _:
            return False
