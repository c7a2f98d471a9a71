"""Settings: read once from the environment, frozen. Every name is listed in docs/reference and by `serve --help`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from platformdirs import user_data_path

from fhir_dmp.conformance.depth import Depth
from fhir_dmp.subscription.hosts import AllowedHosts, read_hosts
from fhir_dmp.url import split_url


class SettingInvalid(ValueError):
    """A setting has a value that cannot be used; the message names it and says what it takes."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: its name, its default as text, and what it is for."""

    name: str
    default: str
    meaning: str


SETTINGS = (
    Setting(
        "FHIR_DMP_MONGODB_URI", "", "replica set or sharded cluster; empty: an embedded MongoDB on the data folder"
    ),
    Setting("FHIR_DMP_DATABASE", "fhir_dmp", "name of the database"),
    Setting("FHIR_DMP_DATA_DIR", "", "folder of the embedded MongoDB; empty: the platform's data folder"),
    Setting("FHIR_DMP_BASE_URL", "", "public base URL, for fullUrl, links and Location; empty: from --host and --port"),
    Setting("FHIR_DMP_VALIDATION", "full", "of writes: full (R4 and profiles), core (R4 alone), off (structure alone)"),
    Setting("FHIR_DMP_PACKAGE_REGISTRY", "https://packages.fhir.org", "where `packages install` fetches from"),
    Setting("FHIR_DMP_TERMINOLOGY_SERVER", "", "base URL, for codes that are not here; empty: none is asked"),
    Setting("FHIR_DMP_TERMINOLOGY_TIMEOUT", "2", "the longest that a write waits for it, in seconds"),
    Setting("FHIR_DMP_TIME_ZONE", "Europe/Paris", "zone of dates that have none"),
    Setting("FHIR_DMP_QUERY_TIME", "10", "the longest that one query may run in MongoDB, in seconds"),
    Setting("FHIR_DMP_MAX_BODY", "67108864", "largest request body, in bytes"),
    Setting("FHIR_DMP_MAX_BINARY", "2147483648", "largest content of a Binary, or body of $import, in bytes"),
    Setting("FHIR_DMP_BODY_SECONDS", "30", "seconds that a request body may take, with one more for each 32 KiB"),
    Setting("FHIR_DMP_SCANNER", "", "clamd that looks at what is deposited, as tcp://host:3310; empty: none does"),
    Setting("FHIR_DMP_SUBSCRIPTION_HOSTS", "", "hosts and networks that notifications may go to; empty: none"),
    Setting("FHIR_DMP_CORS_ORIGINS", "", "origins of web apps that may call from browsers, or *; empty: none"),
    Setting("FHIR_DMP_ISSUERS", "", "whose tokens are accepted: JSON, or the name of a file that has it"),
    Setting(
        "FHIR_DMP_TRUSTED_PROXIES", "", "addresses and networks that may speak for a client (certificate, address)"
    ),
    Setting("FHIR_DMP_CLIENT_CERTIFICATE_HEADER", "Client-Cert", "the header in which those proxies hand it over"),
    Setting("FHIR_DMP_LOG_LEVEL", "info", "debug, info, warning or error"),
    Setting("FHIR_DMP_MONGOD", "", "mongod binary of the embedded MongoDB; empty: the one that is installed"),
)
_DEFAULTS = {setting.name: setting.default for setting in SETTINGS}
_PREFIX = "FHIR_DMP_"
_NEAR = 0.85
"""How alike two names are (difflib's ratio) where one letter is wrong; TEST_MONGODB_URI, of the tests, is another."""
_DATABASE = re.compile(r"""[^ /\\."$\0]+""")
_OF_MONGODB = frozenset({"admin", "config", "local"})
"""They take no transactions, or do not tell what changes in them."""
_LONGEST_DATABASE = 63
"""Bytes: https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions."""
_MOST_SECONDS = 60
_MOST_BODY_SECONDS = 3600
_MOST_BINARY = 2 * 1024 * 1024 * 1024
"""Bytes: as slowly as it may come, it is here before the sweep takes what is a day old (store/mongo/sweep.py)."""
_SIZE = re.compile(r"[0-9]{1,18}")
_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """The server's settings, checked. `base_url` has no trailing slash; `mongodb_uri` is empty for the embedded one.

    `scanner` is the host and port of a clamd.
    """

    mongodb_uri: str
    database: str
    data_dir: Path
    base_url: str
    validation: Depth
    package_registry: str
    terminology_server: str
    terminology_timeout: float
    time_zone: ZoneInfo
    query_milliseconds: int
    max_body: int
    max_binary: int
    body_seconds: float
    scanner: tuple[str, int] | None
    subscription_hosts: AllowedHosts
    cors_origins: tuple[str, ...]
    issuers: str
    trusted_proxies: str
    client_certificate_header: str
    log_level: str


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Returns the settings of an environment; raises SettingInvalid."""

    def read(name: str) -> str:
        return environ.get(name) or _DEFAULTS[name]

    def read_server(name: str, taken: str) -> str:
        return _read_server(name, read(name), taken)

    return Settings(
        mongodb_uri=read("FHIR_DMP_MONGODB_URI"),
        database=_read_database(read("FHIR_DMP_DATABASE")),
        data_dir=Path(read("FHIR_DMP_DATA_DIR") or user_data_path("fhir-dmp", appauthor=False)),
        base_url=_read_base_url(read("FHIR_DMP_BASE_URL")),
        validation=_read_depth(read("FHIR_DMP_VALIDATION")),
        package_registry=read_server("FHIR_DMP_PACKAGE_REGISTRY", "the URL of a FHIR package registry"),
        terminology_server=read_server("FHIR_DMP_TERMINOLOGY_SERVER", "an http or https URL without query"),
        terminology_timeout=_read_seconds("FHIR_DMP_TERMINOLOGY_TIMEOUT", read),
        time_zone=_read_zone(read("FHIR_DMP_TIME_ZONE")),
        query_milliseconds=max(1, round(1000 * _read_seconds("FHIR_DMP_QUERY_TIME", read))),
        max_body=_read_size("FHIR_DMP_MAX_BODY", read),
        max_binary=_read_size("FHIR_DMP_MAX_BINARY", read, _MOST_BINARY),
        body_seconds=_read_seconds("FHIR_DMP_BODY_SECONDS", read, _MOST_BODY_SECONDS),
        scanner=_read_scanner(read("FHIR_DMP_SCANNER")),
        subscription_hosts=_read_hosts(read("FHIR_DMP_SUBSCRIPTION_HOSTS")),
        cors_origins=_read_origins(read("FHIR_DMP_CORS_ORIGINS")),
        issuers=read("FHIR_DMP_ISSUERS"),
        trusted_proxies=read("FHIR_DMP_TRUSTED_PROXIES"),
        client_certificate_header=read("FHIR_DMP_CLIENT_CERTIFICATE_HEADER"),
        log_level=_read_level(read("FHIR_DMP_LOG_LEVEL")),
    )


def find_misspelled(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns the variables of an environment that are no setting but almost one, each with the setting's name."""
    strangers = sorted(name for name in environ if name.startswith(_PREFIX) and name not in _DEFAULTS)
    known = [name.removeprefix(_PREFIX) for name in _DEFAULTS]
    near = {name: get_close_matches(name.removeprefix(_PREFIX), known, 1, _NEAR) for name in strangers}
    return {name: f"{_PREFIX}{found[0]}" for name, found in near.items() if found}


