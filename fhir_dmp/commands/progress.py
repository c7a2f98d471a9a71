"""The progress bar on stderr: bytes of the files, resources, rate, time left. None where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text


class Meter(Protocol):
    """What a command tells about its progress."""

    def read(self, size: int) -> None:
        """Adds bytes of the files."""

    def count(self, resources: int) -> None:
        """Adds resources that are done with."""


class _Silence:
    """The meter of a command that nobody watches."""

    def read(self, size: int) -> None:
        """Tells nothing."""

    def count(self, resources: int) -> None:
        """Tells nothing."""


class _Bar:
    """The meter behind a bar on the terminal."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total, resources=0)
        self._resources = 0

    def read(self, size: int) -> None:
        """Moves the bar."""
        self._progress.advance(self._task, size)

    def count(self, resources: int) -> None:
        """Moves the count, and with it the rate."""
        self._resources += resources
        self._progress.update(self._task, resources=self._resources)


class _Rate(ProgressColumn):
    """Resources per second since the start."""

    def render(self, task: Task) -> Text:
        """Returns the rate, empty at the very start."""
        resources: int = task.fields["resources"]
        return Text(f"{resources / task.elapsed:,.0f}/s" if task.elapsed else "", style="progress.data.speed")


@contextmanager
def show_progress(label: str, total: int) -> Iterator[Meter]:
    """Shows a bar that is full at `total` bytes, for the length of a `with`."""
    if not sys.stderr.isatty():
        yield _Silence()
        return
    count = TextColumn("{task.fields[resources]:,} resources")
    columns = (TextColumn(label), BarColumn(), TaskProgressColumn(), count, _Rate(), TimeRemainingColumn())
    # what goes to a file or pipe must not pass through rich, which writes on stderr here
    redirect = sys.stdout.isatty()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, redirect_stdout=redirect) as progress:
        yield _Bar(progress, total)
