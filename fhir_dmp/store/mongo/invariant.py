"""What always holds of a resource in the database, and what is wrong where it does not. Pure.

Versions count from 1 without a gap, the current one is the newest, times grow, each version's JSON says what stands
beside it, and the facts of the current one are those of its content.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bson import Decimal128

from fhir_dmp.audit.proof import Finding
from fhir_dmp.instant import write_instant
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import FhirError
from fhir_dmp.resource import is_id
from fhir_dmp.search.facts import EXTRACTOR_VERSION, Facts
from fhir_dmp.search.index import Indexer
from fhir_dmp.store.mongo.facts import build_fields

Document = dict[str, Any]

_BESIDE = frozenset({"_id", "ty", "v", "lu", "m", "b", "r", "su", "h", "ck", "au", "rv"})
"""Fields that are no facts: those of document.py, and the hash of an event (audit.py)."""


def check_resource(
    reference: str, current: Document | None, past: Sequence[Document], indexer: Indexer
) -> Iterator[Finding]:
    """Yields what is wrong with a resource: its current version, None where it is deleted, and the past ones by age."""
    versions = [*past, current] if current else list(past)
    contents = [parse_content(version.get("b")) for version in versions]
    messages = [*_check_numbers(versions), *_check_times(current, past)]
    for version, resource in zip(versions, contents, strict=True):
        messages += _check_content(reference, version, resource)
    for row in past:
        messages += _check_past(reference, row)
    if current:
        messages += _check_facts(current, contents[-1], indexer)
    messages += _check_past_facts(past, contents, indexer)
    if reference.startswith("AuditEvent/") and past:
        messages.append("an AuditEvent never changes, but this one has another version")
    yield from (Finding(reference, message) for message in messages)


def _check_numbers(versions: Sequence[Document]) -> Iterator[str]:
    expected = 1
    for version in versions:
        found = version.get("v")
        if type(found) is not int:
            yield "a version has no number"
            return
        if found > expected:
            missing = f"version {expected} is" if found == expected + 1 else f"versions {expected} to {found - 1} are"
            yield f"{missing} missing"
        elif found < expected:
            yield f"version {found} stands after version {expected - 1}"
        expected = found + 1


def _check_times(current: Document | None, past: Sequence[Document]) -> Iterator[str]:
    """A past version was superseded when the next one came; only a deletion can be the last."""
    following: list[Document | None] = [*past[1:], current] if past else []
    for row, after in zip(past, following, strict=True):
        number = row.get("v")
        if after is None and row.get("b") is not None:
            yield f"version {number} was superseded, but what followed it is missing"
        elif row.get("su") != (after["lu"] if after else None):
            yield f"version {number} does not say when it was superseded"
        if after and after["lu"] <= row["lu"]:
            yield f"version {after.get('v')} is not later than version {number}"


def _check_past(reference: str, row: Document) -> Iterator[str]:
    if row["_id"] != f"{reference}/{row.get('v')}":
        yield f"version {row.get('v')} stands under the id {row['_id']}"
    if (row.get("m") == "DELETE") is not (row.get("b") is None):
        yield f"version {row.get('v')} is not what {row.get('m')} makes"


def _check_content(reference: str, document: Document, resource: JsonObject | None) -> Iterator[str]:
    """The JSON of a version has its type, id, version and time; those of the document are the same."""
    resource_type, _, resource_id = reference.partition("/")
    if document.get("ty") != resource_type:
        yield f"the resource type beside it is {document.get('ty')}"
    if not is_id(resource_id):
        yield "its id is none"
    if document.get("b") is None:
        return
    if resource is None:
        yield f"the content of version {document.get('v')} is no JSON object"
        return
    meta = resource.get("meta", {})
    said = (resource.get("resourceType"), resource.get("id"), meta.get("versionId"), meta.get("lastUpdated"))
    if said != (resource_type, resource_id, str(document.get("v")), _instant(document.get("lu"))):
        yield f"the content of version {document.get('v')} is that of {said[0]}/{said[1]}, version {said[2]}, {said[3]}"


def _instant(at: object) -> str:
    return write_instant(at) if isinstance(at, int) else ""


def parse_content(content: object) -> JsonObject | None:
    """Returns the resource that a version's bytes hold, None where they hold none."""
    try:
        return parse_json_object(bytes(content)) if isinstance(content, bytes) else None
    except FhirError:
        return None


def _check_facts(current: Document, resource: JsonObject | None, indexer: Indexer) -> Iterator[str]:
    if resource and resource.get("resourceType") == current.get("ty"):
        yield from _compare_facts("its facts", current, indexer.facts(resource))


def _check_past_facts(
    past: Sequence[Document], contents: Sequence[JsonObject | None], indexer: Indexer
) -> Iterator[str]:
    """Past versions have facts, too, and a deletion those of what it ended; one without is hidden from most."""
    ended: JsonObject | None = None
    for row, resource in zip(past, contents, strict=False):
        ended = resource or ended
        if ended and "x" in row and ended.get("resourceType") == row.get("ty"):
            yield from _compare_facts(f"the facts of version {row.get('v')}", row, indexer.facts(ended))


def _compare_facts(subject: str, document: Document, facts: Facts) -> Iterator[str]:
    if document.get("x") != EXTRACTOR_VERSION:
        yield f"{subject} are of extractor version {document.get('x')}, not {EXTRACTOR_VERSION}: fhir-dmp reindex"
        return
    if document.get("f", "") != facts.form:
        return  # servers renew those of current versions; a search that needs them is refused until then
    expected = build_fields(facts)
    names = (expected.keys() | document.keys()) - _BESIDE
    differing = sorted(name for name in names if not _is_same(expected.get(name), document.get(name)))
    if differing:
        yield f"{subject} are not those of its content (field {', '.join(differing)}): fhir-dmp reindex"


def _is_same(expected: object, held: object) -> bool:
    """Tells whether a field is what it should be. Numbers may be written otherwise: 1.0 as an equal 1 before it."""
    return expected == held or _to_numbers(expected) == _to_numbers(held)


def _to_numbers(held: object) -> object:
    if isinstance(held, Decimal128):
        return held.to_decimal()
    if isinstance(held, dict):
        return {name: _to_numbers(value) for name, value in held.items()}
    return [_to_numbers(value) for value in held] if isinstance(held, list) else held
