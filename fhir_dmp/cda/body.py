"""The body of a document: embedded as it is (level 1) or sections of its own (level 3), and what is embedded in it."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from dataclasses import dataclass

from fhir_dmp.cda.faults import Faults
from fhir_dmp.cda.node import Node
from fhir_dmp.cda.read import Tree
from fhir_dmp.cda.systems import SUFFICIENT, embedded_format, structured_format

_EMBEDDED, _STRUCTURED = "component/nonXMLBody", "component/structuredBody"
_TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class Embedded:
    """Something in base64, without white space, that a reader of the document would open."""

    data: str
    media_type: str
    path: str


def read_format(root: Node, faults: Faults) -> tuple[str, str]:
    """Returns system and code of the format; a document has one body, with its content in it."""
    bodies = [*root.all(_EMBEDDED), *root.all(_STRUCTURED)]
    if len(bodies) != 1:
        faults.add(root, "a document has one body: nonXMLBody or structuredBody", "component", "required")
        return SUFFICIENT
    if bodies[0].name == "structuredBody":
        return structured_format([node.value("root") for node in root.all("templateId")])
    text = faults.need(bodies[0], "text")
    media_type = text.value("mediaType") or _TEXT
    found = embedded_format(media_type.lower())
    if found is None:
        faults.add(text, f"'{media_type[:64]}' is no type that may be embedded in a CDA document")
    elif text.first("reference") or not text.text:
        faults.add(text, "the content has to be in the document")
    return found or SUFFICIENT


def read_embedded(tree: Tree, faults: Faults) -> tuple[Embedded, ...]:
    """Returns all that is embedded, each of which has to be base64 that is not compressed."""
    return tuple(_read_media(tree.media, faults))


def _read_media(media: tuple[Node, ...], faults: Faults) -> Iterator[Embedded]:
    for node in media:
        data = "".join("".join(node.parts).split())
        if "compression" in node.attributes:
            faults.add(node, "what is compressed cannot be looked at, and is not taken")
        elif not _is_base64(data):
            faults.add(node, f"the content of <{node.name}> is not base64")
        elif data:
            yield Embedded(data, node.value("mediaType") or _TEXT, node.path)


def _is_base64(text: str) -> bool:
    try:
        b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return False
    return True
