"""What expressions yield (Node) and what surrounds an evaluation (Scope)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

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
Trace: TypeAlias = Callable[[str, Nodes], None]


@dataclass(slots=True)
class Scope:
    """What an expression may refer to besides its focus; not changed once made (nor frozen: one is made per resource).

    `root` is the resource that contains the focus. `outermost` is %rootResource where `root` is itself contained;
    `context` is %context where it is not the root.
    """

    root: JsonObject
    outermost: JsonObject | None = None
    context: Node | None = None
    now: datetime | None = None
    variables: Mapping[str, Nodes] | None = None
    resolve: Resolve | None = None
    member_of: MemberOf | None = None
    subsumes: Subsumes | None = None
    conforms_to: ConformsTo | None = None
    trace: Trace | None = None
