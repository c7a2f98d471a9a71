"""What rules and builders need of the compiler, so that types can refer to types that are compiled later."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from fhir_dmp.recurring import Recurring
from fhir_dmp.spec.registry import Registry
from fhir_dmp.validation.schema import Schema

Right: TypeAlias = Recurring[tuple[str, str, bytes], bool]
"""Properties of resources that were found right, by type, name and value: True for each."""


class KnownSchemas(Protocol):
    """The finished schemas, for rules that learn the type from the value: resources."""

    @property
    def model(self) -> Registry:
        """The definitions that are compiled."""

    @property
    def right(self) -> Right:
        """What was found right before."""

    def schema(self, type_name: str) -> Schema:
        """Returns the schema of a type, compiled now if need be. Raises KeyError for an unknown type."""


class Linker(KnownSchemas, Protocol):
    """A run of the compiler, for builders."""

    def link(self, group: str) -> Schema:
        """Returns the schema of a group, which may be filled later. Raises KeyError for an unknown group."""
