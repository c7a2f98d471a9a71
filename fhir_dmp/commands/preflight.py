"""What is checked before the server starts, so that what is wrong is said in one line: settings and address.

Every check raises CommandError.
"""

from __future__ import annotations

import errno
import os
import socket

import typer

from fhir_dmp.authentication.fault import SettingUnusable
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.issuer.clients import load_clients
from fhir_dmp.issuer.keys import load_keys
from fhir_dmp.issuer.local import read_pro_sante_connect
from fhir_dmp.serve import Address
from fhir_dmp.settings import SettingInvalid, Settings, find_misspelled, read_settings
from fhir_dmp.sign_in import Mode, check_sign_in

_PORT_REFUSED = frozenset({errno.EADDRINUSE, errno.EACCES})
"""What another port helps against: this one is in use, or not for everybody."""


def check_settings() -> Settings:
    """Returns the settings of the environment; warns of a misspelled one, which would be left out in silence."""
    for name, setting in find_misspelled().items():
        typer.echo(f"fhir-dmp: {name} is no setting and is not read; {setting} is one", err=True)
    try:
        return read_settings()
    except SettingInvalid as fault:
        raise CommandError(Exit.USAGE, str(fault)) from None


def check_mode(address: Address, settings: Settings, mode: Mode) -> None:
    """Somebody has to give tokens; without them, or where they are had for the asking, only this machine may come."""
    try:
        check_sign_in(settings)
    except SettingUnusable as fault:
        raise CommandError(Exit.USAGE, str(fault)) from None
    if not address.is_loopback and not (mode.needs_tokens and not mode.has_local_issuer):
        why = "the demo's issuer asks for no password: with it" if mode.needs_tokens else "without tokens"
        message = f"{why} the server listens on a loopback address only, and {address.host} is none"
        raise CommandError(Exit.USAGE, message)
    if mode.needs_tokens and not mode.has_local_issuer and not settings.issuers:
        message = (
            "tokens are required, and there is nobody whose tokens are accepted: set FHIR_DMP_ISSUERS, or start with "
            "--demo, or with --auth open (both on a loopback address only)"
        )
        raise CommandError(Exit.USAGE, message)


def check_local_issuer(settings: Settings) -> None:
    """What the local issuer reads in the data folder can be had; the first who asks makes the keys."""
    try:
        load_keys(settings.data_dir)
        load_clients(settings.data_dir)
        read_pro_sante_connect(settings.data_dir)
    except (OSError, SettingUnusable) as fault:
        message = f"the local issuer cannot be had in {settings.data_dir}: {fault}"
        raise CommandError(Exit.ENVIRONMENT, message) from None


def check_free(address: Address) -> None:
    """The address can be listened on: no other server does."""
    try:
        rows = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, where in rows:
            with socket.socket(family, kind, protocol) as probe:
                # as the server itself: connections that linger from its last run are no obstacle
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(os.name == "posix"))
                probe.bind(where)
    except OSError as fault:
        remedy = " (--port takes another one)" if fault.errno in _PORT_REFUSED else ""
        message = f"cannot listen on {address.host} port {address.port}: {fault.strerror}{remedy}"
        raise CommandError(Exit.ENVIRONMENT, message) from None
