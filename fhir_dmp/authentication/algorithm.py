"""The signatures that are accepted, and the keys that fit them: https://www.rfc-editor.org/rfc/rfc7518#section-3.1.

Neither `none` nor a shared secret (HS*) is among them, whatever an issuer says: who checks a token cannot make one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from fhir_dmp.json_text import JsonObject

Key = RSAKey | ECKey
_RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class Algorithm:
    """What a key must be to check signatures of one algorithm; `curve` is empty for RSA."""

    kty: str
    curve: str = ""


_RSA = Algorithm("RSA")
_P256 = Algorithm("EC", "P-256")
_P384 = Algorithm("EC", "P-384")
Algorithms = Mapping[str, Algorithm]
ACCESS_TOKENS: Algorithms = {"RS256": _RSA, "ES256": _P256, "ES384": _P384}
"""Of access tokens."""
ASSERTIONS: Algorithms = {"RS384": _RSA, "ES384": _P384}
"""Of the assertions that clients authenticate with: https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html."""


def find_key(keys: list[JsonObject], kid: str, name: str, accepted: Algorithms) -> Key | None:
    """Returns the key with an id, if exactly one has it and it is meant for signatures of the algorithm."""
    algorithm = accepted[name]
    named = [key for key in keys if key.get("kid") == kid]
    if len(named) != 1 or not _fits(named[0], name, algorithm):
        return None
    return _import_key(named[0])


def _fits(key: JsonObject, name: str, algorithm: Algorithm) -> bool:
    uses = key.get("key_ops", ["verify"])
    return (
        key.get("kty") == algorithm.kty
        and key.get("crv", "") == algorithm.curve
        and key.get("alg", name) == name
        and key.get("use", "sig") == "sig"
        and isinstance(uses, list)
        and "verify" in uses
    )


def _import_key(key: JsonObject) -> Key | None:
    try:
        imported = ECKey.import_key(key) if key["kty"] == "EC" else RSAKey.import_key(key)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    is_weak = isinstance(imported, RSAKey) and imported.raw_value.key_size < _RSA_BITS
    return None if is_weak else imported
