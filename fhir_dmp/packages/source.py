"""RulesSource: the rules that hold now, made anew when a package or a stored definition comes or goes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from fhir_dmp.conformance.rules import Rules
from fhir_dmp.json_text import JsonObject
from fhir_dmp.packages.definitions import Definitions, is_r4_own
from fhir_dmp.packages.package import PARAMETER, TYPES, Definition, Package
from fhir_dmp.packages.port import DefinitionSource, DefinitionsUnavailable
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.watch import following

POLL_SECONDS = 5.0
"""How long after a failure the definitions are looked at again."""

_logger = logging.getLogger(__name__)


class RulesSource:
    """Reads definitions, builds rules in a thread, and puts them in place of the former at once."""

    def __init__(self, source: DefinitionSource, schemas: Schemas) -> None:
        """Until `load` has run, the rules are those of the shipped definitions and R4."""
        self._source = source
        self._schemas = schemas
        self._packages: Mapping[str, Package] = {}
        self._stored: Mapping[str, Definition] = {}
        self._definitions = Definitions((), schemas)
        self._rules = self._definitions.build_rules()
        self.parameters: Sequence[JsonObject] = ()
        self.parameters_changed: Callable[[Sequence[JsonObject]], None] = _ignore
        """Is given the stored SearchParameters, when they have changed."""
        self._building = asyncio.Lock()
        self._asked = self._answered = 0

    def rules(self) -> Rules:
        """Returns the rules that hold now: the same object until a definition changes."""
        return self._rules

    async def load(self) -> None:
        """Returns when the rules are those of what is stored and installed now; raises DefinitionsUnavailable.

        Callers that come while another one's look has not begun share the next one.
        """
        self._asked += 1
        asked = self._asked
        async with self._building:
            if self._answered < asked:
                answering = self._asked
                await self._load()
                self._answered = answering

    async def refresh(self) -> None:
        """Does what `load` does after a definition was written here; where that fails, it is done later."""
        try:
            await self.load()
        except DefinitionsUnavailable as fault:
            _logger.warning("the definitions are looked at again in %g s: %s", POLL_SECONDS, fault)

    async def after_write(self, resource_types: Iterable[str]) -> None:
        """Is to be called when resources of these types have been written here, and before that is answered."""
        if not (TYPES | {PARAMETER}).isdisjoint(resource_types):
            await self.refresh()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Follows the changes that others make, for the length of a `with`."""
        follow = following(
            self._source.changes, self.load, DefinitionsUnavailable, what="definitions", poll_seconds=POLL_SECONDS
        )
        async with follow:
            yield

    async def _load(self) -> None:
        await self._load_parameters()
        packages = await self._source.read_packages(self._packages)
        stored = await self._source.read_stored(self._stored)
        if _is_same(packages, self._packages) and _is_same(stored, self._stored):
            return
        definitions, rules = await asyncio.to_thread(self._build, packages, stored)
        self._packages, self._stored = packages, stored
        self._definitions, self._rules = definitions, rules
        _logger.info("the definitions have changed: %d packages, %d stored definitions", len(packages), len(stored))

    async def _load_parameters(self) -> None:
        parameters = await self._source.read_parameters()
        if parameters != self.parameters:
            self.parameters = parameters
            self.parameters_changed(parameters)

    def _build(self, packages: Mapping[str, Package], stored: Mapping[str, Definition]) -> tuple[Definitions, Rules]:
        """The profiles that were in use are compiled before the new rules are."""
        own = [row for row in stored.values() if not is_r4_own(row)]
        definitions = Definitions(packages.values(), self._schemas, own)
        rules = definitions.build_rules()
        for canonical in self._definitions.used_profiles:
            rules.profiles.profile(canonical)
        return definitions, rules


def _ignore(parameters: Sequence[JsonObject]) -> None:
    del parameters


def _is_same(left: Mapping[str, object], right: Mapping[str, object]) -> bool:
    return list(left) == list(right)
