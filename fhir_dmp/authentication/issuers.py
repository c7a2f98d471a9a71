"""FHIR_DMP_ISSUERS: whose tokens are accepted, and how their claims are read.

A JSON object, issuer → how to check it; or the name of a file that holds one. docs/reference/authentication.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from fhir_dmp.access.requester import Kind
from fhir_dmp.authentication.algorithm import ACCESS_TOKENS
from fhir_dmp.authentication.fault import SettingUnusable
from fhir_dmp.authentication.judgement import USUAL_KINDS, Rules
from fhir_dmp.authentication.key_set import parse_key_set
from fhir_dmp.authentication.pro_sante_connect import read_userinfo
from fhir_dmp.authentication.setting import read_setting
from fhir_dmp.authentication.statement import PATHS, Statement, read_statement
from fhir_dmp.authentication.statement import Path as ClaimPath
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.url import is_safe

NAME = "FHIR_DMP_ISSUERS"
_TEXT: JsonObject = {"type": "string", "minLength": 1}
_TEXTS: JsonObject = {"type": "array", "items": _TEXT, "minItems": 1}
_ISSUABLE = sorted(kind.value for kind in Kind if kind not in {Kind.SYSTEM, Kind.EXCLUDED})


def _object(properties: JsonObject, *required: str) -> JsonObject:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


_ENDPOINTS = ("authorization", "token", "introspection", "revocation")
_ISSUER = _object(
    {
        "jwks": _TEXT,
        "audience": {"oneOf": [_TEXT, _TEXTS]},
        "algorithms": {"type": "array", "items": {"enum": sorted(ACCESS_TOKENS)}, "minItems": 1},
        "claims": {
            "oneOf": [
                {"enum": ["iua", "pro-sante-connect"]},
                _object({name: {"oneOf": [_TEXT, _TEXTS]} for name in PATHS}),
            ]
        },
        "kinds": {"type": "array", "items": {"enum": _ISSUABLE}},
        "excluded_sectors": {"type": "array", "items": _TEXT},
        "requires_certificate": {"type": "boolean"},
        "introspection": _object(
            {"endpoint": _TEXT, "client_id": _TEXT, "client_secret": _TEXT}, "endpoint", "client_id", "client_secret"
        ),
        "endpoints": _object(dict.fromkeys(_ENDPOINTS, _TEXT), "token"),
    },
    "jwks",
    "audience",
)
SCHEMA: JsonObject = {"type": "object", "additionalProperties": _ISSUER}
"""What the setting's JSON looks like."""


@dataclass(frozen=True, slots=True)
class IntrospectionEndpoint:
    """Where an issuer tells whether a token is still good, and as whom we ask (RFC 7662)."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What an issuer's authorisation server offers to apps; an address it does not have is empty."""

    token: str
    authorization: str = ""
    introspection: str = ""
    revocation: str = ""


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer of access tokens. `jwks` is an https address or a file; `paths` is None for Pro Santé Connect."""

    name: str
    jwks: str
    audience: tuple[str, ...]
    rules: Rules
    algorithms: frozenset[str] = frozenset(ACCESS_TOKENS)
    paths: Mapping[str, ClaimPath] | None = field(default_factory=lambda: PATHS)
    requires_certificate: bool = False
    introspection: IntrospectionEndpoint | None = None
    endpoints: Endpoints | None = None

    def read(self, claims: JsonObject) -> Statement:
        """Returns what verified claims of this issuer say; raises RequesterUnknown."""
        if self.paths is None:
            return read_userinfo(claims, _chosen_situation(claims))
        return read_statement(claims, self.paths)


def parse_issuers(text: str) -> tuple[Issuer, ...]:
    """Returns the issuers of the setting; none where it is empty. Raises SettingUnusable, which names the place."""
    value = _read_json(text.strip()) if text.strip() else {}
    for fault in sorted(Draft202012Validator(SCHEMA).iter_errors(value), key=lambda fault: len(fault.absolute_path)):
        place = " > ".join(str(step) for step in fault.absolute_path)
        raise SettingUnusable(f"{NAME}: {place or 'the value'}: {_word(fault.message)}")
    return tuple(_build_issuer(name, given) for name, given in value.items())


def check_key_files(issuers: Iterable[Issuer]) -> None:
    """Raises SettingUnusable where the keys of an issuer are in a file that cannot be read, or holds no key set."""
    for issuer in issuers:
        if "://" in issuer.jwks:
            continue
        try:
            parse_key_set(Path(issuer.jwks).read_bytes())
        except OSError as fault:
            raise SettingUnusable(f"{NAME}: {issuer.name}: jwks: {issuer.jwks!r}: {fault.strerror}") from None
        except ValueError:
            raise SettingUnusable(f"{NAME}: {issuer.name}: jwks: {issuer.jwks!r} holds no JWK Set") from None


def _read_json(text: str) -> Json:
    try:
        data = text.encode() if text.startswith("{") else Path(text).read_bytes()
    except OSError as fault:
        raise SettingUnusable(f"{NAME} takes JSON or a file that has it; {text[:80]!r}: {fault.strerror}") from None
    return read_setting(data, NAME)


def _word(message: str) -> str:
    """Jsonschema quotes the value at fault first, which may be a secret: only what is wrong with it is told."""
    for wrong in ("is a required property", "is not of type", "is not one of", "Additional properties are not allowed"):
        if wrong in message:
            return message if wrong != "is not of type" else f"the value {message[message.index(wrong) :]}"
    return "the value is not one that is taken here"


def _build_issuer(name: str, given: JsonObject) -> Issuer:
    check = partial(_check_address, name)
    introspection = given.get("introspection")
    endpoints = given.get("endpoints")
    audience = given["audience"]
    return Issuer(
        name=name,
        jwks=check(given["jwks"]) if "://" in given["jwks"] else given["jwks"],
        audience=(audience,) if isinstance(audience, str) else tuple(audience),
        rules=Rules(
            frozenset(Kind(kind) for kind in given["kinds"]) if "kinds" in given else USUAL_KINDS,
            frozenset(given.get("excluded_sectors", ())),
        ),
        algorithms=frozenset(given.get("algorithms", ACCESS_TOKENS)),
        paths=_read_paths(given.get("claims", "iua")),
        requires_certificate=given.get("requires_certificate", False),
        introspection=IntrospectionEndpoint(
            check(introspection["endpoint"]), introspection["client_id"], introspection["client_secret"]
        )
        if introspection
        else None,
        endpoints=Endpoints(**{key: check(url) for key, url in endpoints.items()}) if endpoints else None,
    )


def _read_paths(claims: Any) -> Mapping[str, ClaimPath] | None:  # noqa: ANN401  JSON, checked against SCHEMA
    if claims == "pro-sante-connect":
        return None
    given = {} if claims == "iua" else claims
    return {
        **PATHS,
        **{name: tuple(path.split(".") if isinstance(path, str) else path) for name, path in given.items()},
    }


def _check_address(issuer: str, url: str) -> str:
    """Addresses are https, but for those of this machine: a key that anyone could have replaced proves nothing."""
    if not is_safe(url):
        raise SettingUnusable(f"{NAME}: {issuer}: {url!r} is no https address")
    return url


def _chosen_situation(claims: JsonObject) -> str:
    chosen = claims.get("situation_exercice")
    return chosen if isinstance(chosen, str) else ""
