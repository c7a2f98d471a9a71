"""create_app: the one place where everything is wired."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.types import ASGIApp

from fhir_dmp.capability_statement import VERSION
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.context import Context
from fhir_dmp.loader import load_capability, load_definitions, load_registry
from fhir_dmp.packages.definitions import Definitions
from fhir_dmp.rest.fhir import FhirEndpoint
from fhir_dmp.rest.front import Front
from fhir_dmp.rest.middleware import RequestLog
from fhir_dmp.rest.monitoring import monitoring
from fhir_dmp.rest.openapi import build_paths
from fhir_dmp.search.index import Indexer
from fhir_dmp.search.page import Cursors
from fhir_dmp.search.space import SearchSpace, systems_of
from fhir_dmp.settings import Settings, read_settings
from fhir_dmp.spec.capability import Capability
from fhir_dmp.spec.registry import Registry
from fhir_dmp.store.mongo.store import MongoStore, connect
from fhir_dmp.store.port import Store
from fhir_dmp.validation.compiler import Schemas

BASE_PATH = "/fhir"


@dataclass(frozen=True, slots=True)
class Sources:
    """What is not decided by settings: the clock and the source of ids. Tests give their own."""

    now: Callable[[], Milliseconds] = lambda: time.time_ns() // 1_000_000
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())


def create_app(settings: Settings | None = None, sources: Sources | None = None) -> ASGIApp:
    """Returns the server as an ASGI application; it connects to the database when it starts."""
    settings = settings or read_settings()
    front = Front(BASE_PATH)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_context(settings, sources or Sources()) as context:
            app.state.store = context.store
            front.endpoint = FhirEndpoint(context, settings.max_body, BASE_PATH)
            yield

    app = FastAPI(title="fhir-dmp", version=VERSION, lifespan=lifespan, docs_url="/docs", redoc_url=None)
    app.include_router(monitoring)
    document = app.openapi()
    document["paths"] |= build_paths(BASE_PATH)
    front.others = app
    return RequestLog(front)


@asynccontextmanager
async def open_context(settings: Settings, sources: Sources) -> AsyncIterator[Context]:
    """Connects to the database and yields the Context of every interaction; raises StoreUnusable."""
    client = connect(settings.mongodb_uri)
    try:
        store = MongoStore(client, settings.database)
        await store.prepare()
        yield build_context(settings, sources, store, await store.shared_secret())
    finally:
        await client.close()


def build_context(settings: Settings, sources: Sources, store: Store, secret: bytes) -> Context:
    """Wires the definitions, the store, the clock and the ids together."""
    capability = load_capability()
    registry = load_registry()
    space = _build_space(settings, capability, registry)
    schemas = Schemas(registry)
    rules = Definitions((), schemas).build_rules()
    return Context(
        registry=registry,
        capability=capability,
        schemas=schemas,
        rules=lambda: rules,
        space=space,
        indexer=Indexer(space),
        cursors=Cursors(secret),
        store=store,
        reader=store,
        base_url=settings.base_url,
        zone=settings.time_zone,
        now=sources.now,
        new_id=sources.new_id,
    )


def _build_space(settings: Settings, capability: Capability, registry: Registry) -> SearchSpace:
    """Every search parameter of R4 is exposed, but for the types of parameters that capability/ leaves out."""
    exposed = {
        name: [
            code
            for code, parameter in registry.search_parameters(name).items()
            if parameter.type not in capability.unsupported_parameters
        ]
        for name in capability.types
    }
    systems = systems_of(row for row in load_definitions("terminology") if row["resourceType"] == "ValueSet")
    return SearchSpace(registry, exposed, base_url=settings.base_url, zone=settings.time_zone, systems=systems)
