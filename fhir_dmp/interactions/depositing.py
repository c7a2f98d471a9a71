"""A document on its way into a record: it may be here already, and it may make another obsolete.

Whoever deposits one again is given the one that is here, if he may see it: one that is hidden from him is stored beside
it, as if it were not there. What a document replaces is superseded in the same transaction, or nothing is written.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import replace
from typing import NoReturn

from fhir_dmp.access.change import Item
from fhir_dmp.access.reimbursement import BENEFIT, DOCUMENT
from fhir_dmp.access.requester import Kind
from fhir_dmp.interactions.attachments import cited_by, describe, read_cited
from fhir_dmp.interactions.authorisation import authorise
from fhir_dmp.interactions.conditional import parse_criteria
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.refusal import DepositRefused
from fhir_dmp.interactions.reimbursing import find_reimbursed
from fhir_dmp.interactions.request import Parameters, Preconditions, Request
from fhir_dmp.interactions.submitting import find_submitted
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import Category, FhirError, Issue, error
from fhir_dmp.record.depositing import (
    contents_of,
    find_faults,
    find_replaced,
    find_unsaid,
    is_same,
    name_of,
    shows_more,
)
from fhir_dmp.record.patient_deposit import find_foreign_types
from fhir_dmp.record.submission import LIST, names_of_submission
from fhir_dmp.resource import Identity, Version, build_version, is_id
from fhir_dmp.search.escape import escape_token
from fhir_dmp.search.links import bare_link, relative_to
from fhir_dmp.store.port import Change, Writer

_PROFESSIONAL = frozenset({Kind.PRACTITIONER, Kind.HOSPITAL})
_STATING = _PROFESSIONAL | {Kind.HEALTH_INSURANCE}
"""Who has to say who sees what he deposits."""
_DEPOSITORS = _STATING | {Kind.PATIENT, Kind.REPRESENTATIVE}
_DEPOSITED_BY = {DOCUMENT: _DEPOSITORS, LIST: _DEPOSITORS, BENEFIT: frozenset({Kind.HEALTH_INSURANCE})}
_MOST = 1000
"""How many documents of one type in one record are compared."""
_HIDDEN = frozenset({Category.NOT_FOUND, Category.DELETED})


def is_deposit(resource: JsonObject) -> bool:
    """Tells whether a resource may be in its record already: a document, a reimbursement, a named submission set."""
    return resource.get("resourceType") in {DOCUMENT, BENEFIT} or bool(names_of_submission(resource))


def deposit_key(context: Context, request: Request, resource: JsonObject) -> str:
    """Returns the key by which deposits into a record wait for one another, "" of what is no such deposit."""
    kind = resource.get("resourceType", "")
    if request.requester.kind not in _DEPOSITED_BY.get(kind, ()) or not is_deposit(resource):
        return ""
    subject = subject_of(context, resource)
    return f"{kind} in {subject}" if subject else ""


async def find_deposited(context: Context, writer: Writer, request: Request, resource: JsonObject) -> Version | None:
    """Returns the document, reimbursement or submission set that is here already; None where he sees none.

    Raises FhirError (conflict) where its name has another content, or its content another name; of a submission set
    that is asked later (see find_submitted).
    """
    if not deposit_key(context, request, resource):
        return None
    if resource["resourceType"] == BENEFIT:
        return await find_reimbursed(context, writer, request, resource, subject_of(context, resource))
    if resource["resourceType"] == LIST:
        return await find_submitted(context, writer, request, resource, subject_of(context, resource))
    name = name_of(resource)
    if name and (found := await _find_named(context, writer, request, resource, name)):
        version, other = found
        if not is_same(resource, other) or await _cites_another(context, request, resource, other):
            refuse_name(version)
        return version
    await _refuse_twin(context, writer, request, resource)
    return None


async def name_replaced(
    context: Context, writer: Writer, request: Request, document: JsonObject, name: str
) -> JsonObject:
    """Returns a document that replaces the one of a name (`system|value`) in its record; as it is where it has none.

    Raises FhirError (unprocessable) where none has that name that the requester may see.
    """
    if not subject_of(context, document):
        return document
    if found := await _find_named(context, writer, request, document, name):
        return {**document, "relatesTo": [{"code": "replaces", "target": {"reference": str(found[0].identity)}}]}
    raise _unknown(f"{DOCUMENT}.relatesTo[0].target") from DepositRefused(
        subject_of(context, document).partition("/")[2]
    )


async def _find_named(
    context: Context, writer: Writer, request: Request, resource: JsonObject, name: str
) -> tuple[Version, JsonObject] | None:
    """Returns the document of a name in the record that another is for."""
    criteria = [*_of(context, resource), ("identifier", escape_token(name))]
    async for version, other in _search(context, writer, request, criteria):
        if name_of(other) == name:
            return version, other
    return None


def _refused(item: Item, *, is_telling: bool = False) -> DepositRefused:
    return DepositRefused(item.facts.patient or "", is_telling=is_telling)


async def _cites_another(context: Context, request: Request, resource: JsonObject, other: JsonObject) -> bool:
    """Tells whether a document that states no hash cites another content than its namesake, by a Binary."""
    sent, kept = cited_by(context, resource), cited_by(context, other)
    if contents_of(resource) or not sent or sent == kept:
        return False
    seen = await read_cited(context, request, sent | kept)
    known = {identity: await describe(context, version) for identity, version in seen.items()}
    digests = [{found.sha1 if (found := known.get(row)) else row for row in cited} for cited in (sent, kept)]
    return digests[0] != digests[1]


def refuse_name(version: Version) -> NoReturn:
    """Raises FhirError (conflict): a masterIdentifier names the stored version, whose content is another."""
    message = f"The masterIdentifier is that of {version.identity}, whose content is another."
    fault = error(Category.CONFLICT, "document-name-taken", message, f"{DOCUMENT}.masterIdentifier")
    raise fault from DepositRefused(version.patient, is_telling=True)


async def _refuse_twin(context: Context, writer: Writer, request: Request, resource: JsonObject) -> None:
    """A content is deposited once; under another name it is a mistake, unless it replaces that document."""
    contents = contents_of(resource)
    types = [
        ("type", f"{row['system']}|{row['code']}")
        for row in resource.get("type", {}).get("coding", ())
        if row.get("system") and row.get("code")
    ]
    # without a name it may be said again: two visits with nothing to report
    if not contents or not types or not name_of(resource):
        return
    named = [text for text, _ in find_replaced(resource)]
    replaced = {bare_link(context.base_url, text) for text in named}
    criteria = [*_of(context, resource), types[0], ("status", "current")]
    async for version, other in _search(context, writer, request, criteria):
        is_replaced = str(version.identity) in replaced or name_of(other) in named
        if contents_of(other) == contents and not is_replaced:
            message = f"This content is in the record already: {version.identity}."
            fault = error(Category.CONFLICT, "document-duplicate", message, f"{DOCUMENT}.content")
            raise fault from DepositRefused(version.patient, is_telling=True)


async def find_superseded(
    context: Context,
    writer: Writer,
    request: Request,
    changes: Sequence[Change],
    done: Collection[Identity] = frozenset(),
) -> list[Change]:
    """Checks the documents among changes, and returns the further changes: those that make others obsolete.

    What is `done`, made obsolete by an entry of its own (PDSm, « remplacement »), needs no further one.
    Raises FhirError where a document's class is wrong, or it replaces what is not here (or hidden), not current, not
    the requester's own or of another record.
    """
    superseded: list[Change] = []
    for change in changes:
        item = _document(change)
        if item is None:
            continue
        if faults := _find_faults(request.requester.kind, item, change):
            raise FhirError(Category.UNPROCESSABLE, *faults) from _refused(item)
        inside, before = replace(context, reader=writer), _before(change)
        for text, at in find_replaced(item.resource):
            if text not in before:
                superseded.append(await _supersede(inside, writer, request, item, (text, at)))
    refuse_twice([*changes, *superseded])
    return [change for change in superseded if change.version.identity not in done]


def find_made_obsolete(changes: Iterable[Change]) -> frozenset[Identity]:
    """Returns the documents of which all that becomes by some changes is that they are superseded."""
    return frozenset(change.version.identity for change in changes if _is_superseding(change))


def _find_faults(kind: Kind, item: Item, change: Change) -> list[Issue]:
    if kind not in _DEPOSITORS:
        return []
    if kind in _STATING:
        unsaid = find_unsaid(item) if change.previous is None else []
        return [*unsaid, *find_faults(item.resource)]
    content = change.previous.content if change.previous else None
    foreign = find_foreign_types(item.resource, parse_json_object(content) if content else None)
    return [*foreign, *find_faults(item.resource)]


def refuse_twice(changes: Sequence[Change], taken: Collection[Identity] = frozenset()) -> None:
    """Raises FhirError where changes that are made at once include two of one resource, or one of what is `taken`."""
    written = [change.version.identity for change in changes]
    if len(set(written)) < len(written) or not set(written).isdisjoint(taken):
        message = "A document is replaced and written at once, or replaced by several."
        raise error(Category.MALFORMED, "transaction-duplicate", message, f"{DOCUMENT}.relatesTo")


async def _supersede(context: Context, writer: Writer, request: Request, item: Item, place: tuple[str, str]) -> Change:
    text, at = place
    kind, _, name = await _find_target(context, writer, request, item.resource, text)
    asked = replace(
        request, resource_type=kind, resource_id=name, preconditions=Preconditions(), resource=None, parameters=()
    )
    version = await _read(context, writer, asked) if kind == DOCUMENT and is_id(name) else None
    if version is None or version.content is None:
        raise _unknown(at) from _refused(item)
    previous = parse_json_object(version.content)
    replaced = Item(previous, context.indexer.facts(previous))
    _require_replaceable(request, item, replaced, at)
    change = _build_superseded(context, version, replaced)
    await _authorise(context, asked, change, at)
    return change


async def _find_target(
    context: Context, writer: Writer, request: Request, document: JsonObject, text: str
) -> tuple[str, str, str]:
    """Returns the parts of a reference to a document: of whatever version, or of the one that has that identifier."""
    criteria = [*_of(context, document), ("identifier", escape_token(text))] if "|" in text else []
    found = [version.identity async for version, _ in _search(context, writer, request, criteria)] if criteria else []
    return (str(found[0]) if len(found) == 1 else bare_link(context.base_url, text)).partition("/")


def _unknown(at: str) -> FhirError:
    message = "The document that this one replaces is not here."
    return error(Category.UNPROCESSABLE, "document-replaced-unknown", message, at)


def _build_superseded(context: Context, version: Version, replaced: Item) -> Change:
    resource = {**replaced.resource, "status": "superseded"}
    stamped, following = build_version(resource, version.identity, version, "PUT", context.now())
    facts = context.indexer.facts(stamped)
    return Change(following._replace(patient=facts.patient or ""), version, facts, replaced.facts)


async def _read(context: Context, writer: Writer, request: Request) -> Version | None:
    try:
        restriction = await open_gate(context, request, "update")
    except FhirError as fault:
        if fault.category in _HIDDEN:
            return None
        raise
    return (await writer.read_latest((request.identity,), restriction)).get(request.identity)


def _require_replaceable(request: Request, item: Item, replaced: Item, at: str) -> None:
    telling = _refused(replaced, is_telling=True)
    if item.facts.patient != replaced.facts.patient:
        message = "The document that this one replaces is another patient's."
        raise error(Category.UNPROCESSABLE, "document-replaced-elsewhere", message, at) from telling
    if replaced.resource.get("status") != "current":
        message = "The document that this one replaces is not current: it was replaced or entered in error."
        raise error(Category.CONFLICT, "document-replaced-before", message, at) from telling
    if request.requester.kind in _STATING and shows_more(item, replaced):
        message = "The document that this one replaces is masked or more confidential; the new one has to be as well."
        raise error(Category.UNPROCESSABLE, "document-shows-more", message, f"{DOCUMENT}.securityLabel") from telling


async def _authorise(context: Context, request: Request, change: Change, at: str) -> None:
    try:
        await authorise(context, request, "update", [change])
    except FhirError as fault:
        issue = fault.issues[0]
        raise error(fault.category, issue.code, issue.message, at) from fault.__cause__


def _is_superseding(change: Change) -> bool:
    """Tells whether all that becomes of a document is that it is superseded."""
    before, after = change.previous and change.previous.content, change.version.content
    if change.version.identity.resource_type != DOCUMENT or not before or not after:
        return False
    rest = ({**parse_json_object(content), "status": "", "meta": {}} for content in (before, after))
    return parse_json_object(after).get("status") == "superseded" and next(rest) == next(rest)


def _document(change: Change) -> Item | None:
    version, facts = change.version, change.facts
    if version.identity.resource_type != DOCUMENT or version.content is None or facts is None:
        return None
    return Item(parse_json_object(version.content), facts)


def _before(change: Change) -> frozenset[str]:
    """What the document replaced before this change."""
    content = change.previous.content if change.previous else None
    return frozenset(text for text, _ in find_replaced(parse_json_object(content))) if content else frozenset()


async def _search(
    context: Context, writer: Writer, request: Request, criteria: Parameters
) -> AsyncIterator[tuple[Version, JsonObject]]:
    """Yields the documents that meet criteria, as the requester sees them."""
    query = await parse_criteria(context, request, DOCUMENT, criteria, count=_MOST)
    restriction = await open_gate(context, request, "create", query.clause)
    for version in (await writer.search(query, restriction)).versions:
        if version.content is not None:
            yield version, parse_json_object(version.content)


def _of(context: Context, resource: JsonObject) -> list[tuple[str, str]]:
    return [("subject", subject_of(context, resource))]


def subject_of(context: Context, resource: JsonObject) -> str:
    """Returns whose record a deposit is for: `Patient/23`, "" of any other reference."""
    subject = resource.get("subject") or resource.get("patient") or {}
    text = relative_to(context.base_url, str(subject.get("reference", "")))
    kind, _, name = text.partition("/")
    return text if kind == "Patient" and is_id(name) else ""
