"""What the DMP makes of a document beyond its profile: class, what it replaces, and when two are one. Pure.

PDSm and the DMP: a document's class follows from its type (ASS_X16); one that `replaces` another makes that obsolete;
a masterIdentifier names one content for ever (IHE ITI TF-3 4.2.3.2.26).
"""

from __future__ import annotations

from collections.abc import Iterator

from fhir_dmp.access.change import Item
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Issue
from fhir_dmp.record.document_type import CLASS, class_of
from fhir_dmp.resource import Identity, is_id
from fhir_dmp.search.links import bare_link
from fhir_dmp.search.sensitivity import CONFIDENTIALITY, HIDDEN_FROM_REPRESENTATIVES, MASKED, VISIBILITY, read_label

_TYPE = "DocumentReference"
_SAID = frozenset((CONFIDENTIALITY, code) for code in "NRV")
_KEPT = frozenset(f"{VISIBILITY}|{code}" for code in (MASKED, HIDDEN_FROM_REPRESENTATIVES))


def find_faults(document: JsonObject) -> list[Issue]:
    """Returns what is wrong with the class of a DocumentReference: it is not that of the type."""
    types = [class_of(row.get("system", ""), row.get("code", "")) for row in _codings(document.get("type"))]
    wanted = {name for name in types if name}
    return [
        Issue("error", "document-class", _explain(code, wanted), f"{_TYPE}.category[{index}]", "code-invalid")
        for index, category in enumerate(document.get("category", ()))
        for code in _classes(category)
        if code not in wanted
    ]


def find_unsaid(new: Item) -> list[Issue]:
    """Returns what a professional's deposit leaves unsaid: who sees it (EX_2.1-1050 of the DMP).

    Its securityLabel has the confidentiality, N, R or V (JDV_J08); beside that, MASQUE_PS and INVISIBLE_PATIENT say yes
    by being there, and no by being absent. A label that is a text alone hides from nobody, whatever it says.
    """
    if uncoded := [index for index, row in enumerate(new.resource.get("securityLabel", ())) if not _is_coded(row)]:
        message = "A label is a code: a text alone would hide the document from nobody."
        at = f"{_TYPE}.securityLabel"
        return [Issue("error", "document-visibility", message, f"{at}[{index}]", "required") for index in uncoded]
    labels = {(row.get("system", ""), row.get("code", "")) for row in _labels(new.resource)}
    if any(read_label(*label) in _SAID for label in labels):
        return []
    message = "A deposit says who sees it: a confidentiality N, R or V, with MASQUE_PS or INVISIBLE_PATIENT where so."
    return [Issue("error", "document-visibility", message, f"{_TYPE}.securityLabel", "required")]


def _is_coded(label: JsonObject) -> bool:
    return any(row.get("code") for row in _codings(label))


def _labels(document: JsonObject) -> Iterator[JsonObject]:
    for label in document.get("securityLabel", ()):
        yield from _codings(label)


def find_replaced(document: JsonObject) -> Iterator[tuple[str, str]]:
    """Yields the documents that one replaces: the reference to each, or else its `system|value`, and the expression.

    "" is one of which the text alone is told: it says that something is replaced, and not what.
    """
    for index, row in enumerate(document.get("relatesTo", ())):
        target = row.get("target", {})
        text = target.get("reference") or write_name(target.get("identifier", {}))
        if row.get("code") == "replaces":
            yield text, f"{_TYPE}.relatesTo[{index}].target"


def find_document(base_url: str, text: str) -> Identity | None:
    """Returns the document of this server to which a reference leads, whatever its version; None for any other text."""
    kind, _, name = bare_link(base_url, text).partition("/")
    return Identity(_TYPE, name) if kind == _TYPE and is_id(name) else None


def shows_more(new: Item, replaced: Item) -> bool:
    """Tells whether a document would be seen by some from whom the one that it replaces is hidden."""
    return bool((replaced.marks("label") & _KEPT) - new.marks("label")) or new.rank < replaced.rank


def name_of(document: JsonObject) -> str:
    """Returns what names a document for ever: its masterIdentifier as `system|value`, "" where it has none."""
    return write_name(document.get("masterIdentifier", {}))


def write_name(identifier: JsonObject) -> str:
    """Returns an Identifier as `system|value`, "" of one without a value."""
    return f"{identifier.get('system', '')}|{identifier['value']}" if identifier.get("value") else ""


def contents_of(document: JsonObject) -> frozenset[str]:
    """Returns what tells its contents apart: the hash of each, or the data itself; empty where one has neither."""
    attachments = [row.get("attachment", {}) for row in document.get("content", ())]
    found = [row.get("hash") or row.get("data") or "" for row in attachments]
    return frozenset(found) if all(found) else frozenset()


def is_same(document: JsonObject, other: JsonObject) -> bool:
    """Tells whether two documents of one name are one: no content is another's."""
    return contents_of(document) == contents_of(other)


def _classes(category: JsonObject) -> Iterator[str]:
    for row in _codings(category):
        if row.get("system") == CLASS:
            yield row.get("code", "")


def _codings(concept: JsonObject | None) -> list[JsonObject]:
    return list((concept or {}).get("coding", ()))


def _explain(code: str, wanted: set[str]) -> str:
    if wanted:
        return f"The class {code[:16]} is not that of the document's type, which is {', '.join(sorted(wanted))}."
    return f"The document has the class {code[:16]}, and no type of the DMP (JDV_J66) that could be of it."
