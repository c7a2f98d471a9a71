"""What surrounds every request: its id, its line in the access log, its place in the metrics. Pure ASGI."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import MutableMapping
from functools import cache
from secrets import token_hex
from typing import Any

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Receive, Scope, Send

_REQUEST_ID = re.compile(rb"[A-Za-z0-9\-._]{1,64}")
_SPACE, _TILDE = b" ~"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods with metrics of their own: each one a client makes up would be a series for ever."""
_REQUESTS = Counter("fhir_dmp_requests", "HTTP requests", ["method", "status"])
_SECONDS = Histogram("fhir_dmp_request_seconds", "Time to the first byte of an answer", ["method"])

logger = logging.getLogger("fhir_dmp.access")


class RequestLog:
    """Gives each request an id, returned as X-Request-Id; a client's own comes back as X-Correlation-Id.

    The log has method, status and time, never a path or a parameter: they name patients.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wraps the whole application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, and adds the headers to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, correlation = _choose_id(scope)
        scope["fhir_dmp.request_id"] = request_id.decode()
        started = time.perf_counter()

        async def send_with_id(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id), *correlation]
                _record(scope["method"], message["status"], time.perf_counter() - started, request_id)
            await send(message)

        await self._app(scope, receive, send_with_id)


def _choose_id(scope: Scope) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """A client's id becomes ours where it has the form of one; else ours is new and its own comes back beside."""
    sent: bytes = dict(scope["headers"]).get(b"x-request-id", b"")
    if not sent:
        return token_hex(16).encode(), []
    if _REQUEST_ID.fullmatch(sent):
        return sent, []
    printable = bytes(byte for byte in sent[:200] if _SPACE <= byte <= _TILDE)
    return token_hex(16).encode(), [(b"x-correlation-id", printable)] if printable else []


def _record(method: str, status: int, seconds: float, request_id: bytes) -> None:
    count, time_spent = _series(method if method in _METHODS else "other", status)
    count.inc()
    time_spent.observe(seconds)
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("%s %d %.1f ms %s", method, status, seconds * 1000, request_id.decode())


@cache
def _series(method: str, status: int) -> tuple[Counter, Histogram]:
    """The metrics of a method and status, looked up once: the look-up costs more than counting."""
    return _REQUESTS.labels(method, status), _SECONDS.labels(method)
