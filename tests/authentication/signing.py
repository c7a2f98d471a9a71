"""Keys of tests, and tokens signed with them: right ones, and ones that are wrong in one way."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

Json = Any
NOW = 1_767_225_600_000
"""2026-01-01T00:00:00Z, where the clocks of these tests start."""
ISSUER = "https://issuer.example"
BASE_URL = "https://dmp.example/fhir"
PROFESSION = "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante"
SPECIALTY = "https://mos.esante.gouv.fr/NOS/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale"
PURPOSE = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
KIND = "https://fhir-dmp.fr/CodeSystem/requester-kind"


class Clock:
    """A clock that a test sets, in milliseconds."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> int:
        return self.at

    def pass_seconds(self, seconds: float) -> None:
        self.at += int(seconds * 1000)


@dataclass(frozen=True, slots=True)
class Pair:
    """A key pair, under the name it has in a key set."""

    kid: str
    alg: str
    key: RSAKey | ECKey

    def public(self, **changed: Json) -> dict[str, Json]:
        known = {**self.key.as_dict(private=False), "kid": self.kid, "alg": self.alg, "use": "sig", **changed}
        return {name: value for name, value in known.items() if value is not None}


@cache
def pair(kid: str, alg: str) -> Pair:
    """The pair of a name: the same one in every test, for making RSA keys takes long."""
    curves = {"ES256": "P-256", "ES384": "P-384"}
    key = RSAKey.generate_key(2048) if alg[0] in "RP" else ECKey.generate_key(curves[alg])
    return Pair(kid, alg, key)


def claims(**changed: Json) -> dict[str, Json]:
    """Complete claims of a general practitioner; what is changed to None is left out."""
    complete: dict[str, Json] = {
        "iss": ISSUER,
        "sub": "rpps:99900000011",
        "aud": BASE_URL,
        "exp": NOW // 1000 + 300,
        "iat": NOW // 1000,
        "jti": "token-1",
        "client_id": "app",
        "scope": "user/*.rs launch/patient",
        "fhirUser": "Practitioner/p1",
        "extensions": {
            "ihe_iua": {
                "subject_name": "Dr Hélène Carpentier",
                "subject_organization_id": "990000100",
                "subject_role": [{"system": PROFESSION, "code": "10"}, {"system": SPECIALTY, "code": "SM54"}],
                "purpose_of_use": [{"system": PURPOSE, "code": "TREAT"}],
                "national_provider_identifier": "99900000011",
            }
        },
        **changed,
    }
    return {name: value for name, value in complete.items() if value is not None}


def sign(by: Pair, body: Json, **header: Json) -> str:
    """A token; members of the header that are changed to None are left out."""
    known = {"alg": by.alg, "kid": by.kid, "typ": "at+jwt", **header}
    head = {name: value for name, value in known.items() if value is not None}
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    registry = jws.JWSRegistry(algorithms=[by.alg], strict_check_header=False)
    registry.max_header_length = 100_000
    return jws.serialize_compact({**head, "alg": by.alg}, payload, by.key, [by.alg], registry)


def sign_with_secret(secret: bytes, body: Json, **header: Json) -> str:
    """A token that is signed with a shared secret, whatever that is."""
    signed = f"{encode({'alg': 'HS256', 'typ': 'at+jwt', **header})}.{encode(body)}"
    return f"{signed}.{_base64(hmac.digest(secret, signed.encode(), 'sha256'))}"


def sign_anyhow(by: Pair, body: Json, **header: Json) -> str:
    """A token of an RSA key with a header that no library would write."""
    signed = f"{encode({'alg': 'RS256', 'kid': by.kid, 'typ': 'at+jwt', **header})}.{encode(body)}"
    assert isinstance(by.key, RSAKey)
    key = by.key.raw_value
    assert isinstance(key, RSAPrivateKey)
    return f"{signed}.{_base64(key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encode(value: Json) -> str:
    """JSON in base64url, as the parts of a token are."""
    return _base64(json.dumps(value).encode())


def unsigned(body: Json, **header: Json) -> str:
    """A token that says it needs no signature."""
    return f"{encode({'alg': 'none', 'typ': 'at+jwt', 'kid': 'rsa', **header})}.{encode(body)}."
