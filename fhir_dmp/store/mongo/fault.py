"""What MongoDB's errors mean to a client: none of them becomes an internal error that says nothing."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import (
    ConnectionFailure,
    DocumentTooLarge,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
)

from fhir_dmp.outcome import Category, error

Result = TypeVar("Result")

QUERY_MILLISECONDS = 10_000
"""How long one query may run, where nothing else is set (FHIR_DMP_QUERY_TIME)."""

_TOO_LARGE = frozenset({388, 10334, 17280, 17419, 17420})
"""388 is a transaction that does not fit into the cache of the database."""
_NOT_READY = frozenset({18, 91, 189, 11600, 11602, 13435, 13436, 10107})
"""18: it lets this server in no more, as where another one runs the embedded database now."""


_NOT_PERMITTED, _LETS_NOBODY_IN = 13, 18
_STATE = re.compile(r" \(configured timeouts|, Timeout: |, full error: ")
"""Where the driver begins to tell its own state."""
_LONGEST = 300


class Stale(PyMongoError):
    """Another transaction was faster. Its label makes the driver run the transaction again."""

    def __init__(self) -> None:
        """Labels the error as the server labels a write conflict."""
        super().__init__("a version is no longer the current one", error_labels=["TransientTransactionError"])


def where_found(
    work: Callable[[AsyncClientSession], Awaitable[Result]],
) -> Callable[[AsyncClientSession], Awaitable[Result]]:
    """Makes the work of a transaction end where no database is to be found.

    The driver would begin it again for two minutes, while a client waits for the answer, or the server is to end.
    """

    async def run(session: AsyncClientSession) -> Result:
        try:
            return await work(session)
        except ServerSelectionTimeoutError as fault:
            # without the label by which the driver runs a transaction again
            raise ConnectionFailure(str(fault)) from fault

    return run


@contextmanager
def database_errors() -> Iterator[None]:
    """Turns the errors of the database that a client can act on into FhirErrors."""
    try:
        yield
    except ExecutionTimeout:
        message = "The query took longer than one may here (FHIR_DMP_QUERY_TIME); narrow it."
        raise error(Category.TOO_COSTLY, "query-timeout", message) from None
    except DocumentTooLarge:
        raise error(
            Category.TOO_LARGE, "resource-too-large", "The resource is larger than the store can hold."
        ) from None
    except (ConnectionFailure, WaitQueueTimeoutError) as fault:
        raise _unavailable() from fault
    except OperationFailure as fault:
        if not _TOO_LARGE.isdisjoint(_codes(fault)):
            raise error(Category.TOO_LARGE, "resource-too-large", "It is too large to be stored.") from None
        if not _NOT_READY.isdisjoint(_codes(fault)) or fault.has_error_label("TransientTransactionError"):
            raise _unavailable() from fault
        raise
    except Stale:
        raise _unavailable() from None


def explain(fault: PyMongoError, subject: str = "the database") -> str:
    """Returns what is wrong with the database for whoever runs it, without what the driver tells of itself."""
    code = fault.code if isinstance(fault, OperationFailure) else None
    if code == _LETS_NOBODY_IN:
        return f"{subject} does not accept the user and password that FHIR_DMP_MONGODB_URI names"
    said = " ".join(_said(fault).split())
    if code == _NOT_PERMITTED:
        what = said.partition(" to execute command")[0].removesuffix(".")
        return f"{subject} permits its user too little ({what}): readWrite on it is needed"[:_LONGEST]
    if code is not None and code not in _NOT_READY:
        return f"{subject} refuses: {said}"[:_LONGEST]
    return f"{subject} does not answer: {_STATE.split(said)[0]}"[:_LONGEST]


def _said(fault: PyMongoError) -> str:
    details = fault.details or {} if isinstance(fault, OperationFailure) else {}
    return str(details.get("errmsg") or fault)


def _codes(fault: OperationFailure) -> set[int | None]:
    """The error's own code, and those of a batch: of its writes, and of making them durable."""
    details = fault.details or {}
    rows = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
    return {fault.code, *(row.get("code") for row in rows)}


def _unavailable() -> Exception:
    return error(Category.UNAVAILABLE, "database-unavailable", "The database does not answer now; try again shortly.")
