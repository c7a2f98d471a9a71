"""Generated Python source: functions of lines, each with the position in the expression that it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Source:
    """The functions of one program, the constants they name, and the line being written."""

    def __init__(self) -> None:
        """Starts without a function: open one before writing a line."""
        self.constants: dict[str, object] = {}
        self.position = 0
        self._names: dict[int, str] = {}
        self._finished: list[tuple[str, int]] = []
        self._lines: list[tuple[str, int]] = []
        self._indent = 0
        self._count = 0

    def name(self, prefix: str = "t") -> str:
        """Returns a Python name that no other line uses."""
        self._count += 1
        return f"{prefix}{self._count}"

    def constant(self, value: object) -> str:
        """Returns the name under which generated code finds this object."""
        known = self._names.get(id(value))
        if known is None:
            known = self._names[id(value)] = self.name("K")
            self.constants[known] = value
        return known

    def line(self, text: str) -> None:
        """Writes one line at the current depth."""
        self._lines.append((" " * self._indent + text, self.position))

    def assign(self, text: str, prefix: str = "t") -> str:
        """Writes an assignment to a new variable and returns the variable."""
        name = self.name(prefix)
        self.line(f"{name} = {text}")
        return name

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Writes a line that opens a block, and indents the lines written inside the `with`."""
        self.line(head)
        self._indent += 1
        yield
        self._indent -= 1

    @contextmanager
    def function(self, name: str, parameters: str) -> Iterator[None]:
        """Writes a function of its own, whatever function is being written."""
        outer, indent, position = self._lines, self._indent, self.position
        self._lines, self._indent = [(f"def {name}({parameters}):", position)], 1
        yield
        self._finished += self._lines
        self._lines, self._indent, self.position = outer, indent, position

    def text(self) -> tuple[str, list[int]]:
        """Returns the source and, for each of its lines, the position in the expression."""
        return "\n".join(line for line, _ in self._finished), [position for _, position in self._finished]
