"""Which of the scopes that a client asks for it is granted: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html.

What a scope permits is decided by the access rules; here it is only delegated.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from fhir_dmp.issuer.fault import OAuthError

OFFLINE = "offline_access"
LAUNCH = "launch/patient"
_RESOURCE = re.compile(
    r"(patient|user|system)/(?:\*|[A-Z][A-Za-z]*)\.(?:read|write|\*|(?=[cruds])c?r?u?d?s?)(?:\?[!-~]+)?"
)


def grant_scopes(asked: str, contexts: Collection[str], others: Collection[str] = ()) -> tuple[str, ...]:
    """Returns the scopes that are granted, as they were asked for: those of SMART v1 stay so.

    `contexts` are those a client may use (patient, user, system), `others` the other scopes that it may have.
    Raises OAuthError where nothing of a resource is left.
    """
    granted = [scope for scope in dict.fromkeys(asked.split()) if scope in others or _context(scope) in contexts]
    if not any(_context(scope) for scope in granted):
        raise OAuthError("invalid_scope", "no scope of those asked for is one that this client may have")
    return tuple(granted)


def narrow_scopes(asked: str, granted: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the scopes of a refreshed token: those of before, or fewer. Raises OAuthError."""
    if not asked:
        return granted
    wanted = tuple(dict.fromkeys(asked.split()))
    if not set(wanted) <= set(granted):
        raise OAuthError("invalid_scope", "a refreshed token has the scopes of before, or fewer")
    return wanted


def _context(scope: str) -> str:
    found = _RESOURCE.fullmatch(scope)
    return found[1] if found else ""
