"""The command line. Exit codes: 0 done, 1 the data is refused, 2 usage, 3 the environment, 130 interrupted.

Every error is one line on stderr. What the commands do is in fhir_dmp.commands.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from fhir_dmp import VERSION
from fhir_dmp.commands.check import Format
from fhir_dmp.commands.connection import parse_target
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.load import load_paths
from fhir_dmp.commands.matrix_command import matrix
from fhir_dmp.commands.token_command import tokens
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
    "fhir-dmp serve --auth open --port 9000   empty and without tokens, on this machine only",
    "FHIR_DMP_ISSUERS=issuers.json fhir-dmp serve --host 0.0.0.0",
)
_LOAD_EXAMPLES = _preformatted(
    "Examples:",
    "fhir-dmp load patient.json               one resource, or one Bundle",
    "fhir-dmp load export/                    every *.json and *.ndjson file below a folder",
    'fhir-dmp load big.ndjson --url https://dmp.example/fhir --token "$TOKEN"',
    "fhir-dmp load export/ --refused bad.ndjson",
)
_VALIDATE_EXAMPLES = _preformatted(
    "Examples:",
    "fhir-dmp validate patient.json           patient.json:3:3: error: Patient.birthDate: …",
    "fhir-dmp validate export/ --format json  one OperationOutcome per file, one per line",
    "fhir-dmp validate a.json --profile https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-ins",
    "fhir-dmp validate a.json --package hl7.fhir.fr.core-2.2.0.tgz",
)
_PACKAGES_EXAMPLES = _preformatted(
    "Examples:",
    "fhir-dmp packages add hl7.fhir.fr.core-2.2.0.tgz",
    "fhir-dmp packages install ans.fhir.fr.pdsm@3.1.1",
    "fhir-dmp packages install hl7.fhir.uv.ips@latest --no-dependencies",
    "fhir-dmp packages remove hl7.fhir.fr.core@2.1.0",
)
_FHIRPATH_EXAMPLES = _preformatted(
    "Examples:",
    "fhir-dmp fhirpath 'name.given' patient.json",
    "fhir-dmp fhirpath 'given.first()' patient.json --context \"name.where(use = 'official')\"",
)
_GENERATE_EXAMPLES = _preformatted(
    "Examples:",
    "fhir-dmp generate --patients 1000 --out records            a file of each type",
    "fhir-dmp generate --patients 1000 --out records --bundles  a transaction for each patient",
    "fhir-dmp generate --patients 100 --load                    into http://127.0.0.1:8080/fhir",
)
_VERIFY_EXAMPLES = _preformatted(
    "Examples:",
    "fhir-dmp verify                          the last line is an anchor: keep it off this machine",
    "fhir-dmp verify --anchor 12:9f86d0…      proves that nothing before that anchor was changed since",
)
_REINDEX_EXAMPLES = _preformatted(
    "Examples:",
    "fhir-dmp reindex                         after a new version, beside the running server",
    "fhir-dmp reindex --all                   after a change of FHIR_DMP_BASE_URL or FHIR_DMP_TIME_ZONE",
)
_BACKUP_EXAMPLES = _preformatted(
    "Examples:",
    "fhir-dmp backup /backups/2026-11-28      beside the running server",
    "FHIR_DMP_DATABASE=again fhir-dmp restore /backups/2026-11-28",
)
_EXIT_CODES = _preformatted(
    "Exit codes:",
    "0 done",
    "1 the data is refused",
    "2 usage",
    "3 the environment: no server, no database, a busy port",
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

packages = typer.Typer(
    add_completion=False,
    epilog=_PACKAGES_EXAMPLES,
    help="""The FHIR packages that the servers of a database know.

    They are kept in the database, or in the embedded MongoDB of the data folder, whether a server runs on it or not.
    Running servers take what changes without a restart. Several versions of a package may be there side by side.
    """,
    rich_markup_mode=None,
)
commands.add_typer(packages, name="packages")
commands.add_typer(matrix, name="matrix")
commands.add_typer(tokens, name="token")


def main() -> None:
    """Runs the command line, and ends the process with an exit code."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    code = run(sys.argv[1:])
    try:
        if sys.stdout is not None:  # None where the shell closed it
            sys.stdout.flush()
    except OSError as fault:
        # what is left to write would be tried again at the end, and fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or _tell(Exit.ENVIRONMENT, f"the output cannot be written: {fault.strerror}")
    sys.exit(code)


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
    except OSError as fault:
        # a full disk, most of all: what commands know better is a CommandError before
        return _tell(Exit.ENVIRONMENT, str(fault))
    except _UsageError as fault:
        return _tell(Exit.USAGE, _word_usage(fault))
    return int(code or Exit.DONE)


