"""What is taken of a registry, and what is not."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.packages.manifest import PackageId
from fhir_dmp.packages.registry import Limits, PackageRegistry, RegistryUnusable, check_address
from tests.packages.archives import build_manifest, build_profile, pack
from tests.packages.conftest import StandIn

Json = Any

NAME = "example.named"
FIRST = PackageId(NAME, "1.0.0")


@pytest.fixture
def offered(registry: StandIn, tmp_path: Path) -> StandIn:
    """A registry that has three versions of a package."""
    for version in ("1.0.0", "1.10.0", "1.9.0"):
        manifest = build_manifest(NAME, version)
        registry.offer(pack(tmp_path / version, manifest, build_profile(version)), manifest)
    return registry


def _fetch(registry: StandIn, wanted: PackageId, file: Path, limits: Limits | None = None) -> PackageId:
    with PackageRegistry(registry.url, limits) as known:
        release = known.find(wanted)
        known.download(release, file)
        return release.id


@pytest.mark.parametrize(
    ("wanted", "expected"), [("1.0.0", "1.0.0"), ("1.x", "1.10.0"), ("1.9", "1.9.0"), ("latest", "1.9.0")]
)
def test_a_version_is_found_and_fetched_whole(offered: StandIn, tmp_path: Path, wanted: str, expected: str) -> None:
    """`latest` is what the registry says it is."""
    assert _fetch(offered, PackageId(NAME, wanted), tmp_path / "got") == PackageId(NAME, expected)
    assert (tmp_path / "got").read_bytes() == offered.bodies[f"/{NAME}/{expected}"]


def test_latest_is_the_newest_where_the_registry_does_not_say(offered: StandIn, tmp_path: Path) -> None:
    del offered.listings[NAME]["dist-tags"]
    assert _fetch(offered, PackageId(NAME, "latest"), tmp_path / "got").version == "1.10.0"


def test_a_listing_without_addresses_is_enough(offered: StandIn, tmp_path: Path) -> None:
    for row in offered.listings[NAME]["versions"].values():
        del row["dist"]
    assert _fetch(offered, FIRST, tmp_path / "got") == FIRST


def test_an_integrity_that_is_right_is_accepted(offered: StandIn, tmp_path: Path) -> None:
    digest = hashlib.sha512(offered.bodies[f"/{NAME}/1.0.0"]).digest()
    dist = offered.listings[NAME]["versions"]["1.0.0"]["dist"]
    dist["integrity"] = f"sha512-{base64.b64encode(digest).decode()}"
    assert _fetch(offered, FIRST, tmp_path / "got") == FIRST


@pytest.mark.parametrize(
    ("change", "limits", "reason"),
    [
        ({"shasum": "0" * 40}, Limits(), "does not have the checksum"),
        ({"integrity": "sha512-AAAA"}, Limits(), "does not have the checksum"),
        ({"integrity": "sha512-é"}, Limits(), "does not have the checksum"),
        ({}, Limits(archive=100), "is larger than the 100 bytes that are taken"),
        ({}, Limits(listing=100), "is larger than the 100 bytes that are taken"),
        ({"tarball": "http://192.0.2.1/x.tgz"}, Limits(), "is not taken: packages come by https"),
        ({"tarball": "file:///etc/passwd"}, Limits(), "is not taken: packages come by https"),
    ],
)
def test_what_is_wrong_is_not_taken(
    offered: StandIn, tmp_path: Path, change: Json, limits: Limits, reason: str
) -> None:
    offered.listings[NAME]["versions"]["1.0.0"]["dist"].update(change)
    with pytest.raises(RegistryUnusable, match=reason):
        _fetch(offered, FIRST, tmp_path / "got", limits)


def test_an_archive_that_drips_in_is_given_up(offered: StandIn, tmp_path: Path) -> None:
    offered.drips.add(f"/{NAME}/1.0.0")
    offered.bodies[f"/{NAME}/1.0.0"] = b"x" * 100_000
    with pytest.raises(RegistryUnusable, match=r"takes longer than 0\.2 s"):
        _fetch(offered, FIRST, tmp_path / "got", Limits(seconds=0.2))


def test_a_silent_registry_is_given_up(offered: StandIn, tmp_path: Path) -> None:
    offered.drips.add(f"/{NAME}/1.0.0")
    offered.bodies[f"/{NAME}/1.0.0"] = b"x" * 100_000
    with pytest.raises(RegistryUnusable, match="does not answer"):
        _fetch(offered, FIRST, tmp_path / "got", Limits(pause=0.01))


@pytest.mark.parametrize("wanted", [PackageId(NAME, "7.0.0"), PackageId("example.absent", "1.0.0")])
def test_what_is_not_there_is_told(offered: StandIn, tmp_path: Path, wanted: PackageId) -> None:
    with pytest.raises(RegistryUnusable, match=r"has no example\.named@7\.0\.0|/example\.absent is not there"):
        _fetch(offered, wanted, tmp_path / "got")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"versions": []}', b'{"versions": {"1.0.0": 1}}'])
def test_what_is_no_listing_is_told(registry: StandIn, tmp_path: Path, body: bytes) -> None:
    registry.bodies[f"/{NAME}"] = body
    with pytest.raises(RegistryUnusable, match=r"is it one|has no|is not there"):
        _fetch(registry, FIRST, tmp_path / "got")


def test_redirects_are_followed_within_bounds(offered: StandIn, tmp_path: Path) -> None:
    path = f"/{NAME}/1.0.0"
    offered.bodies["/elsewhere"] = offered.bodies.pop(path)
    offered.redirects[path] = "/elsewhere"
    assert _fetch(offered, FIRST, tmp_path / "got") == FIRST
    offered.redirects[path] = path
    with pytest.raises(RegistryUnusable, match="does not answer"):
        _fetch(offered, FIRST, tmp_path / "got")
    offered.redirects[path] = "http://192.0.2.1/x"
    with pytest.raises(RegistryUnusable, match="is not taken"):
        _fetch(offered, FIRST, tmp_path / "got")


@pytest.mark.parametrize("url", ["http://packages.example", "ftp://127.0.0.1", "http://192.168.1.1/x"])
def test_a_registry_is_reached_by_https_or_on_this_machine(url: str) -> None:
    with pytest.raises(RegistryUnusable, match="is not taken"):
        PackageRegistry(url)


@pytest.mark.parametrize(
    ("url", "is_local", "is_taken"),
    [
        ("https://packages.example/x", False, True),
        ("http://packages.example/x", False, False),
        ("https://localhost/x", False, False),
        ("https://[::1]/x", False, False),
        ("http://127.0.0.1:9/x", False, False),
        ("http://127.0.0.1:9/x", True, True),
        ("https://packages.example/x", True, True),
        ("http://packages.example/x", True, False),
        ("ftp://127.0.0.1/x", True, False),
    ],
)
def test_a_registry_may_not_send_us_anywhere(url: str, is_local: bool, is_taken: bool) -> None:
    try:
        check_address(url, is_local=is_local)
    except RegistryUnusable:
        assert not is_taken
    else:
        assert is_taken
