"""The load: HTTP/1.1 over kept-alive sockets, in a process of its own, with as little Python per request as possible.

A request costs it 13 µs of CPU, about half of what the constant answer costs uvicorn: it is not what limits either.
"""

from __future__ import annotations

import re
import resource
import select
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from itertools import cycle
from types import MappingProxyType
from typing import BinaryIO

from bench.measure import Sample

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RECEIVED = 1 << 18
_GOOD = {b"200", b"201"}


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    received: bytes = b""


def get(path: str, port: int, token: str = "") -> bytes:
    """Builds the text of a GET."""
    lines = [f"GET {path} HTTP/1.1", f"host: 127.0.0.1:{port}", "accept: application/fhir+json"]
    if token:
        lines.append(f"authorization: Bearer {token}")
    return "\r\n".join((*lines, "", "")).encode()


def post(path: str, port: int, body: bytes) -> bytes:
    """Builds the text of a POST of FHIR JSON."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: 127.0.0.1:{port}",
        "content-type: application/fhir+json",
        "prefer: return=minimal",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def ask(
    port: int, method: str, url: str, body: BinaryIO | None = None, headers: Mapping[str, str] = MappingProxyType({})
) -> HTTPResponse:
    """Asks on a connection of its own, whatever the URL's host, for its path from `/fhir` on."""
    connection = HTTPConnection("127.0.0.1", port)
    connection.request(method, "/fhir" + url.partition("/fhir")[2], body, headers)
    return connection.getresponse()


def post_bundle(connection: HTTPConnection, bundle: bytes) -> None:
    """Stores a Bundle, for what comes before a measure; raises RuntimeError where it is refused."""
    connection.request("POST", "/fhir", bundle, {"content-type": "application/fhir+json"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(body.decode())


def drive(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Sample:
    """Sends requests in turn over several connections, one at a time on each. `cpu` is this process's own."""
    poll = select.epoll()
    open_connections = {}
    for _ in range(connections):
        connection = _Connection(socket.create_connection(("127.0.0.1", port)))
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(connection.socket, select.EPOLLIN)
        open_connections[connection.socket.fileno()] = connection
    try:
        return _drive(poll, open_connections, cycle(requests), seconds)
    finally:
        for connection in open_connections.values():
            connection.socket.close()
        poll.close()


def _drive(
    poll: select.epoll, connections: dict[int, _Connection], requests: Iterator[bytes], seconds: float
) -> Sample:
    done = errors = 0
    cpu, start = _cpu(), time.perf_counter()
    end = start + seconds
    for connection in connections.values():
        connection.socket.sendall(next(requests))
    while time.perf_counter() < end:
        for descriptor, _ in poll.poll(1):
            connection = connections[descriptor]
            answer = _receive(connection)
            if not answer:
                continue
            done += 1
            errors += answer not in _GOOD
            connection.socket.sendall(next(requests))
    return Sample(done, time.perf_counter() - start, _cpu() - cpu, errors)


def _receive(connection: _Connection) -> bytes:
    """Returns the status of the answer when it is complete, and nothing before that."""
    chunk = connection.socket.recv(_RECEIVED)
    if not chunk:
        raise ConnectionError("the server closed a connection")
    text = connection.received + chunk
    head = text.find(b"\r\n\r\n")
    length = _LENGTH.search(text, 0, head) if head >= 0 else None
    if length is None or len(text) < head + 4 + int(length[1]):
        connection.received = text
        return b""
    connection.received = b""
    return text[9:12]


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
