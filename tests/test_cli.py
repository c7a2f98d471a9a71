"""The command line as a user meets it: exit codes, one line per error, help that helps."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

import fhir_dmp
from fhir_dmp import VERSION
from fhir_dmp.cli import run
from fhir_dmp.outcome import Category, error
from fhir_dmp.settings import SETTINGS, Settings

Capture = pytest.CaptureFixture[str]
COMMANDS = ("serve", "load", "validate", "version")
SECONDS = 120
NOBODY = "set FHIR_DMP_ISSUERS, or start with --demo, or with --auth open (both on a loopback address only)"
LOOPBACK = "the server listens on a loopback address only"


@pytest.fixture(autouse=True)
def _away_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("FHIR_DMP_DATA_DIR", str(tmp_path / "data"))


def _program() -> str:
    program = shutil.which("fhir-dmp", path=str(Path(sys.executable).parent))
    assert program, "fhir-dmp is not installed beside this Python"
    return program


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("frob", "No such command 'frob' (see fhir-dmp --help)"),
        ("load", "Missing argument 'paths' (see fhir-dmp load --help)"),
        ("load gone.json", "Invalid value for 'paths': path 'gone.json' does not exist (see fhir-dmp load --help)"),
        ("load --frob .", "No such option: --frob (see fhir-dmp load --help)"),
        ("token patient --id 1 --url http://[", "--url takes the base URL of a server, not 'http://['"),
        ("load . --url fhir", "--url takes the http or https URL of a FHIR base, not 'fhir'"),
        ("load . --token é", "--token takes a bearer token: letters, digits and -._~+/= only"),
        ("load .", "the folder . holds no *.json and no *.ndjson file"),
        ("validate .", "the folder . holds no *.json and no *.ndjson file"),
        (
            "serve",
            f"tokens are required, and there is nobody whose tokens are accepted: {NOBODY}",
        ),
        (
            "serve --auth open --host 0.0.0.0",
            "without tokens the server listens on a loopback address only, and 0.0.0.0 is none",
        ),
        (
            "serve --demo --host 192.0.2.1",
            f"the demo's issuer asks for no password: with it {LOOPBACK}, and 192.0.2.1 is none",
        ),
    ],
)
def test_a_mistake_in_usage_is_one_line_and_exit_code_two(arguments: str, message: str, capsys: Capture) -> None:
    assert run(arguments.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    # typer's own wording differs a little between its versions
    assert captured.err.replace("'PATHS...'", "'paths'").replace("Path '", "path '") == f"fhir-dmp: {message}\n"


@pytest.mark.parametrize("arguments", ["serve --port 0 --demo", "serve --port x", "validate . --format xml"])
def test_a_value_that_an_option_does_not_take_is_one_line_too(arguments: str, capsys: Capture) -> None:
    assert run(arguments.split()) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("fhir-dmp: Invalid value for '--")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("command", ["version", "validate --help"])
def test_an_output_that_cannot_be_written_is_the_environments_fault(command: str) -> None:
    program = [_program(), *command.split()]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 3
    assert ended.stderr == "fhir-dmp: [Errno 28] No space left on device\n"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("FHIR_DMP_TIME_ZONE", "Mars", "FHIR_DMP_TIME_ZONE takes a zone such as Europe/Paris, not 'Mars'"),
        ("FHIR_DMP_DATABASE", "dossier médical", "FHIR_DMP_DATABASE takes 1 to 63 characters without space, "),
        ("FHIR_DMP_DATABASE", "x" * 64, "FHIR_DMP_DATABASE takes 1 to 63 characters without space, "),
        ("FHIR_DMP_DATABASE", "admin", "FHIR_DMP_DATABASE takes a database of its own, and admin is MongoDB's"),
        ("FHIR_DMP_ISSUERS", "{", "FHIR_DMP_ISSUERS"),
        ("FHIR_DMP_TRUSTED_PROXIES", "proxy", "FHIR_DMP_TRUSTED_PROXIES takes addresses and networks"),
        (
            "FHIR_DMP_BASE_URL",
            "https://[dmp.example",
            "FHIR_DMP_BASE_URL takes an http or https URL without query, not ",
        ),
        ("FHIR_DMP_BASE_URL", "https://dmp.example:https/fhir", "FHIR_DMP_BASE_URL takes an http or https URL "),
        ("FHIR_DMP_BASE_URL", "https://dmp .example/fhir", "FHIR_DMP_BASE_URL takes an http or https URL "),
        ("FHIR_DMP_BASE_URL", "https://dossier-médical.example/fhir", "FHIR_DMP_BASE_URL takes an http or https URL "),
        ("FHIR_DMP_BASE_URL", "https://dmp.example/fhir?", "FHIR_DMP_BASE_URL takes an http or https URL "),
        (
            "FHIR_DMP_PACKAGE_REGISTRY",
            "https://[",
            "FHIR_DMP_PACKAGE_REGISTRY takes the URL of a FHIR package registry",
        ),
        (
            "FHIR_DMP_TERMINOLOGY_SERVER",
            "https://tx.example:x",
            "FHIR_DMP_TERMINOLOGY_SERVER takes an http or https URL",
        ),
        (
            "FHIR_DMP_SCANNER",
            "tcp://[::1:3310",
            "FHIR_DMP_SCANNER takes the place of a clamd, as tcp://host:3310, not ",
        ),
        ("FHIR_DMP_CORS_ORIGINS", "https://app.example:x", "FHIR_DMP_CORS_ORIGINS takes origins such as "),
        ("FHIR_DMP_CORS_ORIGINS", "https://[", "FHIR_DMP_CORS_ORIGINS takes origins such as "),
        (
            "FHIR_DMP_SUBSCRIPTION_HOSTS",
            "a.example b.example",
            "FHIR_DMP_SUBSCRIPTION_HOSTS takes names, addresses and ",
        ),
        ("FHIR_DMP_MAX_BODY", "9" * 5000, "FHIR_DMP_MAX_BODY takes a number of bytes, not "),
    ],
)
def test_a_setting_that_cannot_be_used_is_exit_code_two(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv(name, value)
    for arguments in (["serve"], ["serve", "--demo"], ["serve", "--auth", "open"]):
        assert run(arguments) == 2
        shown = capsys.readouterr().err
        assert shown.startswith(f"fhir-dmp: {message}")
        assert shown.count("\n") == 1


def test_a_busy_port_is_told_before_the_database_starts(tmp_path: Path, capsys: Capture) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert run(["serve", "--auth", "open", "--port", str(port)]) == 3
    message = f"cannot listen on 127.0.0.1 port {port}: Address already in use (--port takes another one)"
    assert capsys.readouterr().err == f"fhir-dmp: {message}\n"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("FHIR_DMP_MONGODB_URI", "postgres://x", "FHIR_DMP_MONGODB_URI is no MongoDB connection string"),
        ("FHIR_DMP_MONGODB_URI", "mongodb://127.0.0.1:9", "the MongoDB of FHIR_DMP_MONGODB_URI does not answer"),
        ("FHIR_DMP_MONGOD", "/bin/false", "/bin/false cannot be used"),
    ],
)
def test_a_database_that_cannot_be_had_is_one_line_and_exit_code_three(name: str, value: str, message: str) -> None:
    command = [_program(), "serve", "--auth", "open", "--port", str(_free_port())]
    ended = subprocess.run(command, env={**os.environ, name: value}, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.startswith(f"fhir-dmp: {message}")
    assert ended.stderr.count("\n") == 1


def test_a_database_that_goes_away_during_the_start_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def seed(_settings: Settings) -> int:
        raise error(Category.UNAVAILABLE, "database-unavailable", "The database does not answer now.")

    monkeypatch.setattr("fhir_dmp.commands.serve.seed_definitions", seed)
    monkeypatch.setattr("fhir_dmp.commands.serve.database", lambda _settings: nullcontext("mongodb://127.0.0.1:9"))
    assert run(["serve", "--auth", "open", "--port", str(_free_port())]) == 3
    assert capsys.readouterr().err == "fhir-dmp: The database does not answer now.\n"


@pytest.mark.parametrize("command", [["validate", "a.json"], ["serve", "--auth", "open"]])
def test_a_package_that_was_not_built_is_one_line_and_exit_code_three(tmp_path: Path, command: list[str]) -> None:
    package = Path(fhir_dmp.__file__).parent
    shutil.copytree(package, tmp_path / "fhir_dmp", ignore=shutil.ignore_patterns("*.bin", "__pycache__"))
    (tmp_path / "a.json").write_text("{}")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    program = [sys.executable, "-c", "from fhir_dmp.cli import main; main()", *command, *_port_of(command)]
    ended = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert re.fullmatch(
        r"fhir-dmp: \S+\.bin is missing: run `make install` to build the R4 definitions\n", ended.stderr
    )


def _port_of(command: list[str]) -> list[str]:
    return ["--port", str(_free_port())] if command[0] == "serve" else []


def test_data_that_is_refused_is_exit_code_one_and_valid_data_zero(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "good.json").write_text('{"resourceType": "Patient"}')
    (tmp_path / "bad.json").write_text('{"resourceType": "Patient", "birthDate": "19"}')
    assert run(["validate", "good.json"]) == 0
    assert run(["validate", "bad.json"]) == 1
    assert run(["validate", "bad.json", "--format", "json"]) == 1
    assert capsys.readouterr().err == ""


def test_the_version_is_printed(capsys: Capture) -> None:
    assert run(["version"]) == 0
    assert capsys.readouterr().out == f"{VERSION}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_command_and_exit_code(arguments: list[str], capsys: Capture) -> None:
    assert run(arguments) == 0
    shown = capsys.readouterr().out
    assert set(COMMANDS) <= set(re.findall(r"^  (\w+) ", shown, re.MULTILINE))
    assert re.findall(r"^    (\d) ", shown, re.MULTILINE) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("command", ["serve", "load", "validate"])
def test_help_of_a_command_shows_examples_that_are_its_own(command: str, capsys: Capture) -> None:
    assert run([command, "--help"]) == 0
    shown = capsys.readouterr().out
    examples = re.findall(r"^    fhir-dmp (\w+)", shown, re.MULTILINE)
    assert len(examples) >= 2
    assert set(examples) == {command}


def test_help_of_serve_lists_every_setting_with_its_default(capsys: Capture) -> None:
    assert run(["serve", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = {name: default for name, _, default in (line.strip().partition("=") for line in lines)}
    assert {setting.name: shown.get(setting.name) for setting in SETTINGS} == {
        setting.name: setting.default for setting in SETTINGS
    }
    for setting in SETTINGS:
        assert any(setting.meaning in line for line in lines), setting.name


def test_what_reads_the_output_may_stop_reading(tmp_path: Path) -> None:
    (tmp_path / "rows.ndjson").write_text('{"resourceType": "Patient", "birthDate": "19"}\n' * 5000)
    command = [_program(), "validate", "rows.ndjson"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (1, b"")


@pytest.fixture
def environment(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> Iterator[dict[str, str]]:
    """The environment of a server process on a database of this test's own."""
    name = f"test_{uuid.uuid4().hex}"
    yield {**os.environ, "FHIR_DMP_MONGODB_URI": mongodb_uri, "FHIR_DMP_DATABASE": name, "PYTHONUNBUFFERED": "1"}
    mongodb_client.drop_database(name)


