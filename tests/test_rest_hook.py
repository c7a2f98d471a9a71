"""Deliveries to real endpoints on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from fhir_dmp.rest_hook import Receipt, RestHook
from fhir_dmp.subscription.hosts import read_hosts

HERE = read_hosts("127.0.0.1, hooks.example.org")


@asynccontextmanager
async def endpoint(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Yields the URL of an endpoint that answers so, or never where that is empty, and the requests it got."""
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        received.append(head + await reader.readexactly(length))
        writer.write(answer)
        if not answer:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook", received


def status(line: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {line}", *headers, "Content-Length: 0", "Connection: close", "", ""]).encode()


async def test_a_healthy_endpoint_gets_the_body_and_the_headers_of_the_channel_once() -> None:
    async with endpoint(status("200 OK")) as (url, received), RestHook(HERE, 5) as hook:
        receipt = await hook.send(url, [("Authorization", "Bearer s")], b'{"a":1}', "application/fhir+json")
    assert receipt is Receipt.DELIVERED
    (request,) = received
    assert request.startswith(b"POST /hook HTTP/1.1\r\n")
    assert request.endswith(b'\r\n\r\n{"a":1}')
    assert b"\r\nauthorization: bearer s\r\n" in request.lower()
    assert b"\r\ncontent-type: application/fhir+json\r\n" in request.lower()


async def test_an_empty_notification_has_no_body_and_no_type() -> None:
    async with endpoint(status("204 No Content")) as (url, received), RestHook(HERE, 5) as hook:
        assert await hook.send(url, [], b"", "") is Receipt.DELIVERED
    assert received[0].endswith(b"\r\n\r\n")
    assert b"content-type" not in received[0].lower()


@pytest.mark.parametrize("line", ["500 Internal Server Error", "410 Gone", "404 Not Found"])
async def test_an_endpoint_that_answers_an_error_got_nothing(line: str) -> None:
    async with endpoint(status(line)) as (url, received), RestHook(HERE, 5) as hook:
        assert await hook.send(url, [], b"{}", "application/fhir+json") is Receipt.FAILED
    assert len(received) == 1


async def test_a_redirection_is_not_followed() -> None:
    async with endpoint(status("200 OK")) as (inner, reached):
        moved = status("307 Temporary Redirect", f"Location: {inner}")
        async with endpoint(moved) as (url, _), RestHook(HERE, 5) as hook:
            assert await hook.send(url, [], b"{}", "application/fhir+json") is Receipt.FAILED
    assert reached == []


async def test_an_endpoint_that_does_not_answer_fails_in_time() -> None:
    async with endpoint(b"") as (url, _), RestHook(HERE, 0.3) as hook, asyncio.timeout(3):
        assert await hook.send(url, [], b"{}", "application/fhir+json") is Receipt.FAILED


async def test_an_endpoint_that_is_gone_fails() -> None:
    async with endpoint(b"x") as (url, _):
        pass
    async with RestHook(HERE, 5) as hook:
        assert await hook.send(url, [], b"{}", "application/fhir+json") is Receipt.FAILED


async def test_a_host_that_is_not_listed_is_never_called() -> None:
    async with endpoint(status("200 OK")) as (url, received), RestHook(read_hosts("hooks.example.org"), 5) as hook:
        assert await hook.send(url, [], b"{}", "application/fhir+json") is Receipt.REFUSED
    assert received == []


async def test_a_listed_name_with_one_inner_address_among_others_is_never_called() -> None:
    async def rebind(_host: str, _port: int) -> Sequence[str]:
        return ["93.184.216.34", "127.0.0.2"]

    async with RestHook(HERE, 5, rebind) as hook:
        assert await hook.send("https://hooks.example.org/", [], b"{}", "application/fhir+json") is Receipt.REFUSED


async def test_an_address_that_takes_no_connection_is_followed_by_the_next_and_the_host_keeps_its_name() -> None:
    async def two(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.3", "127.0.0.1"]

    allowed = read_hosts("127.0.0.0/29")
    async with endpoint(status("200 OK")) as (url, received), RestHook(allowed, 5, two) as hook:
        named = url.replace("127.0.0.1", "127.0.0.2")
        assert await hook.send(named, [], b"{}", "application/fhir+json") is Receipt.DELIVERED
    (request,) = received
    assert b"\r\nhost: 127.0.0.2:" in request.lower()


async def test_a_cookie_of_one_endpoint_is_sent_to_none() -> None:
    answer = status("200 OK", "Set-Cookie: a=b")
    async with endpoint(answer) as (url, received), RestHook(HERE, 5) as hook:
        await hook.send(url, [], b"{}", "application/fhir+json")
        await hook.send(url, [], b"{}", "application/fhir+json")
    assert len(received) == 2
    assert b"cookie" not in received[1].lower()
