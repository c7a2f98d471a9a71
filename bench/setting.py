"""What every subject has at hand."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from bench.measure import Measure, Sample
from bench.processes import Target, over_http


@dataclass(frozen=True, slots=True)
class Bench:
    """A database, a server on it, a server of one constant answer, and a process to measure from.

    The server holds the Observations `o-0` to `o-9999`.
    """

    uri: str
    server: Target
    constant: Target
    load: ProcessPoolExecutor

    def ours(self, requests: list[bytes], connections: int) -> Measure:
        """Returns the measure of the server under these requests."""
        return over_http(self.load, self.server, requests, connections)

    def driver(self, function: Callable[..., Sample], *arguments: object) -> Measure:
        """Returns the measure of a function that works on the database itself."""
        return lambda seconds: self.load.submit(function, self.uri, *arguments, seconds).result()
