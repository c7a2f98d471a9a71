"""What is checked before the server starts, so that what is wrong is said in one line: settings and address.

Every check raises CommandError.
"""

from __future__ import annotations

import os
import socket

from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.serve import Address
from fhir_dmp.settings import SettingInvalid, Settings, read_settings


def check_settings() -> Settings:
    """Returns the settings of the environment."""
    try:
        return read_settings()
    except SettingInvalid as fault:
        raise CommandError(Exit.USAGE, str(fault)) from None


def check_open(address: Address) -> None:
    """Without tokens, only this machine may reach the server."""
    if not address.is_loopback:
        message = f"without tokens the server listens on a loopback address only, and {address.host} is none"
        raise CommandError(Exit.USAGE, message)


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
        message = f"cannot listen on {address.host} port {address.port}: {fault.strerror}"
        raise CommandError(Exit.ENVIRONMENT, message) from None
