"""Row: what one ElementDefinition of a snapshot demands. https://hl7.org/fhir/R4/elementdefinition.html."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.snapshot.node import Node
from fhir_dmp.spec.element import Binding, TypeRef, parse_element

_MAX_VALUE_SET = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"

DiscriminatorType = Literal["value", "exists", "pattern", "type", "profile"]


@dataclass(frozen=True, slots=True)
class Constraint:
    """An invariant. `expression` is empty where it is not a FHIRPath one, and then nothing is checked."""

    key: str
    severity: Literal["error", "warning"]
    human: str
    expression: str


@dataclass(frozen=True, slots=True)
class Discriminator:
    """What tells the slices of an element apart: https://hl7.org/fhir/R4/profiling.html#discriminator."""

    type: DiscriminatorType
    path: str


@dataclass(frozen=True, slots=True)
class Slicing:
    """How the items of an element are sorted into slices."""

    discriminators: tuple[Discriminator, ...]
    rules: Literal["open", "closed", "openAtEnd"]
    ordered: bool


@dataclass(frozen=True, slots=True)
class Value:
    """A fixed[x] or pattern[x]: the type that its name ends in (`codeableconcept`, small letters), and the JSON."""

    type_name: str
    value: Json


@dataclass(frozen=True, slots=True)
class Limit:
    """A maxLength (of no type), minValue[x] or maxValue[x]: its type as that of Value, and its JSON."""

    kind: Literal["maxLength", "minValue", "maxValue"]
    type_name: str
    value: Json


@dataclass(frozen=True, slots=True)
class TypeRules:
    """A permitted type with what R4 adds to it for references."""

    ref: TypeRef
    aggregation: frozenset[str]
    versioning: str


@dataclass(frozen=True, slots=True)
class Row:
    """What a row demands. `max` is None where there is no limit; a content reference leaves `types` empty."""

    min: int
    max: int | None
    types: tuple[TypeRules, ...]
    fixed: Value | None
    pattern: Value | None
    bindings: tuple[Binding, ...]
    constraints: tuple[Constraint, ...]
    limits: tuple[Limit, ...]
    slicing: Slicing | None
    content_reference: str

    def of_type(self, code: str) -> tuple[TypeRules, ...]:
        """Returns what is said of one type: several where a definition lists it several times."""
        return tuple(item for item in self.types if item.ref.code == code)

    @property
    def codes(self) -> frozenset[str]:
        """The permitted types."""
        return frozenset(item.ref.code for item in self.types)


def parse_row(node: Node) -> Row:
    """Returns the Row of a node."""
    return _parse(_Key(node.row))


class _Key:
    """A row, by identity: branches of snapshots are shared, and so are what they mean."""

    __slots__ = ("row",)

    def __init__(self, row: JsonObject) -> None:
        self.row = row

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.row is self.row

    def __hash__(self) -> int:
        return id(self.row)


@lru_cache(maxsize=16384)
def _parse(key: _Key) -> Row:
    row = key.row
    element = parse_element({"path": "", **row})
    return Row(
        min=element.min,
        max=element.max,
        types=tuple(_parse_type(ref, item) for ref, item in zip(element.types, row.get("type", ()), strict=True)),
        fixed=_parse_value(row, "fixed"),
        pattern=_parse_value(row, "pattern"),
        bindings=_parse_bindings(element.binding, row),
        constraints=tuple(_parse_constraint(item) for item in row.get("constraint", ())),
        limits=tuple(_parse_limits(row)),
        slicing=_parse_slicing(row.get("slicing")),
        content_reference=element.content_reference,
    )


def _parse_type(ref: TypeRef, row: JsonObject) -> TypeRules:
    return TypeRules(ref, frozenset(row.get("aggregation", ())), row.get("versioning", "either"))


def _parse_value(row: JsonObject, prefix: str) -> Value | None:
    for key, value in row.items():
        if key.startswith(prefix) and key[len(prefix) :][:1].isupper():
            return Value(key[len(prefix) :].lower(), value)
    return None


def _parse_limits(row: JsonObject) -> Iterator[Limit]:
    if "maxLength" in row:
        yield Limit("maxLength", "", row["maxLength"])
    low, high = _parse_value(row, "minValue"), _parse_value(row, "maxValue")
    if low:
        yield Limit("minValue", low.type_name, low.value)
    if high:
        yield Limit("maxValue", high.type_name, high.value)


def _parse_bindings(binding: Binding | None, row: JsonObject) -> tuple[Binding, ...]:
    """The binding, and the value set beyond which no code may be (maxValueSet) as a required one."""
    found = [binding] if binding else []
    for item in row.get("binding", {}).get("extension", ()):
        if item.get("url") == _MAX_VALUE_SET:
            limit = item.get("valueCanonical") or item.get("valueUri")
            found += [Binding("required", limit)] if limit else []
    return tuple(item for item in found if item.strength in {"required", "extensible"})


def _parse_constraint(row: JsonObject) -> Constraint:
    return Constraint(row.get("key", ""), row.get("severity", "error"), row.get("human", ""), row.get("expression", ""))


def _parse_slicing(row: JsonObject | None) -> Slicing | None:
    if row is None:
        return None
    found = tuple(Discriminator(item["type"], item["path"]) for item in row.get("discriminator", ()))
    return Slicing(found, row.get("rules", "open"), row.get("ordered", False))
