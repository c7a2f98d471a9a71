"""What the compiler knows of a value that generated code will hold: where it is, and its static type.

Scalar  a Python variable that holds one System value, or None for the empty collection
Items   a Python variable that holds a list of Node
Route   JSON properties to follow from a variable, not yet followed: whoever needs the value says in which form
Children  all children of a JSON object, whatever their names
EMPTY   known to be empty, such as `Practitioner.name` in a Patient
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from fhir_dmp.fhirpath.model import Child


@dataclass(frozen=True, slots=True)
class Scalar:
    """One System value of a known type, or None. `text` is a Python atom."""

    text: str
    type_name: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list of Node. `types` are all that may occur, None where any may; `single` where there is at most one.

    `ordered` is false where the language defines no order: for children() and descendants().
    """

    text: str
    types: tuple[str, ...] | None = None
    single: bool = False
    ordered: bool = True


@dataclass(frozen=True, slots=True)
class Children:
    """The children of a JSON object, as Python that lists them and Python that counts them; in no order."""

    listed: str
    counted: str


@dataclass(frozen=True, slots=True)
class Hop:
    """One step along JSON properties: several for a choice. `tests` are Python conditions on `{v}` for each value."""

    children: tuple[Child, ...]
    tests: tuple[str, ...] = ()


Start = Literal["json", "nodes", "elements"]
"""Where a route starts: at a JSON object, at the values of a list of Node, or at what stands beside their values."""


@dataclass(frozen=True, slots=True)
class Route:
    """Hops from the Python variable `text`, whose type is `start_type`."""

    text: str
    start: Start
    start_type: str
    hops: tuple[Hop, ...] = ()
    start_single: bool = True

    @property
    def types(self) -> tuple[str, ...]:
        """The static types of what the route leads to."""
        return tuple(child.type_name for child in self.hops[-1].children) if self.hops else (self.start_type,)

    @property
    def single(self) -> bool:
        """Whether there is at most one value at the end."""
        return self.start_single and not any(child.repeats for hop in self.hops for child in hop.children)

    @property
    def is_json(self) -> bool:
        """Whether each value at the end is a JSON object of one static type, reached without a Node."""
        if not self.hops:
            return self.start == "json"
        children = self.hops[-1].children
        return len(children) == 1 and not children[0].is_primitive

    def then(self, children: tuple[Child, ...]) -> Route:
        """Returns the route with one more hop."""
        return replace(self, hops=(*self.hops, Hop(children)))

    def narrowed(self, children: tuple[Child, ...]) -> Route:
        """Returns the route whose last hop takes only these properties."""
        return replace(self, hops=(*self.hops[:-1], replace(self.hops[-1], children=children)))

    def where(self, test: str) -> Route:
        """Returns the route that keeps only values for which the Python condition on `{v}` holds."""
        last = self.hops[-1]
        return replace(self, hops=(*self.hops[:-1], replace(last, tests=(*last.tests, test))))


@dataclass(frozen=True, slots=True)
class Empty:
    """The empty collection, known as such while compiling."""


EMPTY = Empty()
Operand: TypeAlias = Scalar | Items | Route | Children | Empty
