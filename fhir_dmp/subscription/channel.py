"""The headers of a channel: https://hl7.org/fhir/R4/subscription-definitions.html#Subscription.channel.header."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fhir_dmp.outcome import Category, error

Header = tuple[str, str]
"""A header's name and value."""

_HEADER = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?[ \t]*")
_OURS = frozenset({
    "connection", "content-encoding", "content-length", "content-type", "expect", "host", "keep-alive",
    "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
"""Headers that frame the request or say where it goes: who subscribes has no say in them."""


def read_headers(lines: Sequence[str]) -> tuple[Header, ...]:
    """Returns the headers of a channel; raises FhirError (unprocessable) for a line that is none, or that is ours."""
    return tuple(_read_header(number, line) for number, line in enumerate(lines))


def _read_header(number: int, line: str) -> Header:
    found = _HEADER.fullmatch(line)
    if found is None or found[1].lower() in _OURS:
        message = "This is not a header (`Name: value`) that a channel may have."
        raise error(Category.UNPROCESSABLE, "subscription-header", message, f"Subscription.channel.header[{number}]")
    return found[1], found[2] or ""
