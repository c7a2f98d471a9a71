"""`fhir-dmp serve`: the checks, the database, the demo records, the server; what goes wrong is said in one line."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from fhir_dmp.commands.connection import Target
from fhir_dmp.commands.demo import load_demo, tell_when_ready
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.preflight import check_free, check_local_issuer, check_mode, check_settings
from fhir_dmp.commands.reindex import warn_of_stale_facts
from fhir_dmp.loader import load_registry
from fhir_dmp.outcome import FhirError
from fhir_dmp.seed import seed_definitions
from fhir_dmp.serve import Address, database, serve
from fhir_dmp.settings import Settings
from fhir_dmp.sign_in import Mode
from fhir_dmp.store.mongo.embedded.mongod import MongodError
from fhir_dmp.store.mongo.store import StoreUnusable


def start_server(host: str, port: int, workers: int, mode: Mode) -> None:
    """Serves until a signal ends it; with the local issuer, it is the demo.

    Raises CommandError where it cannot start, and DefinitionsMissing, before anything else has started.
    """
    address = Address(host, port)
    settings = check_settings()
    check_mode(address, settings, mode)
    check_free(address)
    if mode.has_local_issuer:
        check_local_issuer(settings)
    load_registry()
    try:
        with database(settings) as uri:
            settings = replace(settings, mongodb_uri=uri, base_url=settings.base_url or address.base_url)
            _fill(settings, Target(address.base_url), mode)
            serve(address, workers, settings, mode)
    except (MongodError, StoreUnusable, FhirError) as fault:
        # a FhirError is of the database: it went away while the server started, or takes longer than it may
        raise CommandError(Exit.ENVIRONMENT, str(fault)) from None


def _fill(settings: Settings, target: Target, mode: Mode) -> None:
    """Stores what the server starts with."""
    with Console(stderr=True).status("Storing the definitions (at the first start only)…"):
        seed_definitions(settings)
    warn_of_stale_facts(settings)
    if mode.has_local_issuer:
        patient = load_demo(settings)
        tell_when_ready(target, patient, settings.base_url if mode.needs_tokens else "")
