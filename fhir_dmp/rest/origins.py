"""CORS: which web apps may call from a browser, and what they may see: https://fetch.spec.whatwg.org/#http-cors-protocol."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

_LOOPBACK = r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_SENT = (
    "Accept",
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "If-Match",
    "If-Modified-Since",
    "If-None-Exist",
    "If-None-Match",
    "If-Range",
    "Prefer",
    "Range",
    "X-Request-Id",
    "X-Security-Context",
)
_SHOWN = (
    "Accept-Ranges",
    "Content-Location",
    "Content-Range",
    "ETag",
    "Last-Modified",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Correlation-Id",
    "X-Progress",
    "X-Request-Id",
)


def allow_origins(app: ASGIApp, origins: Sequence[str], *, is_demo: bool) -> ASGIApp:
    """Returns the application open to web apps of these origins; of this machine's own in a demo that names none.

    Tokens are sent by the app itself, so credentials of the browser's (cookies) are never allowed.
    """
    if not origins and not is_demo:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_origin_regex=None if origins else _LOOPBACK,
        allow_methods=_METHODS,
        allow_headers=_SENT,
        expose_headers=_SHOWN,
    )
