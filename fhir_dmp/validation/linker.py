"""Linker: what builders need of the compiler, so that types can refer to types that are compiled later."""

from __future__ import annotations

from typing import Protocol

from fhir_dmp.spec.registry import Registry
from fhir_dmp.validation.schema import Schema


class Linker(Protocol):
    """The compiler, as builders and rules see it."""

    model: Registry

    def link(self, group: str) -> Schema:
        """Returns the schema of a group, which may be filled later. Raises KeyError for an unknown group."""

    def schema(self, type_name: str) -> Schema:
        """Returns the finished schema of a type, compiled now if need be. Raises KeyError for an unknown type."""