def _serve_demo(environment: dict[str, str], port: int, log: Path, *options: str) -> str:
    """Runs `serve --demo` until it has said what to try, and returns what it wrote."""
    with log.open("wb") as file:
        command = [_program(), "serve", "--demo", "--port", str(port), *options]
        process = subprocess.Popen(command, env=environment, stdout=file)
    try:
        deadline = time.monotonic() + SECONDS
        while "/metadata" not in (shown := log.read_text()):
            assert process.poll() is None, shown
            assert time.monotonic() < deadline, shown
            time.sleep(0.1)
        _check_tokens(f"http://127.0.0.1:{port}/fhir", dict(re.findall(r"^  ([A-Z]+)=(\S+)$", shown, re.MULTILINE)))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    return shown


def _check_tokens(base: str, shown: dict[str, str]) -> None:
    """The server needs the tokens that it shows, in every worker."""
    url = f"{base}/DocumentReference?patient={shown['GERARD']}&_summary=count"
    for _ in range(10):
        assert httpx.get(url, trust_env=False).status_code == 401
        headers = {"authorization": f"Bearer {shown['MEDECIN']}"}
        assert httpx.get(url, headers=headers, trust_env=False).json()["total"] > 0


def test_serve_demo_loads_the_records_at_the_first_start_only(environment: dict[str, str], tmp_path: Path) -> None:
    port = _free_port()
    first = _serve_demo(environment, port, tmp_path / "first.log")
    assert first.count("demo: ") > 0
    second = _serve_demo(environment, port, tmp_path / "second.log", "--workers", "2")
    assert "demo: " not in second
    assert f'"http://127.0.0.1:{port}/fhir/DocumentReference?' in second


def test_load_reads_its_token_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"resourceType": "Patient"}))
    monkeypatch.setenv("FHIR_DMP_TOKEN", "not a token")
    assert run(["load", "a.json"]) == 2
    assert capsys.readouterr().err.startswith("fhir-dmp: --token takes a bearer token")
