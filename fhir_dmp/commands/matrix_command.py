"""The command line of `fhir-dmp matrix`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fhir_dmp.commands.check import Format
from fhir_dmp.commands.failure import Exit

_File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE", help="A table, as JSON.")]

matrix = typer.Typer(
    add_completion=False,
    epilog="\b\nExamples:\n"
    "  fhir-dmp matrix show --format json > matrix.json\n"
    "  fhir-dmp matrix check matrix.json\n"
    "  fhir-dmp matrix replace matrix.json",
    help="""The habilitation matrix: which profession may read which type of document (CSP R1111-46).

    It is kept in the database, with every version that was in force. Running servers take a new one without a restart.
    What a table does not permit is denied.
    """,
    rich_markup_mode=None,
)


@matrix.command("show")
def matrix_show(
    *,
    version: Annotated[str, typer.Option(help="One that was in force before.")] = "",
    form: Annotated[
        Format, typer.Option("--format", help="text: what it rests on, and its history; json: the table.")
    ] = Format.TEXT,
) -> None:
    """Show the matrix in force, and every version that was."""
    # imported here: the other commands start faster without the database's libraries
    from fhir_dmp.commands.matrix import show_matrix  # noqa: PLC0415  see above

    show_matrix(version, as_json=form is Format.JSON)


@matrix.command("check")
def matrix_check(file: _File) -> None:
    """Check a table against its schema (capability/habilitation.schema.json), and tell what it leaves out."""
    from fhir_dmp.commands.matrix import check_matrix  # noqa: PLC0415  as above

    raise typer.Exit(Exit.DONE if check_matrix(file) else Exit.REFUSED)


@matrix.command("replace")
def matrix_replace(file: _File) -> None:
    """Put a table in force, and tell what it opens and closes for whom.

    It needs a version of its own. A table that was in force before may be put in force again.
    """
    from fhir_dmp.commands.matrix import replace_matrix  # noqa: PLC0415  as above

    raise typer.Exit(Exit.DONE if replace_matrix(file) else Exit.REFUSED)
