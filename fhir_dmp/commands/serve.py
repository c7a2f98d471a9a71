"""`fhir-dmp serve`: the checks, the database, the demo records, the server; what goes wrong is said in one line."""

from __future__ import annotations

from fhir_dmp.commands.connection import Target
from fhir_dmp.commands.demo import load_demo_when_ready
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.preflight import check_free, check_open, check_settings
from fhir_dmp.loader import load_registry
from fhir_dmp.serve import Address, database, serve
from fhir_dmp.store.mongo.embedded.mongod import MongodError
from fhir_dmp.store.mongo.store import StoreUnusable


def start_server(host: str, port: int, *, workers: int, is_demo: bool, needs_tokens: bool) -> None:
    """Serves until a signal ends it.

    Raises CommandError where it cannot start, and DefinitionsMissing, before anything else has started.
    """
    address = Address(host, port)
    settings = check_settings()
    if needs_tokens and not is_demo:
        message = "tokens are not there yet: start with --auth open (on a loopback address only)"
        raise CommandError(Exit.USAGE, message)
    check_open(address)
    check_free(address)
    load_registry()
    try:
        with database(settings) as uri:
            if is_demo:
                load_demo_when_ready(Target(address.base_url))
            serve(address, workers, settings, uri)
    except (MongodError, StoreUnusable) as fault:
        raise CommandError(Exit.ENVIRONMENT, str(fault)) from None
