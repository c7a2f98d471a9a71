"""Cursors: where a page ended, as a text that only this server makes, good for one query of one requester.

https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

from itsdangerous import BadData, Signer, URLSafeSerializer
from itsdangerous.encoding import base64_encode

from fhir_dmp.json_text import Json
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.search.query import SortKey

CURSOR = "-cursor"
"""The parameter of a next link that holds the cursor; names of a server's own begin with a hyphen."""
BEFORE = "-before"
"""That of a previous link: the place before which its page ends."""
PLACES = frozenset({CURSOR, BEFORE})
_LONGEST = 16_384
_SIGNED: dict[str, Any] = {"digest_method": sha256}


class Cursors:
    """Writes and reads cursors."""

    def __init__(self, secret: bytes) -> None:
        """`secret` is shared by all servers of one database and never leaves them."""
        self._secret = secret

    def write(self, keys: Sequence[SortKey], bound_to: str) -> str:
        """Returns the cursor after the row with these keys; `bound_to` names the query and the requester.

        It is what the serializer that reads it would write, which takes six times as long: each full page has one.
        """
        payload = base64_encode(json.dumps([_plain(key) for key in keys], separators=(",", ":")))
        return Signer(self._secret, salt=_salt(bound_to), **_SIGNED).sign(payload).decode("ascii")

    def read(self, text: str, bound_to: str) -> list[SortKey]:
        """Returns the keys of a cursor; raises FhirError (invalid parameter) where it was not made for `bound_to`."""
        if len(text) > _LONGEST:
            raise _refusal()
        try:
            keys = URLSafeSerializer(self._secret, salt=_salt(bound_to), signer_kwargs=_SIGNED).loads(text)
        except (BadData, ValueError):
            raise _refusal() from None
        return [_typed(key) for key in keys]


def _salt(bound_to: str) -> bytes:
    """The binding is part of the key, so a cursor of another query does not even verify."""
    return sha256(b"fhir-dmp cursor\0" + bound_to.encode("utf-8", "surrogatepass")).digest()


def _plain(key: SortKey) -> Json:
    return {"decimal": str(key)} if isinstance(key, Decimal) else key


def _typed(key: Json) -> SortKey:
    value: SortKey = Decimal(key["decimal"]) if isinstance(key, dict) else key
    return value


def _refusal() -> FhirError:
    message = f"The {CURSOR} is not one this server made for this search: start again from the first page."
    return error(Category.INVALID_PARAMETER, "cursor-invalid", message, f"http.{CURSOR}")
