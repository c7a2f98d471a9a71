"""Starts the server: the embedded MongoDB where none is named, then the workers. Nothing here knows FHIR."""

from __future__ import annotations

import gc
import ipaddress
import os
import signal
import socket
import sys
from asyncio import Protocol
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import parent_process
from threading import Thread
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from fhir_dmp.app import create_app
from fhir_dmp.loader import load_registry
from fhir_dmp.settings import Settings
from fhir_dmp.sign_in import Mode

_COLLECTIONS = (50_000, 20, 50)
"""The thresholds of Python's garbage collector: new objects, then collections of a generation before the next's."""
_MODE = "_FHIR_DMP_MODE"
"""How a worker is told its Mode: the fields that are true. It is no setting: `serve` writes it at every start."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Tells whether only this machine can reach the address: a name counts if all it stands for does."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError:
            return False
        return all(ipaddress.ip_address(row[4][0]).is_loopback for row in found)

    @property
    def base_url(self) -> str:
        """The base URL for clients on this machine."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/fhir"


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Yields the connection string of the database; of the embedded one, while it runs.

    Raises MongodError where that one cannot run, or runs no more: without it this process is of no use, and ends.
    """
    if settings.mongodb_uri:
        yield settings.mongodb_uri
        return
    # imported here: the embedded MongoDB needs a POSIX system, the rest of the server does not
    from fhir_dmp.store.mongo.embedded.embedded_mongo import EmbeddedMongo  # noqa: PLC0415  see above

    faults: list[Exception] = []

    def end_server(fault: Exception) -> None:
        faults.append(fault)
        os.kill(os.getpid(), signal.SIGTERM)

    try:
        with EmbeddedMongo(settings.data_dir, on_failure=end_server) as mongo:
            yield mongo.uri
    finally:
        # in place of the exit that the signal asked for, which would say that all is well
        for fault in faults:
            raise fault


def serve(address: Address, workers: int, settings: Settings, mode: Mode) -> None:
    """Serves until a signal ends it. Workers are processes that read their settings from the environment."""
    os.environ[_MODE] = " ".join(name for name in Mode.__slots__ if getattr(mode, name))
    os.environ["FHIR_DMP_MONGODB_URI"] = settings.mongodb_uri
    os.environ["FHIR_DMP_BASE_URL"] = settings.base_url
    # uvicorn raises the signal again when it is done: as an exit, it lets the embedded MongoDB be shut down in order
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        "fhir_dmp.serve:create_worker",
        factory=True,
        host=address.host,
        port=address.port,
        http=_protocol(),
        workers=workers,
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


def _protocol() -> type[Protocol] | Literal["auto"]:
    """Returns what reads HTTP; where httptools is not (on Windows), what uvicorn chooses."""
    try:
        from fhir_dmp.rest.long_url import LongUrlProtocol  # noqa: PLC0415  see above
    except ImportError:
        return "auto"
    return LongUrlProtocol


def create_worker() -> ASGIApp:
    """Returns the application of one worker, in a process that does nothing else.

    A Bundle is a great many objects, all in use until it is answered. Python's collector would look through them again
    and again, which took almost half of a transaction's time: it comes less often, and leaves the definitions alone.
    """
    Thread(target=_end_with_parent, daemon=True).start()
    load_registry()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTIONS)
    told = os.environ[_MODE].split()
    return create_app(mode=Mode("needs_tokens" in told, "has_local_issuer" in told))


def _end_with_parent() -> None:
    """Ends this worker at once when the process that started it is gone, also by `kill -9`.

    It would go on holding the port, without a database where that was the embedded one, and no server could start. To
    end in order would wait for what no database answers any more.
    """
    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)
