"""create_app: the one place where everything is wired."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache

import orjson
from fastapi import FastAPI
from starlette.types import ASGIApp

from fhir_dmp import VERSION
from fhir_dmp.access.consent import Reading
from fhir_dmp.audit.access import Recorder
from fhir_dmp.authentication.smart import build_security, build_smart_configuration
from fhir_dmp.delivery.worker import deliver_for_ever
from fhir_dmp.habilitation.port import MatricesUnavailable, VersionTaken
from fhir_dmp.habilitation.source import MatrixSource
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.cache import AccessCache
from fhir_dmp.interactions.context import AskCodes, Context, Routes
from fhir_dmp.interactions.routes import ROUTES
from fhir_dmp.issuer.identities import Identity, read_identities
from fhir_dmp.issuer.routes import build_router
from fhir_dmp.issuer.server import AuthorizationServer
from fhir_dmp.jobs.worker import work_for_ever
from fhir_dmp.json_text import JsonObject
from fhir_dmp.loader import (
    data_folder,
    load_capability,
    load_definitions,
    load_habilitation,
    load_pages,
    load_registry,
    load_shipped_parameters,
)
from fhir_dmp.operations.routes import OPERATIONS
from fhir_dmp.packages.port import DefinitionsUnavailable
from fhir_dmp.packages.source import RulesSource
from fhir_dmp.pages.routes import build_pages
from fhir_dmp.rest.compression import Compression
from fhir_dmp.rest.discovery import Discovery
from fhir_dmp.rest.fhir import FhirEndpoint
from fhir_dmp.rest.front import Front
from fhir_dmp.rest.middleware import RequestLog
from fhir_dmp.rest.monitoring import monitoring
from fhir_dmp.rest.openapi import build_paths
from fhir_dmp.rest.origins import allow_origins
from fhir_dmp.rest.request import BodyLimits
from fhir_dmp.scanner.clamd import Clamd
from fhir_dmp.search.definition import read_own
from fhir_dmp.search.index import Indexer
from fhir_dmp.search.page import Cursors
from fhir_dmp.search.space import SearchSpace, systems_of
from fhir_dmp.settings import Settings, read_settings
from fhir_dmp.sign_in import Mode, SignIn, open_sign_in
from fhir_dmp.spec.capability import Capability
from fhir_dmp.spec.registry import Registry
from fhir_dmp.spec.search_parameter import SearchParameter
from fhir_dmp.store.bulk_port import Exports
from fhir_dmp.store.event_port import Outbox
from fhir_dmp.store.mongo.audit import MongoAuditTrail
from fhir_dmp.store.mongo.bulk import MongoExports
from fhir_dmp.store.mongo.changes import Changes
from fhir_dmp.store.mongo.events import MongoEvents
from fhir_dmp.store.mongo.habilitation import MATRICES, MongoMatrices
from fhir_dmp.store.mongo.jobs import MongoJobs
from fhir_dmp.store.mongo.outbox import MongoOutbox
from fhir_dmp.store.mongo.packages import DEFINITIONS, MongoPackages
from fhir_dmp.store.mongo.renewal import Renewal
from fhir_dmp.store.mongo.store import MongoStore, StoreUnusable, connect
from fhir_dmp.store.mongo.sweep import keep_sweeping
from fhir_dmp.store.mongo.vigil import ACCESS, MongoVigil
from fhir_dmp.store.port import Store
from fhir_dmp.terminology_server.client import TerminologyServer
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.watch import end
from fhir_dmp.xml.form import Forms

BASE_PATH = "/fhir"
ALL_ROUTES = Routes((*ROUTES, *OPERATIONS))
REQUIRED = Mode(needs_tokens=True, has_local_issuer=False)
_DIRECTORY = "00-annuaire.json"
"""The professionals as whom one can sign in at the local issuer."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What is not decided by settings: the clock and the source of ids. Tests give their own."""

    now: Callable[[], Milliseconds] = lambda: time.time_ns() // 1_000_000
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())