@commands.command("serve", epilog=f"{_SERVE_EXAMPLES}\n\n{_SETTINGS_HELP}")
def serve_command(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8080,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer requests.")] = 1,
    demo: Annotated[bool, typer.Option("--demo", help="Load the demo records, once, and issue tokens.")] = False,
    auth: Annotated[Auth, typer.Option(help="open: no tokens are needed, on a loopback address only.")] = Auth.REQUIRED,
) -> None:
    """Start the server.

    Without FHIR_DMP_MONGODB_URI it runs a MongoDB of its own, on the data folder, for as long as it runs itself.
    """
    # imported here: the other commands start faster without the server's libraries
    from fhir_dmp.commands.serve import start_server  # noqa: PLC0415  see above
    from fhir_dmp.sign_in import Mode  # noqa: PLC0415  see above

    start_server(host, port, workers, Mode(needs_tokens=auth is Auth.REQUIRED, has_local_issuer=demo))


@commands.command(epilog=_LOAD_EXAMPLES)
def load(
    *,
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Resources, Bundles, ndjson files or folders.")],
    url: Annotated[str, typer.Option(help="Base URL of the server.")] = DEFAULT_URL,
    token: Annotated[str, typer.Option(help="Bearer token.", envvar="FHIR_DMP_TOKEN")] = "",
    restart: Annotated[bool, typer.Option("--restart", help="Send again what was acknowledged before.")] = False,
    refused: Annotated[Path | None, typer.Option(dir_okay=False, help="File for what is refused, as ndjson.")] = None,
) -> None:
    """Load resources, Bundles, ndjson files and folders into a server.

    A resource with an id is stored under it. One without, also in a transaction or batch, gets an id that follows
    from its file, place and content: however often it is sent, it is stored once. The resources of a collection or
    searchset are loaded as if they came one by one. What is refused is listed at the end, with the reason and the
    place in the file; with --refused it goes into that file instead, a line each, with the resource and its issues.

    Run the same command again to resume: what the server has acknowledged is not sent again.
    """
    target = parse_target(url, token)
    with _terminated_as_interrupted():
        report = load_paths(paths, target, restart=restart, refused=refused)
    raise typer.Exit(Exit.REFUSED if report.tally["refused"] else Exit.DONE)


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
    which replace a shipped one: of several versions the newest, of two packages with the same one the first. What
    cannot be decided offline is told as information. The exit code is 1 if there is any error; warnings leave it at 0.
    """
    # imported here: the other commands start faster without what validates
    from fhir_dmp.commands.validate import validate_paths  # noqa: PLC0415  see above

    is_valid = validate_paths(files, form, profile or (), package or ())
    raise typer.Exit(Exit.DONE if is_valid else Exit.REFUSED)


@packages.command("list")
def packages_list() -> None:
    """List the installed packages, and what they depend on that is not here."""
    # imported here: the other commands start faster without the database's libraries
    from fhir_dmp.commands.packages import list_packages  # noqa: PLC0415  see above

    list_packages()


@packages.command("add")
def packages_add(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE.tgz", help="A FHIR package.")],
) -> None:
    """Install the package of an archive."""
    from fhir_dmp.commands.packages import add_file  # noqa: PLC0415  as above

    add_file(file)


@packages.command("install")
def packages_install(
    package: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="The version may be latest, or 2.1.x.")],
    *,
    dependencies: Annotated[
        bool, typer.Option("--dependencies/--no-dependencies", help="Fetch what it depends on, too.")
    ] = True,
) -> None:
    """Fetch a package, and what it depends on, from the registry of FHIR_DMP_PACKAGE_REGISTRY."""
    from fhir_dmp.commands.packages import install_from_registry  # noqa: PLC0415  as above

    install_from_registry(package, with_dependencies=dependencies)


@packages.command("remove")
def packages_remove(package: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="As list writes it.")]) -> None:
    """Remove a package, and tell which ones depend on it."""
    from fhir_dmp.commands.packages import remove_package  # noqa: PLC0415  as above

    remove_package(package)


@commands.command(epilog=_FHIRPATH_EXAMPLES)
def fhirpath(
    *,
    expression: Annotated[str, typer.Argument(help="A FHIRPath expression.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file with a resource, in JSON.")],
    context: Annotated[
        str, typer.Option(metavar="EXPRESSION", help="Evaluate for each item that this expression finds.")
    ] = "",
) -> None:
    """Evaluate a FHIRPath expression against a resource.

    Each result is a line of JSON. An expression that is not acceptable is exit code 1, with the place in it.
    """
    # imported here: the other commands start faster without what validates
    from fhir_dmp.commands.fhirpath import evaluate_file  # noqa: PLC0415  see above

    evaluate_file(expression, file, context)


@commands.command(epilog=_GENERATE_EXAMPLES)
def generate(  # noqa: PLR0913  an argument for each option
    *,
    patients: Annotated[int, typer.Option(min=1, max=5_000_000, help="How many patients.")],
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="The same seed gives the same records.")] = 1,
    out: Annotated[Path | None, typer.Option(file_okay=False, metavar="DIR", help="A new or empty folder.")] = None,
    load: Annotated[bool, typer.Option("--load", help="Send them to the server of --url instead.")] = False,
    bundles: Annotated[bool, typer.Option("--bundles", help="Transactions instead of a file for each type.")] = False,
    until: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="The last day of care; today by default.")] = "",
    years: Annotated[int, typer.Option(min=1, max=20, help="Years of care.")] = 3,
    url: Annotated[str, typer.Option(help="Base URL of the server.")] = DEFAULT_URL,
    token: Annotated[str, typer.Option(help="Bearer token.", envvar="FHIR_DMP_TOKEN")] = "",
) -> None:
    """Generate synthetic French records.

    People and care are drawn from public figures: age, sex and département, chronic diseases, acts of each year,
    documents fed. Everything is fictional: INS under the OID of tests, RPPS and FINESS of a range that is not given
    out. The same version, seed, patients, years and last day give the same bytes; more patients only add to fewer.
    """
    # imported here: the other commands start faster without the tables
    from fhir_dmp.commands.generate import run_generation  # noqa: PLC0415  see above

    target = parse_target(url, token) if load else None
    with _terminated_as_interrupted():
        is_done = run_generation((patients, seed, until, years), out, target, as_bundles=bundles)
    raise typer.Exit(Exit.DONE if is_done else Exit.REFUSED)


@commands.command(epilog=_VERIFY_EXAMPLES)
def verify(
    *,
    anchor: Annotated[
        str | None,
        typer.Option(metavar="NUMBER:HASH", help="An anchor that an earlier run, or the server's log, wrote."),
    ] = None,
) -> None:
    """Prove that the database is as it was written.

    Follows the chains of the audit trail and its anchors, and looks at every resource: versions without a gap, the
    current one the newest, search facts those of the content. Works beside a running server or without one. Each
    finding is a line, and any is exit code 1.
    """
    # imported here: the other commands start faster without the server's libraries
    from fhir_dmp.commands.verify import verify_database  # noqa: PLC0415  see above

    raise typer.Exit(Exit.DONE if verify_database(anchor) else Exit.REFUSED)


@commands.command(epilog=_REINDEX_EXAMPLES)
def reindex(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Rebuild what is not stale, too; begins anew.")] = False,
) -> None:
    """Rebuild the facts by which resources are found, and by which it is decided who may see them.

    Without --all only those that another version of the extraction wrote, of current and of past versions. Works beside
    a running server or without one, and loses nothing that is written meanwhile. Run the same command again to resume.
    The exit code is 1 if any document keeps stale facts; each that cannot be rebuilt is a line.
    """
    # imported here: the other commands start faster without the server's libraries
    from fhir_dmp.commands.reindex import reindex_database  # noqa: PLC0415  see above

    with _terminated_as_interrupted():
        is_done = reindex_database(is_complete=everything)
    raise typer.Exit(Exit.DONE if is_done else Exit.REFUSED)


@commands.command(epilog=_BACKUP_EXAMPLES)
def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is absent or empty.")],
) -> None:
    """Write the database, as it is at one moment, into a folder.

    What is written meanwhile is not in it; the server may run. A file for each collection, compressed, each with its
    checksum in manifest.json, which is written last: without it a folder holds no backup. Nobody else may read the
    files: all that the server knows is in them, its secrets too.
    """
    # imported here: the other commands start faster without the server's libraries
    from fhir_dmp.commands.backup import backup_database  # noqa: PLC0415  see above

    with _terminated_as_interrupted():
        backup_database(folder)


@commands.command(epilog=_BACKUP_EXAMPLES)
def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that backup wrote.")],
) -> None:
    """Write a backup into the database of the settings, which has to be empty.

    The checksums are compared before anything is written, and what is interrupted leaves nothing. No server may run on
    the database. fhir-dmp verify proves afterwards that all is as it was written.
    """
    # imported here: the other commands start faster without the server's libraries
    from fhir_dmp.commands.backup import restore_database  # noqa: PLC0415  see above

    with _terminated_as_interrupted():
        restore_database(folder)


@commands.command()
def version() -> None:
    """Print the version."""
    typer.echo(VERSION)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Lets SIGTERM end a command as Ctrl-C does: in order."""
    # what SIGINT is handled by: an event loop ends its task, in which an exception could be anywhere, also in a driver
    former = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
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
