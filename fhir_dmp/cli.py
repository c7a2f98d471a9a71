"""The command line. Exit codes: 0 done, 1 the data is refused, 2 usage, 3 the environment."""

from __future__ import annotations

import logging
import sys
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from fhir_dmp.capability_statement import VERSION
from fhir_dmp.client import Target, load_paths
from fhir_dmp.offline import Format, validate_files
from fhir_dmp.serve import Address, database, serve
from fhir_dmp.serve_demo import load_demo_when_ready
from fhir_dmp.settings import SETTINGS, SettingInvalid, Settings, read_settings

DEFAULT_URL = "http://127.0.0.1:8080/fhir"


class Exit(IntEnum):
    """How a command ends."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    ENVIRONMENT = 3


class Auth(Enum):
    """Whether requests need a token."""

    REQUIRED = "required"
    OPEN = "open"


_SETTINGS_HELP = "Settings (environment):\n\n" + "\n\n".join(
    f"{setting.name}: {setting.meaning}" + (f" (default {setting.default})" if setting.default else "")
    for setting in SETTINGS
)

commands = typer.Typer(no_args_is_help=True, add_completion=False, help="A FHIR R4 server for the DMP.")


def main() -> None:
    """Runs the command line; an error of the environment is one line on stderr."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    commands()


@commands.command("serve", epilog=_SETTINGS_HELP)
def serve_command(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8080,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer requests.")] = 1,
    demo: Annotated[bool, typer.Option("--demo", help="Load the demo records once; implies --auth open.")] = False,
    auth: Annotated[Auth, typer.Option(help="open: no tokens, on a loopback address only.")] = Auth.REQUIRED,
) -> None:
    """Start the server, with an embedded MongoDB unless FHIR_DMP_MONGODB_URI names one."""
    address = Address(host, port)
    settings = _settings_or_exit()
    if not (demo or auth is Auth.OPEN):
        _fail(Exit.USAGE, "tokens are not there yet: start with --auth open (on a loopback address only)")
    if not address.is_loopback:
        _fail(Exit.USAGE, f"without tokens the server listens on a loopback address only, and {host} is none")
    try:
        with database(settings) as uri:
            if demo:
                load_demo_when_ready(Target(address.base_url))
            serve(address, workers, settings, uri)
    except RuntimeError as fault:
        _fail(Exit.ENVIRONMENT, str(fault))


@commands.command()
def load(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Resources, Bundles, ndjson files or folders.")],
    url: Annotated[str, typer.Option(help="Base URL of the server.")] = DEFAULT_URL,
    token: Annotated[str, typer.Option(help="Bearer token.", envvar="FHIR_DMP_TOKEN")] = "",
) -> None:
    """Post resources and Bundles to a server, with a report of what was refused. Run it again to resume."""
    report = load_paths(paths, Target(url.rstrip("/"), token), Console(stderr=True))
    if report.unreachable:
        _fail(Exit.ENVIRONMENT, report.unreachable)
    raise typer.Exit(Exit.REFUSED if report.refused else Exit.DONE)


@commands.command()
def validate(
    files: Annotated[list[Path], typer.Argument(exists=True, help="JSON or ndjson files, or folders of them.")],
    form: Annotated[
        Format, typer.Option("--format", help="text: like a compiler; json: an OperationOutcome a file.")
    ] = Format.TEXT,
) -> None:
    """Check resources offline. So far: the structure of the base types of R4."""
    is_valid = validate_files(files, form, sys.stdout, Console(stderr=True))
    raise typer.Exit(Exit.DONE if is_valid else Exit.REFUSED)


@commands.command()
def version() -> None:
    """Print the version."""
    typer.echo(VERSION)


def _settings_or_exit() -> Settings:
    try:
        return read_settings()
    except SettingInvalid as fault:
        _fail(Exit.USAGE, str(fault))


def _fail(code: Exit, message: str) -> NoReturn:
    typer.echo(f"fhir-dmp: {message}", err=True)
    raise typer.Exit(code)
