"""The floor of every HTTP answer: a constant resource as raw ASGI, under the server's own uvicorn settings."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn

from bench.record import build_observation
from fhir_dmp.json_text import write_json

BODY = write_json(build_observation(0))
_HEADERS = [
    (b"etag", b'W/"1"'),
    (b"last-modified", b"Sat, 21 Nov 2026 08:00:00 GMT"),
    (b"content-type", b"application/fhir+json; charset=utf-8"),
    (b"content-length", b"%d" % len(BODY)),
]


async def answer(scope: dict[str, Any], _receive: object, send: Any) -> None:  # noqa: ANN401  ASGI's own callable
    """Answers anything with the same resource."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(
        answer, port=int(sys.argv[1]), log_level="warning", access_log=False, server_header=False, proxy_headers=False
    )
