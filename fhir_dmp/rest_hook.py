"""Sends notifications to the endpoints of rest-hooks: https://hl7.org/fhir/R4/subscription.html#2.46.7.1.

The name is resolved here and the connection made to the very address that was checked: a name that resolves otherwise
the second time leads nowhere. Redirections are not followed, answers are not read, proxies of the environment not used.
Cookies are not kept, nor connections: they would be those of an address, which several hosts may share, and the next
host's certificate would go unchecked.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from enum import Enum
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self

import httpx

from fhir_dmp.outcome import FhirError
from fhir_dmp.subscription.channel import Header
from fhir_dmp.subscription.hosts import AllowedHosts, check_endpoint

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host and a port to its addresses; raises OSError where it has none."""


class Receipt(Enum):
    """What became of a notification."""

    DELIVERED = "delivered"
    FAILED = "failed"
    REFUSED = "refused"
    """This server does not send there: nothing was."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Asks the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[4][0]) for place in found]


class RestHook:
    """Posts to listed hosts; `timeout` is how long the whole of one delivery may take, in seconds."""

    def __init__(self, allowed: AllowedHosts, timeout: float, ask: Resolve = resolve) -> None:
        self._allowed, self._timeout, self._ask = allowed, timeout, ask
        self._client = httpx.AsyncClient(
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Self:
        """Returns itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def send(
        self, endpoint: str, headers: Sequence[Header], body: bytes, media_type: str, method: str = "POST"
    ) -> Receipt:
        """Sends one notification; an empty one has no body and no `media_type`. Raises nothing for what it meets."""
        sent = [*headers, ("content-type", media_type)] if media_type else headers
        try:
            async with asyncio.timeout(self._timeout):
                return await self._send(endpoint, sent, body, method)
        except (TimeoutError, OSError, httpx.HTTPError, httpx.InvalidURL):
            return Receipt.FAILED

    async def _send(self, endpoint: str, headers: Sequence[Header], body: bytes, method: str) -> Receipt:
        try:
            check_endpoint(endpoint, self._allowed)
        except FhirError:
            return Receipt.REFUSED
        url = httpx.URL(endpoint)
        addresses = await self._ask(url.host, url.port or (443 if url.scheme == "https" else 80))
        is_listed = self._allowed.lists(url.host)
        if not is_listed or not addresses or not all(self._allowed.permits(address) for address in addresses):
            return Receipt.REFUSED
        for address in addresses:
            request = self._client.build_request(
                method,
                url.copy_with(host=address),
                headers=[("host", url.netloc.decode()), *headers],
                content=body,
                extensions={"sni_hostname": url.host},
            )
            with suppress(httpx.ConnectError):
                return await self._deliver(request)
        return Receipt.FAILED

    async def _deliver(self, request: httpx.Request) -> Receipt:
        response = await self._client.send(request, stream=True)
        await response.aclose()
        return Receipt.DELIVERED if response.is_success else Receipt.FAILED
