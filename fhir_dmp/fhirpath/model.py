"""The types as FHIRPath sees them: children by element name, subtypes, type specifiers. Built on the Registry.

https://hl7.org/fhir/R4/fhirpath.html#types
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from fhir_dmp.fhirpath.system import SYSTEM_TYPES
from fhir_dmp.json_text import Json
from fhir_dmp.spec.registry import Registry
from fhir_dmp.spec.structure import Property


@dataclass(frozen=True, slots=True)
class Child:
    """A JSON property that an element name may stand for, and the type of its values."""

    key: str
    type_name: str
    repeats: bool
    is_primitive: bool
    is_resource: bool


class TypeTest:
    """A type specifier, ready to be asked which type names it covers. Answers are kept."""

    def __init__(self, model: Model, namespace: str, name: str) -> None:
        """Covers FHIR and System types alike where no namespace is given."""
        self._model = model
        self._fhir = name if namespace in {"", "FHIR"} else ""
        self._system = f"System.{name}" if namespace in {"", "System"} else ""
        self.is_exact = self._fhir in model.primitive_types
        self._subtypes: dict[str, bool] = {}
        self.selected: Mapping[str, bool] = _Selected(self)
        """What `selects` answers, by type name."""

    def covers(self, type_name: str) -> bool:
        """Tells whether a value of this type is one of the type (`is`): its own type or one it specialises."""
        known = self._subtypes.get(type_name)
        if known is None:
            known = self._system in {type_name, "System.Any"} or self._fhir in self._model.ancestors(type_name)
            self._subtypes[type_name] = known
        return known

    def selects(self, type_name: str) -> bool:
        """Tells whether `as` and `ofType` keep a value of this type: R4 takes primitives by their exact type."""
        return self.selected[type_name]

    def find_selected(self, type_name: str) -> bool:
        """Finds out what `selects` answers."""
        return type_name in {self._fhir, self._system} if self.is_exact else self.covers(type_name)


class _Selected(dict[str, bool]):
    """The answers of a TypeTest, found out when they are first looked up."""

    def __init__(self, test: TypeTest) -> None:
        self._test = test

    def __missing__(self, type_name: str) -> bool:
        """Finds an answer and keeps it."""
        answer = self[type_name] = self._test.find_selected(type_name)
        return answer


class Model:
    """Answers about types, kept after the first time."""

    def __init__(self, registry: Registry) -> None:
        """Reads structures from this registry as they are asked for."""
        self._registry = registry
        self.primitive_types = registry.primitive_types
        self.resource_types = registry.resource_types
        self.types = registry.types
        self._children: dict[str, dict[str, tuple[Child, ...]]] = {}
        self._keys: dict[str, dict[str, Child]] = {}
        self._ancestors: dict[str, frozenset[str]] = {}
        self._tests: dict[tuple[str, str], TypeTest] = {}

    def knows(self, type_name: str) -> bool:
        """Tells whether this names a type or a backbone element."""
        return bool(self.keys(type_name)) or type_name in self.types

    def children(self, type_name: str) -> dict[str, tuple[Child, ...]]:
        """Returns the children of a type by element name; several for a choice, such as `valueString` for `value`."""
        known = self._children.get(type_name)
        if known is None:
            known = self._children[type_name] = {}
            for child, name in self._properties(type_name):
                known[name] = (*known.get(name, ()), child)
        return known

    def keys(self, type_name: str) -> dict[str, Child]:
        """Returns the children of a type by JSON key."""
        known = self._keys.get(type_name)
        if known is None:
            known = self._keys[type_name] = {child.key: child for child, _ in self._properties(type_name)}
        return known

    def _properties(self, type_name: str) -> list[tuple[Child, str]]:
        try:
            group = self._registry.group(type_name)
        except KeyError:
            return []
        # In JSON a primitive is its value; what its definition calls `value` is no child
        hidden = "value" if type_name in self.primitive_types else ""
        rows = [row for row in group.properties.values() if row.key != hidden]
        return [(self._child(type_name, row), row.element.name) for row in rows]

    def _child(self, type_name: str, row: Property) -> Child:
        # 4.0.1 declares the id of a resource a string, and describes it as an id: https://hl7.org/fhir/R4/resource.html
        found = "id" if row.key == "id" and self._is_resource_group(type_name) else row.group
        return Child(row.key, found, row.element.repeats, found in self.primitive_types, self.is_resource(found))

    def _is_resource_group(self, type_name: str) -> bool:
        return "Resource" in self.ancestors(type_name)

    def is_resource(self, type_name: str) -> bool:
        """Tells whether values of this type carry a resourceType."""
        return type_name in self.resource_types or type_name in {"Resource", "DomainResource"}

    def is_abstract(self, type_name: str) -> bool:
        """Tells whether values of this type always have a more special one, with children of its own."""
        return type_name in {"Resource", "DomainResource"}

    def resource_type(self, value: Json, declared: str) -> str:
        """Returns the type that a resource states itself, or the declared one where it states none we know."""
        stated = value.get("resourceType") if type(value) is dict else None
        return stated if type(stated) is str and stated in self.resource_types else declared

    def ancestors(self, type_name: str) -> frozenset[str]:
        """Returns a FHIR type with the types it specialises, up to Element or Resource."""
        known = self._ancestors.get(type_name)
        if known is None:
            known = self._ancestors[type_name] = frozenset(self._chain(type_name))
        return known

    def _chain(self, type_name: str) -> list[str]:
        if "." in type_name:
            kind = self._backbone_type(type_name)
            return [type_name, *self._chain(kind)] if kind else [type_name]
        found = [type_name]
        while (structure := self._registry.structure(found[-1])) and structure.base:
            found.append(structure.base)
        return found

    def _backbone_type(self, path: str) -> str:
        parent, _, name = path.rpartition(".")
        child = self._registry.group(parent).properties.get(name) if self.keys(parent) else None
        return child.type.code if child else ""

    def type_test(self, namespace: str, name: str) -> TypeTest | None:
        """Returns the test of a type specifier, None where there is no such type."""
        test = self._tests.get((namespace, name))
        if test is None and self._is_type(namespace, name):
            test = self._tests[namespace, name] = TypeTest(self, namespace, name)
        return test

    def _is_type(self, namespace: str, name: str) -> bool:
        fhir = namespace in {"", "FHIR"} and name in self.types
        # testType22 of HL7's suite asks for System.Patient, and expects an answer: no
        return fhir or (namespace in {"", "System"} and name in SYSTEM_TYPES) or namespace == "System"


@lru_cache(maxsize=8)
def model_of(registry: Registry) -> Model:
    """Returns the model of a registry; one is kept for each of the last few."""
    return Model(registry)
