"""The command line of `fhir-dmp token`; what it does is in fhir_dmp.commands.token."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Annotated

import typer

from fhir_dmp.access.requester import Kind

_EXAMPLES = """\b
Examples:
  fhir-dmp token practitioner --rpps 99900000011 --profession 10 --specialty SM54
  fhir-dmp token practitioner --rpps 99900000011 --profession 10 --purpose BTG --reason "coma"
  curl -H "Authorization: Bearer $(fhir-dmp token patient --id 42)" http://127.0.0.1:8080/fhir/Patient/42"""
tokens = typer.Typer(
    add_completion=False,
    epilog=_EXAMPLES,
    help="Print a token of the local issuer, for the demo and for tests. Whoever reads the data folder can make one.",
    rich_markup_mode=None,
)


class Purpose(Enum):
    """What a professional wants the record for."""

    TREAT = "TREAT"
    ETREAT = "ETREAT"
    BTG = "BTG"


class Program(Enum):
    """What a program is."""

    HOSPITAL = "hospital"
    HEALTH_INSURANCE = "health-insurance"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


_SPECIALTY = r"[A-Z]{2,4}\d{1,3}"
_ID = r"[A-Za-z0-9\-.]{1,64}"


def _matching(pattern: str, form: str, *, may_be_empty: bool = False) -> Callable[[str], str]:
    """Returns the check of an option: of a form, or empty where it is not needed."""

    def check(value: str) -> str:
        if not (re.fullmatch(pattern, value) or (may_be_empty and not value)):
            raise typer.BadParameter(f"{value!r} is not {form}")
        return value

    return check


_check_id = _matching(_ID, "the id of a resource")
_check_specialty = _matching(_SPECIALTY, "TRE_R38", may_be_empty=True)
_check_name = _matching(r"\S(.*\S)?", "the name of a program")
Patient = Annotated[str, typer.Option("--id", help="Id of the Patient.", callback=_check_id)]
Scope = Annotated[str, typer.Option(help="SMART scopes, by space; without: all that such a requester may have.")]
Expires = Annotated[int, typer.Option(min=1, max=31_536_000, metavar="SECONDS", help="How long it is good.")]
Url = Annotated[str, typer.Option(help="Base URL of the server it is for.", envvar="FHIR_DMP_BASE_URL")]
DEFAULT_URL = "http://127.0.0.1:8080/fhir"
_HOUR = 3600


@tokens.command()
def practitioner(  # noqa: PLR0913  one parameter for each option
    *,
    rpps: Annotated[str, typer.Option(help="RPPS number.", callback=_matching(r"\d{11}", "11 digits"))],
    profession: Annotated[
        str, typer.Option(metavar="CODE", help="TRE_G15, such as 10.", callback=_matching(r"\d{2}", "a TRE_G15 code"))
    ],
    specialty: Annotated[
        str, typer.Option(metavar="CODE", help="TRE_R38, such as SM54.", callback=_check_specialty)
    ] = "",
    organization: Annotated[str, typer.Option(metavar="FINESS", help="Where the professional works.")] = "",
    purpose: Annotated[Purpose, typer.Option(help="Care, emergency, or breaking the glass.")] = Purpose.TREAT,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Needed to break the glass.")] = "",
    regulator: Annotated[bool, typer.Option("--regulator", help="A SAMU regulator on call.")] = False,
    scope: Scope = "",
    expires: Expires = _HOUR,
    url: Url = DEFAULT_URL,
) -> None:
    """Print a professional's token."""
    # imported here, as below: the other commands start faster without what signs
    from fhir_dmp.commands.token import Professional, Wish, sign_professional  # noqa: PLC0415  see above

    person = Professional(rpps, profession, specialty, organization, regulator, purpose.value, reason)
    typer.echo(sign_professional(person, Wish(url, scope, expires)))


@tokens.command()
def patient(*, patient_id: Patient, scope: Scope = "", expires: Expires = _HOUR, url: Url = DEFAULT_URL) -> None:
    """Print a patient's token."""
    from fhir_dmp.commands.token import Wish, sign_patient  # noqa: PLC0415  see above

    typer.echo(sign_patient(patient_id, Wish(url, scope, expires)))


@tokens.command()
def representative(*, patient_id: Patient, scope: Scope = "", expires: Expires = _HOUR, url: Url = DEFAULT_URL) -> None:
    """Print the token of a patient's legal representative."""
    _print_proxy(Kind.REPRESENTATIVE, patient_id, scope, expires, url)


@tokens.command()
def helper(*, patient_id: Patient, scope: Scope = "", expires: Expires = _HOUR, url: Url = DEFAULT_URL) -> None:
    """Print the token of a person who helps a patient with his record."""
    _print_proxy(Kind.HELPER, patient_id, scope, expires, url)


def _print_proxy(kind: Kind, patient_id: str, scope: str, expires: int, url: str) -> None:
    from fhir_dmp.commands.token import Wish, sign_proxy  # noqa: PLC0415  see above

    typer.echo(sign_proxy(kind, patient_id, Wish(url, scope, expires)))


@tokens.command()
def system(
    *,
    client: Annotated[str, typer.Option(metavar="NAME", help="Name of the program.", callback=_check_name)],
    kind: Annotated[Program, typer.Option(help="What it is.")] = Program.HOSPITAL,
    organization: Annotated[
        str, typer.Option(metavar="FINESS", help="The structure's number; health-insurance needs it.")
    ] = "",
    scope: Scope = "",
    expires: Expires = _HOUR,
    url: Url = DEFAULT_URL,
) -> None:
    """Print a program's token: a hospital's or the health insurance's system, an administrator, an auditor."""
    from fhir_dmp.commands.token import Wish, sign_system  # noqa: PLC0415  see above

    typer.echo(sign_system(Kind(kind.value), client, organization, Wish(url, scope, expires)))
