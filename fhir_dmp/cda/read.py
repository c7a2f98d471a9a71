"""The text of a CDA document → the elements of its header, and what is embedded in it.

Of a structured body nothing is kept but embedded media: its narratives and entries are the document's own affair.
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_dmp.cda.node import Node
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.xml.parser import LONGEST_NAMESPACE, XmlParser

CDA = "urn:hl7-org:v3"
ROOT = "ClinicalDocument"
_PREFIX = f"{CDA} "
_BODY = "structuredBody"
_DEPTH = 200
"""Elements inside one another: sections and entries nest, but not without end."""
_LONGEST = 128
"""Characters of an element's name."""
_MOST = 20_000
"""Elements of a header, and embedded media: a hundred times what the largest has."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The root with all that belongs to the header, and the elements that hold base64, wherever they stand."""

    root: Node
    media: tuple[Node, ...]


def read_tree(data: bytes) -> Tree:
    """Returns what is read of a document; raises FhirError (malformed) that names line and column."""
    return _Reader(data).read()


class _Reader(XmlParser):
    """Keeps the elements whose end has not come; each is in the list of its parent already, if it is kept."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.expat.buffer_text = True
        self._stack: list[Node] = []
        self._root: Node | None = None
        self._media: list[Node] = []
        self._kept = 0
        self._inside_body = 0
        """The elements of the stack from structuredBody on."""

    def read(self) -> Tree:
        self.parse()
        if self._root is None:
            self.refuse("there is no document")
        return Tree(self._root, tuple(self._media))

    def start(self, name: str, attributes: dict[str, str]) -> None:
        node = self._build(name, attributes)
        if attributes.get("representation") == "B64":
            self._media.append(node)
            self._count()
        if not self._inside_body:
            self._keep(node)
        if self._inside_body or (node.name == _BODY and len(self._stack) > 1):
            self._inside_body += 1
        self._stack.append(node)

    def end(self, name: str) -> None:  # noqa: ARG002  as expat has it
        self._stack.pop()
        self._inside_body -= bool(self._inside_body)

    def take(self, text: str) -> None:
        node = self._stack[-1]
        if not self._inside_body or node.attributes.get("representation") == "B64":
            node.parts.append(text)

    def malformed(self, line: int, column: int, message: str) -> FhirError:
        text = f"The body is no CDA R2 document: line {line}, column {column}: {message}."
        return error(Category.MALFORMED, "cda-malformed", text)

    def _build(self, name: str, attributes: dict[str, str]) -> Node:
        if len(self._stack) >= _DEPTH:
            self.refuse(f"elements nest deeper than {_DEPTH} levels")
        # a name of no namespace is as foreign as one of another
        local = name.removeprefix(_PREFIX) if name.startswith(_PREFIX) else f" {name}"
        if len(local) > LONGEST_NAMESPACE + _LONGEST:
            self.refuse(f"the name of an element is longer than {_LONGEST} characters")
        parent = self._stack[-1] if self._stack else None
        return Node(local, parent, attributes, self.expat.CurrentLineNumber, self.expat.CurrentColumnNumber + 1)

    def _keep(self, node: Node) -> None:
        self._count()
        if self._stack:
            self._stack[-1].children.append(node)
        elif node.name == ROOT:
            self._root = node
        else:
            self.refuse(f"<{node.name.rpartition(' ')[2][:64]}> is not <{ROOT}> of the namespace {CDA}")

    def _count(self) -> None:
        self._kept += 1
        if self._kept > _MOST:
            self.refuse(f"the header has more than {_MOST:,} elements")
