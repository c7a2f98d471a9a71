"""Signatures of FHIRPath functions: what each takes and yields, so that the compiler converts once and statically."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal[
    "Items", "Test", "Projection", "Recursion",
    "Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity",
]  # fmt: skip
"""Items: a list of Node. Test and Projection: a function of (node, index) that yields a boolean or a list of Node.

Recursion: a Projection that is also applied to what it yields, so that the types of its focus are not known.

The others are System values; a function that takes them is not called at all where one of them is empty.
"""
Yield: TypeAlias = Literal[
    "Items", "Same", "Item",
    "Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity",
]  # fmt: skip
"""Items: nodes of any type. Same, Item: nodes (at most one) of the types of the focus. The others: a value or None."""


NODE_KINDS = frozenset({"Items", "Test", "Projection", "Recursion"})
"""The kinds that are no System values."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language; `call` gets the focus, then the arguments; before them the Scope if `scoped`."""

    name: str
    call: Callable[..., Any]
    focus: Kind
    arguments: tuple[Kind, ...]
    optional: int
    result: Yield
    scoped: bool


def function(
    name: str,
    call: Callable[..., Any],
    focus: Kind = "Items",
    *arguments: Kind,
    optional: int = 0,
    gives: Yield = "Items",
    scoped: bool = False,
) -> Function:
    """Describes a function; the last `optional` arguments may be left out."""
    return Function(name, call, focus, arguments, optional, gives, scoped)
