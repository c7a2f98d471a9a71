"""The connection to a FHIR server: one client for all threads, patient while the server is away for a moment.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from threading import Event
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx
import orjson

from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.json_text import JsonObject

PATIENCE = (0.25, 0.5, 1, 2, 4, 8, 15, 15, 15)
"""Seconds between tries: a server that restarts is waited for, about a minute."""

_TIMEOUT = httpx.Timeout(connect=5, read=300, write=60, pool=None)
_AWAY = frozenset({
    HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT,
})  # fmt: skip
_LONGEST_WAIT = 60.0
_FHIR_JSON = "application/fhir+json"
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


@dataclass(frozen=True, slots=True)
class Target:
    """A FHIR server: its base URL without a slash at the end, and a bearer token, empty for none."""

    base_url: str
    token: str = field(default="", repr=False)

    @property
    def root_url(self) -> str:
        """The URL under which the server keeps what is not FHIR: its health, its metrics."""
        return self.base_url.rpartition("/")[0]


def parse_target(url: str, token: str = "") -> Target:
    """Returns the server of an http or https URL; raises CommandError (usage)."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        is_usable = False
    if not is_usable:
        raise CommandError(Exit.USAGE, f"--url takes the http or https URL of a FHIR base, not {url!r}")
    if token and not _TOKEN.fullmatch(token):
        raise CommandError(Exit.USAGE, "--token takes a bearer token: letters, digits and -._~+/= only")
    return Target(url.rstrip("/"), token)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status, and its body where that is a JSON object (empty otherwise)."""

    status: int
    body: JsonObject

    @property
    def is_success(self) -> bool:
        """Tells whether the server did what it was asked."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def issues(self) -> list[JsonObject]:
        """What an OperationOutcome refuses for; one issue made of the status where it says nothing of the kind."""
        found = [issue for issue in read_issues(self.body) if issue.get("severity") not in {"warning", "information"}]
        return found or [{"severity": "error", "diagnostics": self.title}]

    @property
    def title(self) -> str:
        """The status in words."""
        phrase = HTTPStatus(self.status).phrase if self.status in _STATUSES else ""
        return f"the server answers {self.status} {phrase}".rstrip()


_STATUSES = frozenset(HTTPStatus)


def read_issues(outcome: object) -> list[JsonObject]:
    """Returns the issues of an OperationOutcome, empty where it is none."""
    issues = outcome.get("issue") if isinstance(outcome, dict) else None
    return [issue for issue in issues if isinstance(issue, dict)] if isinstance(issues, list) else []


def read_message(issue: Mapping[str, object]) -> str:
    """Returns what an issue says to a person."""
    details = issue.get("details")
    text = details.get("text") if isinstance(details, dict) else None
    return str(text or issue.get("diagnostics") or issue.get("code") or "no reason given")


class Connection:
    """Requests to one server; may be used by several threads. Close it, or use it in a `with`."""

    def __init__(self, target: Target, patience: Iterable[float] = PATIENCE) -> None:
        self.target = target
        self._patience = tuple(patience)
        self._ending = Event()
        headers = {"accept": _FHIR_JSON, "content-type": _FHIR_JSON}
        if target.token:
            headers["authorization"] = f"Bearer {target.token}"
        # a proxy of the environment does not reach this machine's own addresses
        is_near = _is_loopback(target.base_url)
        # a context that trusts nobody, where none is used: to read whom this machine trusts takes a tenth of a second
        trusted = SSLContext(PROTOCOL_TLS_CLIENT) if is_near and target.base_url.startswith("http:") else True
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT, trust_env=not is_near, verify=trusted)

    def __enter__(self) -> Self:
        """Returns the connection."""
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        """Closes it."""
        self._client.close()

    def greet(self) -> None:
        """Asks the server for its CapabilityStatement; raises CommandError (environment) where none answers."""
        base = self.target.base_url
        try:
            reply = _read(self._client.get(f"{base}/metadata"))
        except httpx.HTTPError as fault:
            raise _no_answer(base, fault, "is it running (fhir-dmp serve)?") from None
        if reply.body.get("resourceType") != "CapabilityStatement":
            reason = reply.title if not reply.is_success else "its /metadata is no CapabilityStatement"
            raise CommandError(Exit.ENVIRONMENT, f"{base} is not the base of a FHIR server: {reason}")

    def get(self, path: str, parameters: Iterable[tuple[str, str]] = ()) -> Reply:
        """Reads or searches below the base. Raises CommandError (environment) where the server stays away."""
        url = f"{self.target.base_url}/{path}"
        query = httpx.QueryParams(list(parameters))
        return self._send(httpx.Request("GET", url, params=query or None, headers=self._client.headers))

    def post(self, bundle: bytes) -> Reply:
        """Posts a batch or transaction. It may reach the server twice: the Bundle must bear that.

        Raises CommandError (environment) where the server stays away or wants another token.
        """
        request = httpx.Request("POST", self.target.base_url, content=bundle, headers=self._client.headers)
        reply = self._send(request)
        if reply.status == HTTPStatus.UNAUTHORIZED:
            if not self.target.token:
                message = f"{self.target.base_url} needs a bearer token: give it with --token, or in FHIR_DMP_TOKEN"
                raise CommandError(Exit.ENVIRONMENT, message)
            reason = read_message(reply.issues[0]).rstrip(".")
            raise CommandError(Exit.ENVIRONMENT, f"{self.target.base_url} does not accept the token: {reason}")
        return reply

    def end(self) -> None:
        """Lets requests under way finish, and tries nothing again."""
        self._ending.set()

    def _send(self, request: httpx.Request) -> Reply:
        last: httpx.HTTPError | None = None
        for pause in (*self._patience, None):
            try:
                response = self._client.send(request)
            except httpx.TransportError as fault:
                last, wait = fault, pause
            else:
                if response.status_code not in _AWAY or pause is None:
                    return _read(response)
                wait = max(pause, _retry_after(response))
            if wait is None or self._ending.wait(wait):
                break
        raise _no_answer(self.target.base_url, last, "run the same command again to resume")


def _read(response: httpx.Response) -> Reply:
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        body = {}
    return Reply(response.status_code, body if isinstance(body, dict) else {})


def _retry_after(response: httpx.Response) -> float:
    """Returns the seconds a server asks to wait, within reason: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after."""
    text = response.headers.get("retry-after", "")
    return min(float(text), _LONGEST_WAIT) if text.isascii() and text.isdigit() else 0.0


def _no_answer(base_url: str, fault: httpx.HTTPError | None, hint: str) -> CommandError:
    reason = str(fault).strip() or type(fault).__name__ if fault else "it is unavailable"
    return CommandError(Exit.ENVIRONMENT, f"{base_url} does not answer ({reason}): {hint}")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
