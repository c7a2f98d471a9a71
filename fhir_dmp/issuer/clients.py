"""The clients that the local issuer knows: `issuer/clients.json` in the data folder, or one public demo client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator

from fhir_dmp.authentication.fault import SettingUnusable
from fhir_dmp.authentication.setting import read_setting
from fhir_dmp.json_text import JsonObject
from fhir_dmp.url import is_safe

FILE = Path("issuer") / "clients.json"
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_TEXT: JsonObject = {"type": "string", "minLength": 1}
_TEXTS: JsonObject = {"type": "array", "items": _TEXT}
_CONTEXTS: JsonObject = {"type": "array", "items": {"enum": ["patient", "user", "system"]}}
SCHEMA: JsonObject = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "name": _TEXT,
            "redirect_uris": _TEXTS,
            "contexts": _CONTEXTS,
            "kind": {"enum": ["hospital", "health-insurance", "administrator", "auditor"]},
            "organization": _TEXT,
            "jwks": {"type": "object", "required": ["keys"]},
            "jwks_uri": _TEXT,
            "certificate_subject": _TEXT,
            "secret_sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "subject_token_clients": _TEXTS,
        },
    },
}


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client.

    It authenticates with an assertion (`jwks` or `jwks_uri`), with a certificate (its subject, RFC 4514), or for
    introspection alone with a secret; one without any of them is public. `subject_token_clients` are the clients of
    Pro Santé Connect whose tokens it may exchange.
    """

    id: str
    name: str = ""
    redirect_uris: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ("patient", "user")
    kind: str = "hospital"
    organization: str = ""
    jwks: JsonObject | None = None
    jwks_uri: str = ""
    certificate_subject: str = ""
    secret_sha256: str = field(default="", repr=False)
    subject_token_clients: tuple[str, ...] = ()

    @property
    def is_public(self) -> bool:
        """Tells whether the client has nothing to prove that it is itself."""
        return not (self.jwks or self.jwks_uri or self.certificate_subject or self.secret_sha256)

    def has_secret(self, secret: str) -> bool:
        """Tells whether this is the client's secret."""
        return bool(self.secret_sha256) and compare_digest(sha256(secret.encode()).hexdigest(), self.secret_sha256)

    def may_redirect_to(self, uri: str) -> bool:
        """Tells whether a redirect URI is registered; on the loopback address the port is free (RFC 8252, 7.3)."""
        return any(uri == known or _is_same_but_port(uri, known) for known in self.redirect_uris)

    def may_call_from(self, origin: str) -> bool:
        """Tells whether pages of an origin may ask for this client's tokens: those that it may be redirected to."""
        return any(
            origin == _origin(known) or _is_same_but_port(origin, _origin(known)) for known in self.redirect_uris
        )


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def _is_same_but_port(uri: str, known: str) -> bool:
    try:
        given, registered = urlsplit(uri), urlsplit(known)
        ports_are_numbers = given.port is None or given.port > 0
    except ValueError:
        return False
    # urlsplit leaves out line breaks and tabs, and spaces before: the answer would go to what is written
    if uri != given.geturl() or given.username is not None:
        return False
    if registered.scheme != "http" or registered.hostname not in _LOOPBACK:
        return False
    is_same = (given.scheme, given.hostname, given.path, given.query, given.fragment) == (
        registered.scheme,
        registered.hostname,
        registered.path,
        registered.query,
        registered.fragment,
    )
    return is_same and ports_are_numbers


DEMO = Client("demo", "Application de démonstration", ("http://127.0.0.1/callback", "http://[::1]/callback"))
"""Known where no client is registered: an app on this machine."""


def load_clients(data_dir: Path) -> dict[str, Client]:
    """Returns the clients of a data folder; raises SettingUnusable."""
    file = data_dir / FILE
    if not file.exists():
        return {DEMO.id: DEMO}
    try:
        data = file.read_bytes()
    except OSError as fault:
        raise SettingUnusable(f"{file}: {fault}") from None
    return parse_clients(read_setting(data, str(file)), str(file))


def parse_clients(value: JsonObject, place: str) -> dict[str, Client]:
    """Returns registered clients by their id; raises SettingUnusable, which names the place."""
    for fault in Draft202012Validator(SCHEMA).iter_errors(value):
        where = " > ".join(str(step) for step in fault.absolute_path)
        raise SettingUnusable(f"{place}: {where or 'the value'} is not as the schema of clients has it")
    for name, given in value.items():
        if "jwks_uri" in given and not is_safe(given["jwks_uri"]):
            raise SettingUnusable(f"{place}: {name} > jwks_uri is no https address")
    return {name: _build_client(name, given) for name, given in value.items()}


def _build_client(name: str, given: JsonObject) -> Client:
    members: Mapping[str, Any] = {key: tuple(item) if isinstance(item, list) else item for key, item in given.items()}
    return Client(name, **members)
