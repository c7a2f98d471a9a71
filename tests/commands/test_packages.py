"""`fhir-dmp packages`: what it writes, how it ends, and where it finds the database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.cli import run
from fhir_dmp.store.mongo.embedded.embedded_mongo import EmbeddedMongo
from tests.packages.archives import build_manifest, build_profile, pack, published
from tests.packages.conftest import StandIn, registry

__all__ = ["registry"]

Json = Any
Packages = Callable[..., tuple[int, list[str]]]
NOTHING = ["no packages are installed: R4 and the shipped French profiles are what is known"]


@pytest.fixture
def database(mongodb_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of this test's own, which the settings name."""
    monkeypatch.setenv("FHIR_DMP_MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("FHIR_DMP_DATABASE", database_name)
    return database_name


@pytest.fixture
def packages(capsys: pytest.CaptureFixture[str]) -> Packages:
    """Runs a command; returns its exit code and its lines, an error's among them."""

    def run_packages(*arguments: str | Path) -> tuple[int, list[str]]:
        code = run(["packages", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, [*captured.out.splitlines(), *captured.err.splitlines()]

    return run_packages


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A package that depends on others."""
    wanted = {"hl7__fhir__r4__core": "4.0.1", "example__other": "2.0.0"}
    return pack(tmp_path / "named.tgz", build_manifest(**wanted), build_profile())


@pytest.mark.usefixtures("database")
def test_a_package_is_added_listed_and_removed(packages: Packages, file: Path) -> None:
    missing = "  depends on example.other@2.0.0"
    assert packages("list") == (0, NOTHING)
    assert packages("add", file) == (0, ["example.named@1.0.0  added  1 definition", f"{missing}  not installed"])
    assert packages("add", file)[1][0] == "example.named@1.0.0  here already  1 definition"
    expected = ["example.named@1.0.0  1 definition  Names", f"{missing}, which is not installed"]
    assert packages("list") == (0, expected)
    assert packages("remove", "example.named@1.0.0") == (0, ["example.named@1.0.0  removed"])
    assert packages("list") == (0, NOTHING)


@pytest.mark.usefixtures("database")
def test_removing_tells_what_depends_on_it(packages: Packages, file: Path, tmp_path: Path) -> None:
    other = pack(tmp_path / "o.tgz", build_manifest("example.other", "2.0.0"), build_profile())
    for archive in (file, other):
        assert packages("add", archive)[0] == 0
    expected = ["example.other@2.0.0  removed", "  example.named@1.0.0 depends on it"]
    assert packages("remove", "example.other@2.0.0") == (0, expected)


@pytest.mark.usefixtures("database")
def test_a_package_is_installed_from_the_registry(
    packages: Packages, file: Path, registry: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.offer(file, build_manifest())
    monkeypatch.setenv("FHIR_DMP_PACKAGE_REGISTRY", registry.url)
    code, lines = packages("install", "example.named@latest")
    assert (code, lines) == (
        0,
        [
            "example.named@1.0.0  added  1 definition",
            "  depends on hl7.fhir.r4.core@4.0.1  built in",
            f"  depends on example.other@2.0.0  not installed: {registry.url}/example.other is not there",
        ],
    )
    registry.listings["example.named"]["versions"]["1.0.0"]["dist"]["shasum"] = "0" * 40
    code, lines = packages("install", "example.named@1.0.0", "--no-dependencies")
    assert (code, len(lines)) == (3, 1)
    assert "does not have the checksum" in lines[0]


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("remove", "example.absent@1.0.0"), 3, "example.absent@1.0.0 is not installed"),
        (("remove", "example.absent"), 2, "a package is named NAME@VERSION"),
        (("install", "../x@1"), 2, "a package is named NAME@VERSION"),
        (("install", "x@1"), 3, "does not answer"),
        (("add", "absent.tgz"), 2, "does not exist"),
        ((), 2, "Missing command"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    packages: Packages, arguments: tuple[str, ...], code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIR_DMP_PACKAGE_REGISTRY", "http://127.0.0.1:9")
    found, lines = packages(*arguments)
    assert (found, len(lines)) == (code, 1)
    assert lines[0].startswith("fhir-dmp: ")
    assert message in lines[0]


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("manifest", [None, {**build_manifest(), "fhirVersions": ["5.0.0"]}])
def test_what_is_no_package_for_r4_is_refused(packages: Packages, tmp_path: Path, manifest: Json) -> None:
    assert packages("add", pack(tmp_path / "p.tgz", manifest, build_profile()))[0] == 1
    assert packages("list") == (0, NOTHING)


def test_a_registry_that_is_no_url_is_told(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_DMP_PACKAGE_REGISTRY", "packages.fhir.org")
    assert packages("list")[0] == 2


def test_a_database_that_does_not_answer_is_told(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_DMP_MONGODB_URI", "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=50")
    code, lines = packages("list")
    assert (code, len(lines)) == (3, 1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder, and no database named."""
    monkeypatch.delenv("FHIR_DMP_MONGODB_URI", raising=False)
    monkeypatch.setenv("FHIR_DMP_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def test_without_a_server_the_command_starts_the_embedded_database(
    packages: Packages, folder: Path, file: Path
) -> None:
    assert packages("add", file)[0] == 0
    assert packages("list")[1][0] == "example.named@1.0.0  1 definition  Names"
    assert (folder / "data").is_dir()


def test_beside_a_running_server_its_database_is_used(packages: Packages, folder: Path, file: Path) -> None:
    with EmbeddedMongo(folder, cache_gb=0.25):
        assert packages("add", file)[0] == 0
        assert packages("list")[1][0] == "example.named@1.0.0  1 definition  Names"
    assert packages("list")[1][0] == "example.named@1.0.0  1 definition  Names"


@pytest.fixture
def interrupted() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ended with the test."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def test_a_command_that_is_killed_leaves_the_folder_usable(
    packages: Packages, folder: Path, file: Path, interrupted: list[subprocess.Popen[str]]
) -> None:
    command = [str(Path(sys.executable).parent / "fhir-dmp"), "packages", "add", str(file)]
    process = subprocess.Popen(command, env=dict(os.environ), text=True, stdout=subprocess.PIPE)
    interrupted.append(process)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert folder.is_dir()
    assert packages("list")[1][0] == "example.named@1.0.0  1 definition  Names"


@pytest.mark.usefixtures("database")
def test_the_commands_of_the_documentation_do_what_they_say(
    packages: Packages, registry: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "packages.md").read_text(encoding="utf8")
    lines = page.partition("```sh\n")[2].partition("```")[0].splitlines()
    words = [line.partition("#")[0].split()[2:] for line in lines]
    monkeypatch.setenv("FHIR_DMP_PACKAGE_REGISTRY", registry.url)
    for name, version in (("ans.fhir.fr.pdsm", "3.1.1"), ("hl7.fhir.fr.core", "2.1.0")):
        registry.offer(published(f"{name}-{version}"), {"name": name, "version": version})
    monkeypatch.chdir(published("hl7.fhir.fr.core-2.2.0").parent)
    results = [packages(*row) for row in words]
    assert [code for code, _ in results] == [0] * 4
    assert "hl7.fhir.fr.core@2.1.0  added  119 definitions" in results[1][1]
    listed = [line.split()[0] for line in results[2][1] if not line.startswith(" ")]
    assert listed == ["ans.fhir.fr.pdsm@3.1.1", "hl7.fhir.fr.core@2.1.0", "hl7.fhir.fr.core@2.2.0"]
    assert results[3][1] == ["hl7.fhir.fr.core@2.1.0  removed", "  ans.fhir.fr.pdsm@3.1.1 depends on it"]
