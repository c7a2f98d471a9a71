"""What is wrong with a header: all of it (MOST) is told at once, each with line and column."""

from __future__ import annotations

from datetime import tzinfo

from fhir_dmp.cda.moment import read_moment
from fhir_dmp.cda.node import Node
from fhir_dmp.outcome import Category, FhirError, Issue

NOTHING = Node("", None, {}, 0, 0)
"""Stands for an element that is missing, which was said already: nothing more is said of it."""
MOST = 200
"""Faults that are told: a header may have twenty thousand elements, each with several."""


class Faults:
    """Collects the issues of one document."""

    def __init__(self) -> None:
        """Begins with none."""
        self._issues: list[Issue] = []

    def add(self, node: Node, message: str, path: str = "", issue_type: str = "value") -> None:
        """Adds one; `path` leads on from the element (`assignedAuthor/id`)."""
        if node is NOTHING or len(self._issues) >= MOST:
            return
        expression = ".".join([node.path, *path.split("/")]) if path else node.path
        text = f"The CDA document is not acceptable: line {node.line}, column {node.column}: {message}."
        self._issues.append(Issue("error", "cda-header", text, expression, issue_type))

    def need(self, node: Node, path: str) -> Node:
        """Returns the first element that a path leads to, NOTHING where there is none, which is a fault."""
        found = node.first(path)
        if found is None:
            self.add(node, f"<{node.name}> has no {path}", path, "required")
            return NOTHING
        return found

    def need_value(self, node: Node, name: str) -> str:
        """Returns an attribute; "" where there is none, which is a fault."""
        value = node.value(name)
        if not value:
            self.add(node, f"<{node.name}> has no {name}", issue_type="required")
        return value

    def need_text(self, node: Node) -> str:
        """Returns the text of an element; "" where it has none, which is a fault."""
        if not node.text:
            self.add(node, f"<{node.name}> is empty", issue_type="required")
        return node.text

    def read_moment(self, node: Node, zone: tzinfo) -> str:
        """Returns the point in time that an element has as its value, as FHIR writes it."""
        text = self.need_value(node, "value")
        try:
            return read_moment(text, zone) if text else ""
        except ValueError:
            self.add(node, f"'{text[:40]}' is no point in time (YYYYMMDDhhmmss+hhmm)")
            return ""

    def check(self) -> None:
        """Raises FhirError (unprocessable) where there are any."""
        if self._issues:
            raise FhirError(Category.UNPROCESSABLE, *self._issues)
