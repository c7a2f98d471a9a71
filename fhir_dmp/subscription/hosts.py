"""Where notifications may go: only to hosts that the operator listed, and to no inner address that he did not.

An endpoint is chosen by whoever subscribes. Without this it would make the server call into its own network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NoReturn, TypeAlias
from urllib.parse import urlsplit

from fhir_dmp.outcome import Category, error

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

ENDPOINT = "Subscription.channel.endpoint"
_PLAIN = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
"""Blanks and backslashes are read differently by different readers of URLs."""
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
"""Of a host, as an endpoint has it: no port, and no `*`, which would list nothing."""
_TRANSLATED = (
    ip_network("64:ff9b::/96"),
    ip_network("64:ff9b:1::/48"),
    ip_network("2002::/16"),
    ip_network("2001::/32"),
)
"""Addresses of IPv6 that carry one of IPv4, which may be an inner one (RFC 6052, 8215, 3056, 4380)."""


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Host names in lower case, and networks; an address is a network of one. With none listed, nothing is allowed."""

    names: frozenset[str]
    networks: tuple[Network, ...]

    def __bool__(self) -> bool:
        """Tells whether any is listed."""
        return bool(self.names or self.networks)

    def lists(self, host: str) -> bool:
        """Tells whether the operator listed a host, by its name or its address."""
        address = _read_address(host)
        return host.lower() in self.names if address is None else self.has_listed(address)

    def has_listed(self, address: Address) -> bool:
        """Tells whether an address is in a listed network."""
        return any(address in network for network in self.networks)

    def permits(self, resolved: str) -> bool:
        """Tells whether a connection may be made to an address that a listed name resolved to."""
        address = _read_address(resolved)
        if address is None:
            return False
        if self.has_listed(address):
            return True
        return address.is_global and not address.is_multicast and not any(address in taken for taken in _TRANSLATED)


NOWHERE = AllowedHosts(frozenset(), ())


def read_hosts(text: str) -> AllowedHosts:
    """Reads names, addresses and networks (`192.0.2.0/24`), between commas; raises ValueError for what is none."""
    entries = [entry.strip().lower() for entry in text.split(",") if entry.strip()]
    names = frozenset(entry for entry in entries if _NAME.fullmatch(entry) and not _read_address(entry))
    return AllowedHosts(names, tuple(ip_network(entry) for entry in entries if entry not in names))


def check_endpoint(endpoint: str, allowed: AllowedHosts) -> None:
    """Raises FhirError (unprocessable) for an endpoint that is no URL of a listed host.

    Plain http is for listed addresses only: what a notification says is health data.
    """
    try:
        url = urlsplit(endpoint)
        host, _ = url.hostname, url.port
    except ValueError:
        _refuse("The endpoint is not a URL.")
    if not _PLAIN.fullmatch(endpoint):
        _refuse("The endpoint is not a URL in ASCII.")
    if url.scheme not in {"https", "http"} or not host or "@" in url.netloc or "#" in endpoint:
        _refuse("The endpoint has to be an https URL, without user or fragment.")
    if not allowed.lists(host):
        _refuse("The endpoint's host is not among those that this server sends notifications to.")
    if url.scheme == "http" and _read_address(host) is None:
        _refuse("The endpoint has to be an https URL.")


def _refuse(message: str) -> NoReturn:
    raise error(Category.UNPROCESSABLE, "subscription-endpoint", message, ENDPOINT)


def _read_address(text: str) -> Address | None:
    """An address of IPv4 in the form of IPv6 is the one of IPv4: the connection would go there."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
