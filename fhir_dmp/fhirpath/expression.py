"""The tree of an expression. What may chain without end (paths, operators of one precedence) is one flat node.

http://hl7.org/fhirpath/N1/#expressions; every node knows its position in the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from fhir_dmp.fhirpath.system import SystemValue


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal; `type_name` is its System type, such as `System.Integer`."""

    position: int
    value: SystemValue
    type_name: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """The empty collection, `{}`."""

    position: int


@dataclass(frozen=True, slots=True)
class Special:
    """`$this`, `$index` or `$total`."""

    position: int
    name: str


@dataclass(frozen=True, slots=True)
class External:
    """An environment variable: `%resource`."""

    position: int
    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """A step to the children of this name."""

    position: int
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A step through a function."""

    position: int
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """A step to one item: `[0]`."""

    position: int
    index: Expression


Step: TypeAlias = Member | Call | Item


@dataclass(frozen=True, slots=True)
class Path:
    """Steps from `head`, or from the focus where that is None."""

    position: int
    head: Expression | None
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Polarity:
    """A sign before an operand."""

    position: int
    negative: bool
    operand: Expression


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type specifier: `Patient`, `FHIR.Patient`, `System.String`."""

    position: int
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator and what stands to its right; a TypeName for `is` and `as`."""

    position: int
    operator: str
    right: Expression | TypeName


@dataclass(frozen=True, slots=True)
class Chain:
    """Operators of one precedence, applied from left to right."""

    position: int
    first: Expression
    operations: tuple[Operation, ...]


Expression: TypeAlias = Literal | Nothing | Special | External | Path | Polarity | Chain
