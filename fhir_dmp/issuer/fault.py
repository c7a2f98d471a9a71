"""What the authorisation server refuses: https://www.rfc-editor.org/rfc/rfc6749#section-5.2."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus


class OAuthError(Exception):
    """An OAuth error: its registered code, and a description for who builds the client."""

    def __init__(self, code: str, description: str) -> None:
        """The status follows from the code."""
        super().__init__(description)
        self.code = code
        self.description = description

    @property
    def status(self) -> HTTPStatus:
        """401 where the client is not who it says, 503 where another server does not answer, else 400."""
        return _STATUSES.get(self.code, HTTPStatus.BAD_REQUEST)


_STATUSES = {
    "invalid_client": HTTPStatus.UNAUTHORIZED,
    "temporarily_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
}


def need(form: Mapping[str, str], name: str) -> str:
    """Returns a parameter of a form; raises OAuthError (invalid_request) where it is missing (RFC 6749, 5.2)."""
    if name not in form:
        raise OAuthError("invalid_request", f"{name} is needed")
    return form[name]
