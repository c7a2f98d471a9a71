"""`[base]/.well-known/smart-configuration`, for everyone: https://hl7.org/fhir/smart-app-launch/conformance.html."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import Receive, Scope, Send

from fhir_dmp.json_text import JsonObject, write_json

PATH = "/.well-known/smart-configuration"
_ALLOWED = "GET, HEAD, OPTIONS"
_STATUSES = {"GET": HTTPStatus.OK, "HEAD": HTTPStatus.OK, "OPTIONS": HTTPStatus.NO_CONTENT}
_OPEN = [(b"access-control-allow-origin", b"*"), (b"access-control-allow-methods", _ALLOWED.encode())]


@dataclass(frozen=True, slots=True)
class Discovery:
    """Answers with one JSON document, to any origin and whatever is accepted."""

    document: JsonObject

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  as ASGI has it
        """Answers one request."""
        status = _STATUSES.get(scope["method"], HTTPStatus.METHOD_NOT_ALLOWED)
        body = write_json(self.document) if status is HTTPStatus.OK else b""
        headers = [*_OPEN, (b"allow", _ALLOWED.encode())]
        if body:
            headers += [(b"content-type", b"application/json"), (b"cache-control", b"public, max-age=300")]
        if status is not HTTPStatus.NO_CONTENT:
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status.value, "headers": headers})
        await send({"type": "http.response.body", "body": body if scope["method"] == "GET" else b""})
