"""A one-node replica set: from a mongod that has just been started to a writable primary.

Transactions and change streams need a replica set: https://www.mongodb.com/docs/v6.0/core/transactions/
The node's own address is part of the set's configuration, so it must be told when the port has changed.
"""

from __future__ import annotations

import random
import socket
import time
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from fhir_dmp.store.mongo.embedded.mongod import REPLICA_SET, MongodError

if TYPE_CHECKING:
    from collections.abc import Callable

_HOST = "127.0.0.1"
# Below the ports systems give to outgoing connections, any of which could take ours while mongod is restarted.
_PORTS = range(20_000, 32_768)
_PORTS_TRIED = 100
_STEP_SECONDS = 0.01
_ANSWER_MILLISECONDS = 1_000
_NOT_YET_INITIALIZED = 94


def free_port(preferred: int | None) -> int:
    """A port on the loopback address nobody listens on: the preferred one if possible. Raises MongodError."""
    others = random.sample(_PORTS, _PORTS_TRIED)
    for port in [preferred, *others] if preferred else others:
        if _is_free(port):
            return port
    message = f"no free port on {_HOST} between {_PORTS.start} and {_PORTS.stop - 1}"
    raise MongodError(message)


def replica_set_uri(port: int, key: str) -> str:
    """The connection string of the replica set on this port, for any number of processes of this machine.

    It signs in as the member itself, which needs no account kept in the data; nobody without `key` gets in.
    """
    options = f"replicaSet={REPLICA_SET}&authSource=local&authMechanism=SCRAM-SHA-256"
    return f"mongodb://__system:{key}@{_HOST}:{port}/?{options}"


def make_primary(port: int, key: str, still_wanted: Callable[[str], None]) -> None:
    """Return when the mongod on this port is a writable primary, having configured the replica set where needed.

    `still_wanted` is called with the state of things between two looks, and raises to end the wait.
    """
    while not _is_listening(port):
        still_wanted("it does not listen yet")
        time.sleep(_STEP_SECONDS)
    uri = replica_set_uri(port, key).replace(f"replicaSet={REPLICA_SET}", "directConnection=true")
    client: MongoClient[dict[str, Any]] = MongoClient(uri, serverSelectionTimeoutMS=_ANSWER_MILLISECONDS)
    with client:
        while (state := _advance(client, f"{_HOST}:{port}")) is not None:
            still_wanted(state)
            time.sleep(_STEP_SECONDS)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return _succeeds(lambda: probe.bind((_HOST, port)))


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return _succeeds(lambda: probe.connect((_HOST, port)))


def _succeeds(action: Callable[[], None]) -> bool:
    try:
        action()
    except OSError:
        return False
    return True


def _advance(client: MongoClient[dict[str, Any]], host: str) -> str | None:
    """Do what brings the node nearer to being primary; None if it is, else its state. Every step may be repeated."""
    try:
        hello = client.admin.command("hello")
        if hello["isWritablePrimary"]:
            return None
        _configure(client, host)
    except PyMongoError as error:  # a node that starts, elects or recovers refuses in many ways
        return " ".join(str(error).split())[:300]
    return "it is not primary yet"


def _configure(client: MongoClient[dict[str, Any]], host: str) -> None:
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIALIZED:
            raise
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [{"_id": 0, "host": host}]})
        return
    if [member["host"] for member in config["members"]] != [host]:
        members = [{"_id": config["members"][0]["_id"], "host": host}]
        changed = {**config, "members": members, "version": config["version"] + 1}
        client.admin.command("replSetReconfig", changed, force=True)