def _read_database(text: str) -> str:
    if not _DATABASE.fullmatch(text) or len(text.encode()) > _LONGEST_DATABASE:
        raise SettingInvalid(
            f"FHIR_DMP_DATABASE takes 1 to 63 characters without space, / \\ . $ and quotes, not {text!r}"
        )
    if text.lower() in _OF_MONGODB:
        raise SettingInvalid(f"FHIR_DMP_DATABASE takes a database of its own, and {text} is MongoDB's")
    return text


def _read_base_url(text: str) -> str:
    return _read_server("FHIR_DMP_BASE_URL", text, "an http or https URL without query")


def _read_depth(text: str) -> Depth:
    try:
        return Depth(text.lower())
    except ValueError:
        raise SettingInvalid(f"FHIR_DMP_VALIDATION takes one of full, core, off, not {text!r}") from None


def _read_server(name: str, text: str, taken: str) -> str:
    """Returns the URL of a server, which may be none."""
    if text and not is_base_url(text):
        raise SettingInvalid(f"{name} takes {taken}, not {text!r}")
    return text.rstrip("/")


def is_base_url(text: str) -> bool:
    """Tells whether a text is an http or https URL that paths can be put behind."""
    parts = split_url(text)
    return parts is not None and parts.scheme in {"http", "https"} and not set("?#") & set(text)


def _read_scanner(text: str) -> tuple[str, int] | None:
    if not text:
        return None
    parts = split_url(text)
    if parts is None or parts.scheme != "tcp" or not parts.port or set("?#") & set(text) or parts.path.strip("/"):
        raise SettingInvalid(f"FHIR_DMP_SCANNER takes the place of a clamd, as tcp://host:3310, not {text!r}")
    return str(parts.hostname), parts.port


def _read_hosts(text: str) -> AllowedHosts:
    try:
        return read_hosts(text)
    except ValueError:
        taken = "names, addresses and networks (192.0.2.0/24) between commas"
        raise SettingInvalid(f"FHIR_DMP_SUBSCRIPTION_HOSTS takes {taken}, not {text!r}") from None


def _read_seconds(name: str, read: Callable[[str], str], most: float = _MOST_SECONDS) -> float:
    text = read(name)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= most:
        raise SettingInvalid(f"{name} takes seconds, up to {most}, not {text!r}")
    return seconds


def _read_origins(text: str) -> tuple[str, ...]:
    """Origins by space or comma, each as a browser names it: no path, not even a slash (RFC 6454)."""
    origins = tuple(text.replace(",", " ").split())
    for origin in origins:
        if origin != "*" and not _is_origin(origin):
            raise SettingInvalid(f"FHIR_DMP_CORS_ORIGINS takes origins such as https://app.example, not {origin!r}")
    return origins


def _is_origin(text: str) -> bool:
    parts = split_url(text)
    return parts is not None and parts.scheme in {"http", "https"} and text == f"{parts.scheme}://{parts.netloc}"


def _read_zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError):
        raise SettingInvalid(f"FHIR_DMP_TIME_ZONE takes a zone such as Europe/Paris, not {text!r}") from None


def _read_size(name: str, read: Callable[[str], str], most: int | None = None) -> int:
    text = read(name)
    if not (_SIZE.fullmatch(text) and int(text) > 0):
        raise SettingInvalid(f"{name} takes a number of bytes, not {text!r}")
    if most and int(text) > most:
        raise SettingInvalid(f"{name} takes at most {most} bytes, not {text}")
    return int(text)


def _read_level(text: str) -> str:
    if text.lower() not in _LEVELS:
        raise SettingInvalid(f"FHIR_DMP_LOG_LEVEL takes one of {', '.join(_LEVELS)}, not {text!r}")
    return text.lower()
