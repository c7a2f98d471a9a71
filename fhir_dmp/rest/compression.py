"""Compression: answers beyond a size go out in a coding that the client takes. Pure ASGI, for what streams too.

The application says itself that its answers vary by Accept-Encoding. All ETags of what is compressed are weak
(`W/"3"`): they stay what they are in each coding (RFC 9110, 8.8.1). What has ranges is sent as it is.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fhir_dmp.rest.encoding import Coding, Compressor, choose_coding, open_compressor

THRESHOLD = 2048
"""Bytes from which on an answer is worth compressing: below, it is one packet or two anyway."""
_AS_IT_IS = frozenset({b"content-encoding", b"content-range", b"accept-ranges"})
_TEXT = (b"application/fhir+", b"application/json", b"text/")


@dataclass(frozen=True, slots=True)
class Compression:
    """Passes requests on; compresses the answers to those who ask for it with Accept-Encoding."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        accepted: bytes = dict(scope["headers"]).get(b"accept-encoding", b"")
        coding = choose_coding(accepted.decode("latin-1")) if accepted else None
        if coding is None:
            await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, _Answer(send, coding, is_head=scope["method"] == "HEAD"))


class _Answer:
    """Sends an answer, its body through the compressor once its head says that it is worth it."""

    def __init__(self, send: Send, coding: Coding, *, is_head: bool) -> None:
        self._send = send
        self._coding = coding
        self._is_head = is_head
        self._compressor: Compressor | None = None
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if _is_worth(message):
                self._start, self._compressor = message, open_compressor(self._coding)
            else:
                await self._send(message)
        elif self._compressor is None:
            await self._send(message)
        else:
            await self._send_part(message, self._compressor)

    async def _send_part(self, message: Message, compressor: Compressor) -> None:
        is_last = not message.get("more_body")
        part = compressor.compress(message.get("body", b""))
        part = part + compressor.flush() if is_last else part
        if self._start:
            length = len(part) if is_last and not self._is_head else None
            await self._send(_encoded(self._start, self._coding, length))
            self._start = None
        await self._send({**message, "body": b"" if self._is_head else part})


def _is_worth(start: MutableMapping[str, Any]) -> bool:
    headers = dict(start["headers"])
    length = int(headers.get(b"content-length", THRESHOLD))
    is_text = headers.get(b"content-type", b"").startswith(_TEXT)
    return is_text and length >= THRESHOLD and headers.keys().isdisjoint(_AS_IT_IS)


def _encoded(start: Message, coding: Coding, length: int | None) -> Message:
    """The head of the answer in a coding; its length where it is known: that of a HEAD is not."""
    headers = [row for row in start["headers"] if row[0] != b"content-length"]
    headers.append((b"content-encoding", coding.value.encode()))
    if length is not None:
        headers.append((b"content-length", b"%d" % length))
    return {**start, "headers": headers}
