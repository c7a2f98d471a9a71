"""Context: all that an interaction may touch. Nothing else is ambient: no global, no clock, no random source.

The routing table is part of it, as the entries of a Bundle are routed too: a Route is what a method and the shape of
a URL ask for, https://hl7.org/fhir/R4/http.html#summary.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from zoneinfo import ZoneInfo

from fhir_dmp.access.consent import Reading
from fhir_dmp.access.matrix import Matrix
from fhir_dmp.audit.access import Recorder
from fhir_dmp.conformance.depth import Depth
from fhir_dmp.conformance.rules import Rules
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.cache import AccessCache
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.scanner.port import Scanner
from fhir_dmp.search.index import Indexer
from fhir_dmp.search.page import Cursors
from fhir_dmp.search.space import SearchSpace
from fhir_dmp.spec.capability import Capability
from fhir_dmp.spec.registry import Registry
from fhir_dmp.store.audit_port import AuditTrail
from fhir_dmp.store.bulk_port import Exports
from fhir_dmp.store.event_port import Outbox
from fhir_dmp.store.port import Reader, Store
from fhir_dmp.subscription.hosts import NOWHERE, AllowedHosts
from fhir_dmp.terminology.question import CodeQuestion
from fhir_dmp.validation.compiler import Schemas

AskCodes: TypeAlias = Callable[[Iterable[CodeQuestion]], Awaitable[Mapping[CodeQuestion, bool]]]
Run: TypeAlias = Callable[["Context", Request], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the table: `interaction` is a code of http://hl7.org/fhir/restful-interaction.

    `shape` is a path with `[type]`, `[id]`, `[vid]` and `[compartment]` where names stand; a type in place of `[type]`
    means that only this one has the route (`ValueSet/$expand`). `definition` is the canonical of an operation's
    OperationDefinition.
    """

    method: str
    shape: str
    interaction: str
    run: Run
    definition: str = ""

    @property
    def resource_type(self) -> str:
        """The only type that has the route; `[type]` where all have it, empty for the system."""
        first = self.shape.partition("/")[0]
        return "" if first[:1] in {"", "_", "$"} else first

    @property
    def operation(self) -> str:
        """The operation's name without `$`, empty for any other interaction."""
        last = self.shape.rpartition("/")[2]
        return last[1:] if last.startswith("$") else ""


class Routes:
    """The table: one for HTTP, the entries of a batch and the reads of a transaction. /metadata is built from it."""

    def __init__(self, rows: Iterable[Route]) -> None:
        """Keeps the rows in their order."""
        self.rows = tuple(rows)
        self._by_place = {(row.method, row.shape): row for row in self.rows}

    def find(self, method: str, shape: str, resource_type: str) -> Route:
        """Returns the route of a path; raises FhirError (not allowed, or not found where nothing has this shape)."""
        method = "GET" if method == "HEAD" else method
        # what one type alone has goes before what all have
        found = self._by_place.get((method, _special(shape, resource_type))) or self._by_place.get((method, shape))
        if found is None:
            raise self._refuse(method, shape, resource_type)
        return found

    def at(self, shape: str, resource_type: str) -> list[Route]:
        """Returns the routes of a path, by whatever method."""
        places = {shape, _special(shape, resource_type)}
        return [row for row in self.rows if row.shape in places]

    def operations(self, resource_type: str) -> dict[str, str]:
        """Returns the operations of a type, or of the system where it is empty: names with their definitions."""
        places = {resource_type, "[type]"} if resource_type else {""}
        return {row.operation: row.definition for row in self.rows if row.operation and row.resource_type in places}

    def _refuse(self, method: str, shape: str, resource_type: str) -> FhirError:
        if self.at(shape, resource_type):
            return method_not_allowed(method)
        wanted = next((step for step in shape.split("/") if step.startswith("$")), "")
        if wanted:
            known = ", ".join(f"${name}" for name in self.operations(resource_type))
            message = f"There is no operation {wanted[:64]} here; {resource_type[:64] or 'the system'} has {known}."
            return error(Category.NOT_FOUND, "operation-unknown", message)
        return error(Category.NOT_FOUND, "url-unknown", f"Nothing is at a URL of the form {shape[:64]}.")


def _special(shape: str, resource_type: str) -> str:
    return shape.replace("[type]", resource_type, 1)


def method_not_allowed(method: str) -> FhirError:
    """The answer for a method that a URL of this shape never takes."""
    return error(Category.NOT_ALLOWED, "method-not-allowed", f"{method[:32]} is no method of this URL.")


@dataclass(frozen=True, slots=True)
class Context:
    """The server's definitions, its store, its clock and its source of ids.

    `rules` returns those that hold now: definitions come and go while the server runs. `routes` are those of the whole
    server. `depth` is how far writes are validated; `ask_codes` asks the terminology server, where there is one, for
    codes unknown here. `matrices` returns the habilitation matrix that holds now; `reading` reads Consents, and `cache`
    keeps what was read.
    `trail` is where `recorder` has the trace kept; None where nobody's is. `reader` is the store, except inside a
    transaction: there it is the writer, which sees what was just written. `exports` are those under way, and
    the `outbox` holds what subscriptions are told. `security` is
    what /metadata says of tokens; None where none are needed. `subscription_hosts` are where notifications may go.
    """

    registry: Registry
    capability: Capability
    schemas: Schemas
    rules: Callable[[], Rules]
    routes: Routes
    depth: Depth
    ask_codes: AskCodes | None
    matrices: Callable[[], Matrix]
    reading: Reading
    cache: AccessCache
    recorder: Recorder
    trail: AuditTrail | None
    space: SearchSpace
    indexer: Indexer
    cursors: Cursors
    exports: Exports
    outbox: Outbox
    store: Store
    reader: Reader
    base_url: str
    zone: ZoneInfo
    now: Callable[[], Milliseconds]
    new_id: Callable[[], str]
    security: JsonObject | None
    scanner: Scanner | None = None
    subscription_hosts: AllowedHosts = NOWHERE

    @property
    def matrix(self) -> Matrix:
        """The habilitation matrix that holds now: it may be replaced while the server runs."""
        return self.matrices()
