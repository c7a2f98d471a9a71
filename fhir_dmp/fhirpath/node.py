"""What expressions yield (Node) and what surrounds an evaluation (Scope)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, TypedDict

from fhir_dmp.json_text import Json, JsonObject


@dataclass(slots=True)
class Node:
    """One item of a collection; never changed once made (not frozen because that makes it three times dearer).

    `value` is the JSON value, or a System value (`Decimal`, `Temporal`, `Quantity`…) where the expression computed it;
    None where a primitive has extensions only. `type_name` is a FHIR type (`dateTime`, `Patient`, `Patient.contact` for
    a backbone element) or `System.Boolean`. `element` is the JSON object that stands beside a primitive (`_birthDate`).
    """

    value: Json
    type_name: str
    element: JsonObject | None = None


Nodes: TypeAlias = Sequence[Node]

Resolve: TypeAlias = Callable[[str], JsonObject | None]
"""The resource that a reference leads to, or None."""
MemberOf: TypeAlias = Callable[[Node, str], bool | None]
"""Whether a code, Coding or CodeableConcept is in the value set with this canonical; None where it is unknown."""
Subsumes: TypeAlias = Callable[[Node, Node], bool | None]
"""Whether the first Coding or CodeableConcept subsumes the second; None where that is unknown."""
ConformsTo: TypeAlias = Callable[[Node, str], bool | None]
"""Whether a node conforms to the profile with this canonical; None where the profile is unknown."""
InSlice: TypeAlias = Callable[[Node, str, str], bool]
"""Whether a node is in the slice of this name of the structure with this canonical."""
DefinitionOf: TypeAlias = Callable[[Node], JsonObject | None]
"""The ElementDefinition that a node follows, or None."""
Trace: TypeAlias = Callable[[str, Nodes], None]
Miss: TypeAlias = Callable[[bool], None]
"""Hears of a target that is not at hand: whether its type is known all the same."""


MAX_STEPS = 5_000_000


@dataclass(slots=True)
class Budget:
    """The steps that evaluations may still take together: items that criteria are asked of, and items they collect."""

    left: int = MAX_STEPS


class Given(TypedDict, total=False):
    """What a caller may tell an evaluation besides the resource: the fields of Scope with these names."""

    outermost: JsonObject
    now: datetime | None
    variables: Mapping[str, Nodes]
    resolve: Resolve | None
    miss: Miss | None
    member_of: MemberOf | None
    subsumes: Subsumes | None
    conforms_to: ConformsTo | None
    trace: Trace | None
    in_slice: InSlice | None
    element_definition: DefinitionOf | None
    budget: Budget


@dataclass(slots=True)
class Scope:
    """What an expression may refer to besides its focus. One for each resource; callers do not change it.

    `root` is the resource that contains the focus. `outermost` is %rootResource where `root` is itself contained;
    `context` (%context, the focus), `root_descendants` and `fixed` (what is the same for every focus) are written by
    the programs that need them. Several Scopes may share a budget.
    """

    root: JsonObject
    outermost: JsonObject | None = None
    context: Node | None = None
    now: datetime | None = None
    variables: Mapping[str, Nodes] | None = None
    resolve: Resolve | None = None
    miss: Miss | None = None
    member_of: MemberOf | None = None
    subsumes: Subsumes | None = None
    conforms_to: ConformsTo | None = None
    trace: Trace | None = None
    in_slice: InSlice | None = None
    element_definition: DefinitionOf | None = None
    root_descendants: Nodes | None = None
    fixed: MutableMapping[object, Any] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
