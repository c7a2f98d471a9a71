"""Context: all that an interaction may touch. Nothing else is ambient: no global, no clock, no random source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from fhir_dmp.conformance.rules import Rules
from fhir_dmp.instant import Milliseconds
from fhir_dmp.search.index import Indexer
from fhir_dmp.search.page import Cursors
from fhir_dmp.search.space import SearchSpace
from fhir_dmp.spec.capability import Capability
from fhir_dmp.spec.registry import Registry
from fhir_dmp.store.port import Reader, Store
from fhir_dmp.validation.compiler import Schemas


@dataclass(frozen=True, slots=True)
class Context:
    """The server's definitions, its store, its clock and its source of ids.

    `rules` returns those that hold now: definitions come and go while the server runs. `reader` is the store, except
    inside a transaction: there it is the writer, which sees what was just written.
    """

    registry: Registry
    capability: Capability
    schemas: Schemas
    rules: Callable[[], Rules]
    space: SearchSpace
    indexer: Indexer
    cursors: Cursors
    store: Store
    reader: Reader
    base_url: str
    zone: ZoneInfo
    now: Callable[[], Milliseconds]
    new_id: Callable[[], str]
