"""The packages' port: where packages and stored definitions are kept, for all servers of one database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from fhir_dmp.json_text import JsonObject
from fhir_dmp.packages.manifest import Manifest, PackageId
from fhir_dmp.packages.package import Definition, Package

R4_PUBLISHED = 1_572_560_963_356
"""The time of R4 4.0.1's definitions (2019-10-31T22:29:23.356Z), with which they are stored: they are no one's own."""
LAST_OWN = R4_PUBLISHED + 999
"""Up to then stored definitions are the server's own, R4's or of profiles/: versions that replace one count on.

What anybody writes is later.
"""


class DefinitionsUnavailable(Exception):
    """The place where packages are kept does not answer; the message says why."""


class Addition(Enum):
    """What adding a package did: `REPLACED` another archive of the same name and version."""

    ADDED = "added"
    PRESENT = "present"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed package without its definitions. `generation` is another one when another archive replaces it."""

    manifest: Manifest
    generation: str
    count: int


class PackageStore(Protocol):
    """Installed packages. Every method may raise DefinitionsUnavailable."""

    async def installed(self) -> Sequence[Installed]:
        """Returns the installed packages, by name and version."""
        ...

    async def add(self, package: Package) -> Addition:
        """Keeps a package that has a manifest: it is there as a whole when this returns, or not at all.

        Raises PackageUnusable where a definition is larger than can be kept.
        """
        ...

    async def remove(self, package: PackageId) -> bool:
        """Removes a package; tells whether it was there."""
        ...


class DefinitionSource(Protocol):
    """What rules are made of. Every method may raise DefinitionsUnavailable.

    Both readings take what the caller has read before, by key, and return those same objects for what is unchanged.
    """

    async def read_packages(self, known: Mapping[str, Package]) -> Mapping[str, Package]:
        """Returns the installed packages, as they are at one moment, by generation."""
        ...

    async def read_stored(self, known: Mapping[str, Definition]) -> Mapping[str, Definition]:
        """Returns the definitions that are stored as resources and not the server's own, the last written first.

        The key is `Type/id/_history/version`.
        """
        ...

    async def read_parameters(self) -> Sequence[JsonObject]:
        """Returns the SearchParameters that are stored and not the server's own, by id."""
        ...

    def changes(self) -> AsyncIterator[None]:
        """Yields once when it has begun to watch, and then whenever a package or a stored definition has changed."""
        ...
