"""Why a request is not authenticated: the reason for the log, and the little that the caller is told.

401 and `WWW-Authenticate`: https://www.rfc-editor.org/rfc/rfc6750#section-3
"""

from __future__ import annotations

from fhir_dmp.outcome import Category, FhirError, error

REALM = b'Bearer realm="fhir-dmp"'


class SettingUnusable(ValueError):
    """A setting of authentication cannot be used; the message names it and the place."""


class TokenRefused(Exception):
    """A token is not accepted. The message is for the log of the server, and holds nothing of the token."""


class IssuerUnreachable(Exception):
    """What is needed to judge a token (keys, introspection) cannot be had now. The message is for the log."""


class RequesterUnknown(Exception):
    """A valid token does not say who asks. The message says what is missing, and is shown to the caller."""


def refuse_missing() -> FhirError:
    """Builds the error of a request without token."""
    return error(Category.UNAUTHENTICATED, "token-missing", "This needs a bearer token: Authorization: Bearer …")


def refuse_invalid() -> FhirError:
    """Builds the error of a token that is not accepted: it is the same whatever the reason."""
    return error(Category.UNAUTHENTICATED, "token-invalid", "The bearer token is not valid here, or no longer.")


def refuse_unreachable() -> FhirError:
    """Builds the error of a token that cannot be judged now."""
    return error(Category.UNAVAILABLE, "issuer-unreachable", "The token cannot be checked now; try again shortly.")


def refuse_requester(message: str) -> FhirError:
    """Builds the error of a valid token that does not say who asks; `message` says what is missing."""
    return error(Category.FORBIDDEN, "requester-unknown", message)


def refuse_excluded() -> FhirError:
    """Builds the error of those who never have access, whatever they ask for: the words are the gate's."""
    return error(Category.FORBIDDEN, "not-allowed", "The token does not allow this.")


def build_challenge(fault: FhirError, *, lacks_scope: bool = False) -> list[tuple[bytes, bytes]]:
    """Returns the WWW-Authenticate header of a 401, or where the token lacks a scope; no header for any other error."""
    if lacks_scope:
        return [(b"www-authenticate", REALM + b', error="insufficient_scope"')]
    if fault.category is not Category.UNAUTHENTICATED:
        return []
    is_missing = fault.issues[0].code == "token-missing"
    return [(b"www-authenticate", REALM if is_missing else REALM + b', error="invalid_token"')]
