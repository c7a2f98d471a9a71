"""The command line. Exit codes: 0 done, 1 the data is refused, 2 usage, 3 the environment, 130 interrupted.

Every error is one line on stderr. What the commands do is in fhir_dmp.commands.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from fhir_dmp.capability_statement import VERSION
from fhir_dmp.commands.check import Format
from fhir_dmp.commands.connection import parse_target
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.load import load_paths
from fhir_dmp.loader import DefinitionsMissing
from fhir_dmp.settings import SETTINGS

DEFAULT_URL = "http://127.0.0.1:8080/fhir"


class Auth(Enum):
    """Whether requests need a token."""

    REQUIRED = "required"
    OPEN = "open"


def _preformatted(title: str, *lines: str) -> str:
    """Returns a block of help that is not wrapped."""
    return "\n".join(["\b", title, *(f"  {line}" for line in lines)])


_SETTINGS_HELP = _preformatted(
    "Settings (environment variables, with their defaults):",
    *(
        line
        for setting in SETTINGS
        for line in (f"{setting.name}={setting.default}".removesuffix("="), f"    {setting.meaning}")
    ),
)
_SERVE_EXAMPLES = _preformatted(
    "Examples:",
    "fhir-dmp serve --demo                    with the demo records, on http://127.0.0.1:8080/fhir",
    "fhir-dmp serve --auth open --port 9000   empty, for your own data",
)
_LOAD_EXAMPLES = _preformatted(
    "Examples:",
    "fhir-dmp load patient.json               one resource, or one Bundle",
    "fhir-dmp load export/                    every *.json and *.ndjson file below a folder",
    'fhir-dmp load big.ndjson --url https://dmp.example/fhir --token "$TOKEN"',
)
_VALIDATE_EXAMPLES = _preformatted(
    "Examples:",
    "fhir-dmp validate patient.json           patient.json:3:3: error: Patient.birthDate: …",
    "fhir-dmp validate export/ --format json  one OperationOutcome per file, one per line",
    "fhir-dmp validate a.json --profile https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-ins",
    "fhir-dmp validate a.json --package hl7.fhir.fr.core-2.2.0.tgz",
)
_EXIT_CODES = _preformatted(
    "Exit codes:", "0 done", "1 the data is refused", "2 usage", "3 the environment: no server, no database, no file"
)

commands = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EXIT_CODES,
    help="A FHIR R4 server for the DMP, and what goes with it.",
    pretty_exceptions_enable=False,
    # plain text: it can be searched, piped and pasted, and brackets are no markup
    rich_markup_mode=None,
)


def main() -> None:
    """Runs the command line, and ends the process with an exit code."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command and returns its exit code; an error is one line on stderr."""
    try:
        code = commands(arguments or ["--help"], prog_name="fhir-dmp", standalone_mode=False)
    except CommandError as fault:
        return _tell(fault.code, str(fault))
    except DefinitionsMissing as fault:
        return _tell(Exit.ENVIRONMENT, str(fault))
    except typer.Abort:
        return Exit.INTERRUPTED
    except _UsageError as fault:
        return _tell(Exit.USAGE, _word_usage(fault))
    return int(code or Exit.DONE)


@commands.command("serve", epilog=f"{_SERVE_EXAMPLES}\n\n{_SETTINGS_HELP}")
def serve_command(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8080,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer requests.")] = 1,
    demo: Annotated[bool, typer.Option("--demo", help="Load the demo records, once; implies --auth open.")] = False,
    auth: Annotated[Auth, typer.Option(help="open: no tokens, on a loopback address only.")] = Auth.REQUIRED,
) -> None:
    """Start the server.

    Without FHIR_DMP_MONGODB_URI it runs a MongoDB of its own, on the data folder, for as long as it runs itself.
    """
    # imported here: the other commands start faster without the server's libraries
    from fhir_dmp.commands.serve import start_server  # noqa: PLC0415  see above

    start_server(host, port, workers=workers, is_demo=demo, needs_tokens=auth is Auth.REQUIRED)


@commands.command(epilog=_LOAD_EXAMPLES)
def load(
    *,
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Resources, Bundles, ndjson files or folders.")],
    url: Annotated[str, typer.Option(help="Base URL of the server.")] = DEFAULT_URL,
    token: Annotated[str, typer.Option(help="Bearer token.", envvar="FHIR_DMP_TOKEN")] = "",
    restart: Annotated[bool, typer.Option("--restart", help="Send again what was acknowledged before.")] = False,
) -> None:
    """Load resources, Bundles, ndjson files and folders into a server.

    A resource with an id is stored under it. One without, also in a transaction or batch, gets an id that follows
    from its file, place and content: however often it is sent, it is stored once. The resources of a collection or
    searchset are loaded as if they came one by one. What is refused is listed at the end, with the reason and the
    place in the file.

    Run the same command again to resume: what the server has acknowledged is not sent again.
    """
    target = parse_target(url, token)
    with _terminated_as_interrupted():
        report = load_paths(paths, target, restart=restart)
    raise typer.Exit(Exit.REFUSED if report.refusals else Exit.DONE)


@commands.command(epilog=_VALIDATE_EXAMPLES)
def validate(
    *,
    files: Annotated[list[Path], typer.Argument(exists=True, help="JSON or ndjson files, or folders of them.")],
    form: Annotated[
        Format, typer.Option("--format", help="text: a line per issue; json: an OperationOutcome per file.")
    ] = Format.TEXT,
    profile: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="A profile that every resource has to meet; repeatable.")
    ] = None,
    package: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, metavar="FILE.tgz", help="A FHIR package with more definitions."),
    ] = None,
) -> None:
    """Check resources offline: structure, invariants, code bindings and profiles.

    The profiles are those that a resource claims in meta.profile, and those of --profile, with |version or without.
    Known are the definitions of R4, the shipped French profiles (FR Core, PDSm, DMP), and those of the packages,
    which replace a shipped one; of two packages with the same canonical the first counts. What cannot be decided
    offline is told as information. The exit code is 1 if there is any error; warnings leave it at 0.
    """
    # imported here: the other commands start faster without what validates
    from fhir_dmp.commands.validate import validate_paths  # noqa: PLC0415  see above

    is_valid = validate_paths(files, form, profile or (), package or ())
    raise typer.Exit(Exit.DONE if is_valid else Exit.REFUSED)


@commands.command()
def version() -> None:
    """Print the version."""
    typer.echo(VERSION)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Lets SIGTERM end a command as Ctrl-C does: in order."""
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


# typer names the class of "no such option" and the like in no module of its own
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def _word_usage(fault: Exception) -> str:
    """Returns click's message, and where help is."""
    message = fault.format_message() if hasattr(fault, "format_message") else str(fault)
    context = getattr(fault, "ctx", None)
    path = context.command_path if context else "fhir-dmp"
    return f"{message.rstrip('.')} (see {path} --help)"


def _tell(code: Exit, message: str) -> Exit:
    typer.echo(f"fhir-dmp: {' '.join(message.split())}", err=True)
    return code
