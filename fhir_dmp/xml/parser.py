"""XML as it is read here, whatever stands in it: by expat, in UTF-8, without document types, with places told.

A document type is refused, and with it all entities but XML's own: nothing is expanded, and nothing is fetched
(docs/decisions/0030).
"""

from __future__ import annotations

from typing import NoReturn
from xml.parsers.expat import ExpatError, ParserCreate

from fhir_dmp.outcome import FhirError

LONGEST_NAMESPACE = 256
"""Characters of a namespace, which stands before every name of it: thousands of names would repeat a long one."""


class XmlParser:
    """Parses one text; a reader of a format says what becomes of the elements and the text that it finds.

    Names are `namespace name`, or `name` alone where there is no namespace.
    """

    def __init__(self, data: bytes) -> None:
        """Is ready to parse a text."""
        self.data = data
        self.expat = expat = ParserCreate("UTF-8", " ")
        expat.XmlDeclHandler = self._check_declaration
        expat.StartDoctypeDeclHandler = self._refuse_doctype
        expat.StartNamespaceDeclHandler = self._check_namespace
        expat.StartElementHandler = self.start
        expat.EndElementHandler = self.end
        expat.CharacterDataHandler = self.take

    def parse(self) -> None:
        """Goes through the text once; raises FhirError where it is no XML, or `refuse` was called."""
        try:
            self.expat.Parse(self.data, True)  # noqa: FBT003  # the signature of the C function
        except ExpatError as fault:
            raise self.malformed(fault.lineno, fault.offset + 1, str(fault).partition(":")[0]) from None
        finally:
            self.expat.StartElementHandler = self.expat.EndElementHandler = self.expat.CharacterDataHandler = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Is called at the start of an element."""
        raise NotImplementedError

    def end(self, name: str) -> None:
        """Is called at the end of an element."""
        raise NotImplementedError

    def take(self, text: str) -> None:
        """Is called with text between elements."""
        raise NotImplementedError

    def malformed(self, line: int, column: int, message: str) -> FhirError:
        """Builds the error of a text that is not acceptable; line and column count from 1."""
        raise NotImplementedError

    def refuse(self, message: str) -> NoReturn:
        """Raises the error of what is just being read."""
        raise self.malformed(self.expat.CurrentLineNumber, self.expat.CurrentColumnNumber + 1, message)

    def _check_declaration(self, version: str, encoding: str | None, standalone: int) -> None:  # noqa: ARG002  as expat has it
        if encoding and encoding.lower() != "utf-8":
            self.refuse(f"the text is declared {encoding[:40]}; it has to be UTF-8")

    def _check_namespace(self, _prefix: str | None, uri: str | None) -> None:
        if uri and len(uri) > LONGEST_NAMESPACE:
            self.refuse(f"a namespace has more than {LONGEST_NAMESPACE} characters")

    def _refuse_doctype(self, *_declared: object) -> NoReturn:
        self.refuse("a document type is not allowed")