def create_app(settings: Settings | None = None, sources: Sources | None = None, mode: Mode = REQUIRED) -> ASGIApp:
    """Returns the server as an ASGI application; it connects to the database when it starts."""
    settings, sources = settings or read_settings(), sources or Sources()
    front = Front(BASE_PATH)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            _open_store(settings) as store,
            _open_context(settings, sources, store) as context,
            open_sign_in(settings, mode, store.database, sources.now, sources.new_id) as sign_in,
            _working(store, context),
        ):
            app.state.store, app.state.sign_in = store, sign_in
            _open_front(front, context, sign_in, settings, needs_tokens=mode.needs_tokens)
            yield

    app = FastAPI(title="fhir-dmp", version=VERSION, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.include_router(monitoring)
    app.include_router(build_pages(load_pages(), settings.base_url))
    if mode.has_local_issuer:
        app.include_router(build_router(lambda: _local_issuer(app), _load_identities()))
    document = app.openapi()
    document["paths"] |= build_paths(BASE_PATH, ALL_ROUTES)
    front.others = app
    return RequestLog(allow_origins(front, settings.cors_origins, is_demo=mode.has_local_issuer))


def _open_front(front: Front, context: Context, sign_in: SignIn, settings: Settings, *, needs_tokens: bool) -> None:
    """Lets requests in, and tells apps where tokens are had."""
    if sign_in.endpoints:
        front.discovery = Discovery(build_smart_configuration(sign_in.endpoints))
    if sign_in.endpoints or needs_tokens:
        context = replace(context, security=build_security(sign_in.endpoints))
    limits = BodyLimits(settings.max_body, settings.body_seconds)
    authentication, forms = sign_in.authentication, Forms(context.registry)
    contents = BodyLimits(settings.max_binary, settings.body_seconds)
    endpoint = FhirEndpoint(context, authentication, sign_in.proxies, limits, contents, BASE_PATH, forms)
    front.endpoint = Compression(endpoint)


def _local_issuer(app: FastAPI) -> AuthorizationServer:
    server: AuthorizationServer = app.state.sign_in.server
    return server


def _load_identities() -> list[Identity]:
    return read_identities(orjson.loads((data_folder("examples") / _DIRECTORY).read_bytes())["entry"])


@asynccontextmanager
async def open_context(settings: Settings, sources: Sources) -> AsyncIterator[Context]:
    """Connects to the database and yields the Context of every interaction; raises StoreUnusable."""
    async with _open_store(settings) as store, _open_context(settings, sources, store) as context:
        yield context


@asynccontextmanager
async def _open_store(settings: Settings) -> AsyncIterator[MongoStore]:
    client = connect(settings.mongodb_uri)
    try:
        store = MongoStore(client, settings.database, settings.query_milliseconds)
        await store.prepare()
        sweeping = asyncio.create_task(keep_sweeping(store.database))
        try:
            yield store
        finally:
            await end(sweeping)
    finally:
        await client.close()


@asynccontextmanager
async def _open_context(settings: Settings, sources: Sources, store: MongoStore) -> AsyncIterator[Context]:
    changes = Changes(store.database, [ACCESS, DEFINITIONS, MATRICES])
    packages = MongoPackages(store.database.client, settings.database, changes)
    definitions = RulesSource(packages, Schemas(load_registry()))
    matrices = MatrixSource(MongoMatrices(store.database.client, settings.database, changes), load_habilitation())
    await _load(definitions, matrices, sources)
    async with definitions.watching(), matrices.watching(), _terminology_server(settings) as ask_codes:
        secret, database = await store.shared_secret(), store.database
        kept = MongoExports(database), MongoOutbox(database)
        context = build_context(settings, sources, store, definitions, matrices, secret, *kept)
        _follow_parameters(definitions, context.space)
        store.know_own(lambda: context.space.own)
        renewal = Renewal(store, context.space, context.indexer, sources.now)

        async def after_write(resource_types: Collection[str]) -> None:
            context.cache.forget(resource_types)
            await definitions.after_write(resource_types)

        store.after_write = after_write
        vigil = MongoVigil(store.database, context.cache.forget_record, changes)
        context.cache.is_told = vigil.is_kept
        trail = MongoAuditTrail(store.database, context.indexer, sources.now)
        store.file_events = trail.filing.file
        try:
            async with renewal.running(), trail.clerk.working():
                yield replace(context, ask_codes=ask_codes, trail=trail)
        finally:
            await context.cache.close()
            await vigil.aclose()
            await trail.close()


def _follow_parameters(definitions: RulesSource, space: SearchSpace) -> None:
    """Gives the space the SearchParameters that are stored, now and whenever they change."""

    def define(resources: Sequence[JsonObject]) -> None:
        space.define(_read_own(resources, space))

    definitions.parameters_changed = define
    define(definitions.parameters)


@asynccontextmanager
async def _working(store: MongoStore, context: Context) -> AsyncIterator[None]:
    """Does the jobs that are due and tells subscribers what is written, while the server runs."""
    bell = asyncio.Event()
    store.after_schedule = bell.set
    works = [work_for_ever(context, MongoJobs(store.database), bell)]
    if context.subscription_hosts:
        works.append(deliver_for_ever(context, MongoEvents(store.database)))
    workers = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for worker in workers:
            await end(worker)


@asynccontextmanager
async def _terminology_server(settings: Settings) -> AsyncIterator[AskCodes | None]:
    if not settings.terminology_server:
        yield None
        return
    server = TerminologyServer(settings.terminology_server, settings.terminology_timeout)
    try:
        yield server.ask
    finally:
        await server.close()


async def _load(definitions: RulesSource, matrices: MatrixSource, sources: Sources) -> None:
    try:
        await definitions.load()
        await matrices.begin(sources.now)
    except DefinitionsUnavailable as fault:
        raise StoreUnusable(f"the packages cannot be read: {fault}") from fault
    except MatricesUnavailable as fault:
        raise StoreUnusable(f"the habilitation matrix cannot be read: {fault}") from fault
    except VersionTaken as fault:
        raise StoreUnusable(f"the habilitation matrix of capability/ needs a version of its own: {fault}") from fault


def build_context(  # noqa: PLR0913, PLR0917  all that is wired, once
    settings: Settings,
    sources: Sources,
    store: Store,
    definitions: RulesSource,
    matrices: MatrixSource,
    secret: bytes,
    exports: Exports,
    outbox: Outbox,
) -> Context:
    """Wires the definitions, the store, the clock and the ids together."""
    capability = load_capability()
    registry = load_registry()
    space = _build_space(settings, capability, registry)
    return Context(
        registry=registry,
        capability=capability,
        schemas=definitions.rules().schemas,
        rules=definitions.rules,
        routes=ALL_ROUTES,
        depth=settings.validation,
        ask_codes=None,
        matrices=matrices.matrix,
        reading=Reading(settings.base_url, settings.time_zone),
        cache=AccessCache(),
        recorder=Recorder(settings.base_url),
        trail=None,
        space=space,
        indexer=Indexer(space),
        cursors=Cursors(secret),
        exports=exports,
        outbox=outbox,
        store=store,
        reader=store,
        base_url=settings.base_url,
        zone=settings.time_zone,
        now=sources.now,
        new_id=sources.new_id,
        security=None,
        subscription_hosts=settings.subscription_hosts,
        scanner=Clamd(*settings.scanner) if settings.scanner else None,
    )


def build_indexer(settings: Settings, stored: Sequence[JsonObject] = ()) -> Indexer:
    """Returns the indexer of a server with these settings, and with these SearchParameters stored."""
    space = _build_space(settings, load_capability(), load_registry())
    space.define(_read_own(stored, space))
    return Indexer(space)


def _read_own(stored: Sequence[JsonObject], space: SearchSpace) -> tuple[SearchParameter, ...]:
    """Returns the parameters beside R4's: the stored ones, then those of the guides."""
    return read_own([*stored, *load_shipped_parameters()], space)


def _build_space(settings: Settings, capability: Capability, registry: Registry) -> SearchSpace:
    """Every search parameter of R4 is exposed, but for those that capability/ leaves out, and those of the guides."""
    exposed = {
        name: registry.search_parameters(name).keys() - capability_of_type.unsupported
        for name, capability_of_type in capability.types.items()
    }
    systems = _load_systems()
    space = SearchSpace(registry, exposed, base_url=settings.base_url, zone=settings.time_zone, systems=systems)
    space.define(_read_own((), space))
    return space


@cache
def _load_systems() -> dict[str, str]:
    return systems_of(row for row in load_definitions("terminology") if row["resourceType"] == "ValueSet")
