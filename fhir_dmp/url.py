"""URLs as they are written in settings: which lead somewhere, and which nobody on the way can change."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

_PLAIN = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
"""Neither blanks and backslashes, which readers of URLs read differently, nor what no header can say (Location)."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def split_url(text: str) -> SplitResult | None:
    """Returns the parts of a URL that leads to a host; None of what is none, as one with half of a bracket."""
    try:
        parts = urlsplit(text)
        leads = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if leads and _PLAIN.fullmatch(text) else None


def is_safe(text: str) -> bool:
    """Tells whether a text is an https URL without user and fragment; on this machine http will do."""
    parts = split_url(text)
    if parts is None or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
