"""The database of the settings, for commands that work on it beside a server or without one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pymongo.errors import PyMongoError

from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.outcome import FhirError
from fhir_dmp.settings import Settings
from fhir_dmp.store.mongo.fault import explain
from fhir_dmp.store.mongo.store import StoreUnusable

_STARTING_SECONDS = 60.0
_STEP_SECONDS = 0.1


@contextmanager
def reach_database(settings: Settings) -> Iterator[str]:
    """Yields the connection string of the database that the settings name.

    Of the embedded one, that of the server which runs on the data folder; without one, it is started for the length of
    the `with`. Raises CommandError (environment).
    """
    if settings.mongodb_uri:
        with _database_errors():
            yield settings.mongodb_uri
        return
    with _database_errors(), ExitStack() as until_done:
        yield _reach_embedded(settings, until_done)


def _reach_embedded(settings: Settings, until_done: ExitStack) -> str:
    # imported here: the embedded MongoDB needs a POSIX system, the rest of the commands does not
    from fhir_dmp.store.mongo.embedded.data_folder import DataFolderInUseError, running_uri  # noqa: PLC0415  see above
    from fhir_dmp.store.mongo.embedded.embedded_mongo import EmbeddedMongo  # noqa: PLC0415  see above

    deadline = time.monotonic() + _STARTING_SECONDS
    while True:
        uri = running_uri(settings.data_dir)
        if uri is not None:
            return uri
        try:
            return until_done.enter_context(EmbeddedMongo(settings.data_dir)).uri
        except DataFolderInUseError:
            # the server on it is just starting, or just ending
            if time.monotonic() > deadline:
                raise
            time.sleep(_STEP_SECONDS)


@contextmanager
def _database_errors() -> Iterator[None]:
    from fhir_dmp.store.mongo.embedded.mongod import MongodError  # noqa: PLC0415  see above

    try:
        yield
    except (MongodError, StoreUnusable) as fault:
        raise CommandError(Exit.ENVIRONMENT, str(fault)) from None
    except (FhirError, PyMongoError) as fault:
        # a client is told that the database does not answer now; whoever runs it can be told why
        cause = fault if isinstance(fault, PyMongoError) else fault.__cause__
        if not isinstance(cause, PyMongoError):
            raise
        raise CommandError(Exit.ENVIRONMENT, explain(cause)) from None
