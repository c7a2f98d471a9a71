"""What rules and builders need of the compiler, so that types can refer to types that are compiled later."""

from __future__ import annotations

from typing import Protocol

from fhir_dmp.spec.registry import Registry
from fhir_dmp.validation.schema import Schema


class KnownSchemas(Protocol):
    """The finished schemas, for rules that learn the type from the value: resources."""

    @property
    def model(self) -> Registry:
        """The definitions that are compiled."""

    def schema(self, type_name: str) -> Schema:
        """Returns the schema of a type, compiled now if need be. Raises KeyError for an unknown type."""


class Linker(KnownSchemas, Protocol):
    """A run of the compiler, for builders."""

    def link(self, group: str) -> Schema:
        """Returns the schema of a group, which may be filled later. Raises KeyError for an unknown group."""
