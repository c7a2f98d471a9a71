"""$dmp-history: a patient's record at a glance, as who asks sees it. OperationDefinition/dmp-history (profiles/dmp).

A document whose sections tell what a clinician looks for first, newest first: allergies, problems, treatments,
vaccinations, results, what was done already, and the documents by class. Each entry names the resource that it is from,
and in words its author. A section is cut at `_count` items, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.redaction import redact
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.json_text import JsonObject, parse_json_object, write_json
from fhir_dmp.operations.authorship import name_author
from fhir_dmp.operations.care_dates import about_time
from fhir_dmp.operations.history_sections import MOST_READ, Item, Told, read_clinical, read_documents
from fhir_dmp.operations.parameters import Inputs, read_inputs
from fhir_dmp.operations.patient_record import of_records, open_record, read_supporting
from fhir_dmp.operations.record_document import RecordDocument, begin_document
from fhir_dmp.operations.stored import read_version
from fhir_dmp.operations.summary_text import write_line, write_lines
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Version
from fhir_dmp.search.query import AboutPatient, all_of
from fhir_dmp.subset import SUBSETTED

DEFINITION = "https://fhir-dmp.fr/OperationDefinition/dmp-history"
DEFAULT_COUNT, MAX_COUNT = 20, 100
_ATTACHED = ("content", "presentedForm")
_EMPTY_REASON = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
_EMPTY: JsonObject = {"emptyReason": {"coding": [{"system": _EMPTY_REASON, "code": "unavailable"}]}}
"""Why nothing is told: what is hidden and what is absent are one reason."""


@dataclass(frozen=True, slots=True)
class _Page:
    """The document in the making, and what is told in it, read, by `Type/id`: as the requester sees it."""

    made: RecordDocument
    known: Mapping[str, JsonObject]


async def dmp_history(context: Context, request: Request) -> Result:
    """Returns the document; not found where the patient is not here, or hidden."""
    check_exposed(context, request, "operation")
    inputs = read_inputs(context, request, ("_count", "start", "end"))
    most = _read_count(inputs)
    about = all_of([AboutPatient((request.resource_id,)), *about_time(context, inputs)])
    stored = await read_version(context, request)
    restriction = await open_record(context, request, [request.resource_id])
    clinical = await read_clinical(context, restriction, about, most)
    documents = await read_documents(context, restriction, about, most)
    read = {item.version.identity: item.version for told in (*clinical, *documents) for item in told.items}
    seen = [without_contents(version) for version in await redact(context, request, [stored, *read.values()])]
    told = [*seen, *await read_supporting(context, restriction, seen)]
    known = {str(version.identity): parse_json_object(version.content or b"{}") for version in told}
    page = _Page(begin_document(context, request), known)
    body = write_json(page.made.build_bundle(context.new_id(), _build_composition(page, clinical, documents), told, {}))
    return Result(Status.OK, body=body, versions=of_records(seen))


def _read_count(inputs: Inputs) -> int:
    count = inputs.number("_count")
    if count == 0:
        raise error(Category.INVALID_PARAMETER, "parameter-value", "_count takes a number from 1 on.", "http._count")
    return min(count or DEFAULT_COUNT, MAX_COUNT)


def without_contents(version: Version) -> Version:
    """Returns a version without the bytes that are attached to it: a part of a resource then, and tagged so.

    Such a part claims no profile: one may need what is taken away.
    """
    if b'"data":"' not in (version.content or b""):
        return version
    resource = parse_json_object(version.content or b"{}")
    attached = [row.get("attachment", row) for name in _ATTACHED for row in resource.get(name, ())]
    removed = [row.pop("data") for row in attached if "data" in row]
    if not removed:
        return version
    meta = {name: value for name, value in resource.get("meta", {}).items() if name != "profile"}
    resource["meta"] = {**meta, "tag": [*meta.get("tag", ()), SUBSETTED]}
    return version._replace(content=write_json(resource))


def _build_composition(page: _Page, clinical: Sequence[Told], documents: Sequence[Told]) -> JsonObject:
    composition = page.made.build_composition("34133-9", "Summary of episode note", "Vue d'ensemble du DMP")
    sections = [*(_build(page, told) for told in clinical), _build_documents(page, documents)]
    return {**composition, "section": sections}


def _build_documents(page: _Page, documents: Sequence[Told]) -> JsonObject:
    """The section of the documents: in it one for each class, in its text how many each has."""
    text = write_lines(f"{told.title}, {told.total}" for told in documents)
    classes = {"section": [_build(page, told) for told in documents]} if documents else _EMPTY
    return {"title": "Documents", "text": text, **classes}


def _build(page: _Page, told: Told) -> JsonObject:
    lines = [_write_item(page, item) for item in told.items]
    entries = [
        {"reference": f"{page.made.base}/{item.version.identity}", "display": line}
        for item, line in zip(told.items, lines, strict=True)
    ]
    return {
        "title": told.title,
        **({"code": {"coding": [told.code]}} if told.code else {}),
        "text": write_lines(lines, " ".join(_write_notes(told))),
        **({"entry": entries} if entries else _EMPTY),
    }


def _write_item(page: _Page, item: Item) -> str:
    """An entry in words: what, when, how often before, by whom."""
    resource = page.known[str(item.version.identity)]
    before = f"{item.others} avant" if item.others else ""
    return ", ".join(filter(None, (write_line(resource), before, name_author(resource, page.known))))


def _write_notes(told: Told) -> Iterator[str]:
    """What is left out, in words."""
    if told.total > len(told.items):
        yield f"Les {len(told.items)} plus récents, sur {told.total}."
    if not told.is_whole:
        yield f"Parmi les {MOST_READ} ressources les plus récentes de chaque type."
