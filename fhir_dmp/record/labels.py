"""The visibility labels (TRE_A07) of a document, set and lifted: DocumentReference.securityLabel and meta.security."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fhir_dmp.json_text import JsonObject
from fhir_dmp.search.sensitivity import HIDDEN_FROM_PATIENT, MASKED, VISIBILITY, read_label


def visibility_of(resource: JsonObject) -> frozenset[str]:
    """Returns the codes of TRE_A07 that a resource has, in whatever spelling."""
    found = (read_label(str(row.get("system", "")), str(row.get("code", ""))) for row in _written(resource))
    return frozenset(code for system, code in found if system == VISIBILITY)


def set_label(document: JsonObject, code: str) -> JsonObject:
    """Returns a DocumentReference that has a label, the same one where it has it."""
    if code in visibility_of(document):
        return document
    added = {"coding": [{"system": VISIBILITY, "code": code}]}
    return {**document, "securityLabel": [*document.get("securityLabel", ()), added]}


def lift_label(document: JsonObject, code: str) -> JsonObject:
    """Returns a DocumentReference that has a label no more, in none of its spellings."""
    if code not in visibility_of(document):
        return document
    concepts = [_without(concept, code) for concept in document.get("securityLabel", ())]
    kept = [concept for concept in concepts if concept]
    rest = {name: value for name, value in document.items() if name != "securityLabel"}
    security = [row for row in document.get("meta", {}).get("security", ()) if not _is(row, code)]
    meta = {name: value for name, value in document.get("meta", {}).items() if name != "security"}
    meta |= {"security": security} if security else {}
    return {**rest, "meta": meta, **({"securityLabel": kept} if kept else {})}


def contradicts(labels: Iterable[str]) -> bool:
    """Tells whether these labels hide a document from everyone but its author, which the DMP does not allow."""
    return {MASKED, HIDDEN_FROM_PATIENT} <= set(labels)


def label_codings(codes: Iterable[str]) -> list[JsonObject]:
    """Returns the Codings of these labels, in order."""
    return [{"system": VISIBILITY, "code": code} for code in sorted(codes)]


def _written(resource: JsonObject) -> Iterator[JsonObject]:
    yield from resource.get("meta", {}).get("security", ())
    for concept in resource.get("securityLabel", ()):
        yield from concept.get("coding", ())


def _without(concept: JsonObject, code: str) -> JsonObject:
    """The concept without the codings of a label; empty where nothing but its text is left."""
    codings = concept.get("coding", [])
    kept = [row for row in codings if not _is(row, code)]
    if len(kept) == len(codings):
        return concept
    return {**concept, "coding": kept} if kept else {}


def _is(coding: JsonObject, code: str) -> bool:
    return read_label(str(coding.get("system", "")), str(coding.get("code", ""))) == (VISIBILITY, code)
