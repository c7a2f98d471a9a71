"""A FHIR package registry: which versions of a package there are, and their archives, as packages.fhir.org has them.

The npm protocol: https://confluence.hl7.org/display/FHIR/FHIR+Package+Registry+User+Documentation. What comes is
bounded in size and time, comes by https (or from this machine, when the registry is on it), and has the checksum that
the registry tells.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import orjson

from fhir_dmp.json_text import Json
from fhir_dmp.packages.manifest import PackageId
from fhir_dmp.packages.version import newest_match

Progress = Callable[[int], None]
"""Is told the bytes that have come."""

_REDIRECTS = 5
_UNCHECKED = "what came does not have the checksum that the registry tells"


class RegistryUnusable(Exception):
    """The registry does not answer, has no such package, or sends what is not taken; the message says which."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken of a registry: bytes of a listing and of an archive, seconds for one and for a pause in it."""

    listing: int = 32 * 1024 * 1024
    archive: int = 256 * 1024 * 1024
    seconds: float = 600
    pause: float = 30


@dataclass(frozen=True, slots=True)
class Release:
    """A version of a package and where its archive is; `checksums` by the name of their algorithm, in hex."""

    id: PackageId
    url: str
    checksums: dict[str, str] = field(default_factory=dict)


class PackageRegistry:
    """Requests to one registry. Close it, or use it in a `with`."""

    def __init__(self, base_url: str, limits: Limits | None = None) -> None:
        """`base_url` is an https URL, or http on this machine; raises RegistryUnusable for any other."""
        self.base_url = base_url.rstrip("/")
        self._limits = limits or Limits()
        is_local = is_loopback(base_url)
        check_address(base_url, is_local=is_local)
        self._client = httpx.Client(
            event_hooks={"request": [lambda request: check_address(str(request.url), is_local=is_local)]},
            follow_redirects=True,
            max_redirects=_REDIRECTS,
            timeout=httpx.Timeout(self._limits.pause, connect=min(10, self._limits.pause)),
            trust_env=not is_local,
        )

    def __enter__(self) -> Self:
        """Returns the registry."""
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        """Closes it."""
        self._client.close()

    def find(self, wanted: PackageId) -> Release:
        """Returns the release that `NAME@1.2.3`, `NAME@1.2.x` or `NAME@latest` means; raises RegistryUnusable."""
        data = bytearray()
        for chunk in self._read(f"{self.base_url}/{wanted.name}", self._limits.listing):
            data += chunk
        listing = _parse(bytes(data))
        versions = _member(listing, "versions", dict)
        latest = _member(listing, "dist-tags", dict).get("latest")
        version = str(latest) if wanted.version == "latest" and latest in versions else wanted.version
        found = newest_match(version, versions)
        if found is None:
            raise RegistryUnusable(f"{self.base_url} has no {wanted}")
        return self._build_release(PackageId(wanted.name, found), _member(versions[found], "dist", dict))

    def download(self, release: Release, file: Path, progress: Progress = lambda _: None) -> None:
        """Writes the archive of a release to a file, checked; raises RegistryUnusable."""
        sums = {name: hashlib.new(name, usedforsecurity=False) for name in release.checksums}
        with file.open("wb") as target:
            for chunk in self._read(release.url, self._limits.archive):
                target.write(chunk)
                progress(len(chunk))
                for row in sums.values():
                    row.update(chunk)
        if any(row.hexdigest() != release.checksums[name] for name, row in sums.items()):
            raise RegistryUnusable(f"{release.id} is not taken: {_UNCHECKED}")

    def _build_release(self, found: PackageId, dist: dict[str, Json]) -> Release:
        url = dist.get("tarball") or f"{self.base_url}/{found.name}/{found.version}"
        return Release(found, str(url), _checksums(dist))

    def _read(self, url: str, most: int) -> Iterator[bytes]:
        deadline = time.monotonic() + self._limits.seconds
        size = 0
        with _registry_errors(url), self._client.stream("GET", url) as response:
            if response.status_code == HTTPStatus.NOT_FOUND:
                raise RegistryUnusable(f"{url} is not there")
            if response.status_code != HTTPStatus.OK:
                raise RegistryUnusable(f"{url} answers {response.status_code}")
            for chunk in response.iter_bytes():
                size += len(chunk)
                if size > most:
                    raise RegistryUnusable(f"{url} is larger than the {most:,} bytes that are taken")
                if time.monotonic() > deadline:
                    raise RegistryUnusable(f"{url} takes longer than {self._limits.seconds:g} s")
                yield chunk


def check_address(url: str, *, is_local: bool) -> None:
    """Raises RegistryUnusable for what others could read or change under way.

    Nor does a registry elsewhere send us to this machine's own services: that is for one on this machine (`is_local`).
    """
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" and (is_local or not is_loopback(url))
    if not is_safe and not (is_local and parts.scheme == "http" and is_loopback(url)):
        raise RegistryUnusable(f"{url[:200]} is not taken: packages come by https, from no address of this machine")


def is_loopback(url: str) -> bool:
    """Tells whether a URL names this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _registry_errors(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as fault:
        raise RegistryUnusable(f"{url} does not answer: {str(fault).strip() or type(fault).__name__}") from None


def _parse(data: bytes) -> Json:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise RegistryUnusable("the registry does not answer with JSON: is it one?") from None


def _member(value: Json, name: str, kind: type[dict[str, Any]]) -> dict[str, Json]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, kind) else {}


def _checksums(dist: dict[str, Json]) -> dict[str, str]:
    found = {"sha1": str(dist["shasum"]).lower()} if dist.get("shasum") else {}
    name, _, text = str(dist.get("integrity") or "").partition("-")
    if name in {"sha256", "sha384", "sha512"}:
        try:
            found[name] = base64.b64decode(text.split("?")[0], validate=True).hex()
        except ValueError:
            found[name] = ""
    return found
