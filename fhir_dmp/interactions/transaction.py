"""transaction: all or nothing, https://hl7.org/fhir/R4/http.html#transaction.

A Bundle is prepared once (parsed, checked, its pointers found); its work on the store may run several times, when
other transactions get in its way, and so starts each time from what was prepared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from fhir_dmp.access.reimbursement import BENEFIT, DOCUMENT
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.bundle import build_response
from fhir_dmp.conformance.bundle import BundleIndex
from fhir_dmp.interactions.answer import Answer
from fhir_dmp.interactions.attachments import Together, check_attachments, require_brought, require_uncited
from fhir_dmp.interactions.authorisation import authorise
from fhir_dmp.interactions.binary import hold_content
from fhir_dmp.interactions.conditional import (
    guard_key,
    match_one,
    parse_criteria,
    require_no_parameters,
    split_criteria,
)
from fhir_dmp.interactions.consequences import find_consequences
from fhir_dmp.interactions.content import check_resource
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.depositing import (
    deposit_key,
    find_deposited,
    find_made_obsolete,
    is_deposit,
    refuse_twice,
    subject_of,
)
from fhir_dmp.interactions.entry import (
    ORDER,
    Entry,
    build_entry_response,
    index_of,
    parse_entry,
    rows_of,
    within_entry,
)
from fhir_dmp.interactions.gate import check_exposed, open_gate
from fhir_dmp.interactions.patch import parse_patch
from fhir_dmp.interactions.redepositing import require_same_submissions, reuse_contents
from fhir_dmp.interactions.refusal import telling_of
from fhir_dmp.interactions.request import Request, Result, Status, require_id
from fhir_dmp.interactions.resolution import name_subject, resolve_references
from fhir_dmp.interactions.trace import is_traced, record, record_refused_entry
from fhir_dmp.interactions.update import check_body_id
from fhir_dmp.interactions.validity import require_valid
from fhir_dmp.interactions.writing import Written, apply_patch, build_change, build_result
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.record.depositing import name_of
from fhir_dmp.record.reimbursement import names_of
from fhir_dmp.record.submission import LIST, find_submission_faults, names_of_submission
from fhir_dmp.reference import Slot, find_slots, may_be_conditional
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.query import SearchQuery
from fhir_dmp.store.port import Change, Writer

_WRITES = {
    ("POST", "[type]"): "create",
    ("PUT", "[type]/[id]"): "update",
    ("PUT", "[type]"): "update",
    ("PATCH", "[type]/[id]"): "patch",
    ("PATCH", "[type]"): "patch",
    ("DELETE", "[type]/[id]"): "delete",
    ("DELETE", "[type]"): "delete",
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A writing entry before it meets the store: its criteria, the pointers in its resource, and the id it would get.

    That is "" where its URL says which one it is about.
    """

    entry: Entry
    restriction: Restriction
    criteria: SearchQuery | None
    new_id: str
    slots: Sequence[Slot]
    deposit: JsonObject | None = None
    """The document, reimbursement or submission set that it deposits, its subject found; None where there is none."""

    @property
    def resource_type(self) -> str:
        """The type that the entry's URL names."""
        return self.entry.request.resource_type


@dataclass(frozen=True, slots=True)
class Done:
    """An entry, the interaction that it was, and what came of it."""

    entry: Entry
    interaction: str
    result: Result


async def transaction(context: Context, request: Request, bundle: JsonObject) -> Result:
    """Runs a transaction Bundle; raises the FhirError of the first entry that fails, and then nothing is written."""
    check_exposed(context, request, "transaction")
    entries = sorted(parse_entries(context, request, bundle), key=_rank)
    try:
        return await _run(context, request, bundle, entries)
    except FhirError as fault:
        await _record_refusal(context, entries, fault)
        raise


async def _record_refusal(context: Context, entries: Sequence[Entry], fault: FhirError) -> None:
    """Nothing was written, but somebody tried."""
    entry = next((entry for entry in entries if entry.index == index_of(fault)), None)
    interaction = _find_interaction(context, entry) if entry else ""
    if entry and interaction:
        await record_refused_entry(context, interaction, entry.request, fault)


def _find_interaction(context: Context, entry: Entry) -> str:
    """Returns the interaction of an entry, "" of one that is none."""
    if is_writing(entry):
        return interaction_of(entry)
    rows = context.routes.at(entry.shape, entry.request.resource_type)
    return next((row.interaction for row in rows if row.method == "GET"), "")


async def _run(context: Context, request: Request, bundle: JsonObject, entries: Sequence[Entry]) -> Result:
    if not entries:
        _require_one_set(bundle, ())
    done = await perform(context, bundle, entries) if entries else []
    if is_traced(request):
        await record(context, [(row.interaction, row.entry.request, row.result) for row in done])
    answers = [build_entry_response(row.entry, row.result, context.base_url) for row in done]
    return Result(Status.OK, body=build_response("transaction-response", answers))


async def perform(
    context: Context,
    bundle: JsonObject,
    entries: Sequence[Entry],
    also: Callable[[Writer], Awaitable[None]] | None = None,
) -> list[Done]:
    """Does what a Bundle's entries ask, which come in the order of their methods; returns them as they stand there.

    `also` is done in the same transaction. Raises the FhirError of the first that fails, and then nothing is written.
    Nothing is traced.
    """
    are_named = any(entry.full_url for entry in entries)
    changing = [entry for entry in entries if is_writing(entry)]
    writes = [await _prepare(context, entry, are_named=are_named) for entry in changing]
    reads = [entry for entry in entries if not is_writing(entry)]
    for entry in reads:
        _check_read(context, entry)
    await _require_valid(context, bundle, writes)

    async def work(writer: Writer) -> list[Done]:
        done = await _write(context, writer, writes)
        if also:
            await also(writer)
        inside, answer = replace(context, reader=writer), Answer()
        for entry in reads:
            with within_entry(entry.index):
                route = context.routes.find(entry.method, entry.shape, entry.request.resource_type)
                done.append(Done(entry, route.interaction, await route.run(inside, answer.admit(entry))))
                answer.add(entry, done[-1].result)
        return sorted(done, key=lambda row: row.entry.index)

    return await context.store.transact(work)


def parse_entries(context: Context, request: Request, bundle: JsonObject) -> Iterator[Entry]:
    """Yields a Bundle's entries; raises FhirError for the first that asks for nothing that exists."""
    for index, row in enumerate(rows_of(bundle)):
        with within_entry(index):
            yield parse_entry(context, request, index, row)


def _rank(entry: Entry) -> tuple[int, int]:
    return ORDER.index(entry.method), entry.index


def _check_read(context: Context, entry: Entry) -> None:
    if entry.method not in {"GET", "HEAD"}:
        message = f"{entry.method} {entry.shape or 'of the base'} is no interaction of a transaction's entry."
        raise error(Category.MALFORMED, "entry-interaction", message, f"{entry.at}.request")
    with within_entry(entry.index):
        context.routes.find(entry.method, entry.shape, entry.request.resource_type)


async def _prepare(context: Context, entry: Entry, *, are_named: bool) -> Prepared:
    """If no entries `are_named` by fullUrls, pointers may lead to criteria only."""
    request = entry.request
    with within_entry(entry.index):
        check_exposed(context, request, interaction_of(entry))
        if entry.method == "POST" or entry.shape == "[type]/[id]":
            require_no_parameters(request)
        criteria = await _parse_entry_criteria(context, entry)
        clause = criteria.clause if criteria else None
        restriction = await open_gate(context, request, interaction_of(entry), clause)
        if entry.shape == "[type]/[id]" and entry.method == "PUT":
            require_id(request)
        if entry.method == "PATCH":
            parse_patch(context, request)
        elif request.resource is not None:
            held = await hold_content(context, request)
            if held is not request:
                request, entry = held, replace(entry, request=held)
    slots: Sequence[Slot] = ()
    if request.resource is not None and entry.method != "PATCH":
        check_resource(context, request.resource, request.resource_type, f"{entry.at}.resource")
        if are_named or may_be_conditional(request.resource):
            slots = find_slots(request.resource, context.registry)
        if entry.shape == "[type]/[id]":
            with within_entry(entry.index):
                check_body_id(request.resource, request.resource_id)
    new_id = context.new_id() if entry.shape == "[type]" else ""
    return Prepared(entry, restriction, criteria, new_id, slots)


async def _require_valid(context: Context, bundle: JsonObject, writes: Sequence[Prepared]) -> None:
    """Validates what the entries bring, before the transaction begins: it may run more than once."""
    _require_one_set(bundle, writes)
    index = BundleIndex(bundle)
    for row in writes:
        entry, resource = row.entry, row.entry.request.resource
        if resource is not None:
            nearby = partial(index.find, full_url=entry.full_url)
            await require_valid(context, entry.request, resource, nearby=nearby, at=f"{entry.at}.resource")


def _require_one_set(bundle: JsonObject, writes: Sequence[Prepared]) -> None:
    """Raises FhirError (unprocessable) where what claims to be a submission (ITI-65) has no set, or several."""
    brought = [(row.entry.at, row.entry.request.resource) for row in writes]
    if faults := find_submission_faults(bundle, ((at, resource) for at, resource in brought if resource)):
        raise FhirError(Category.UNPROCESSABLE, *faults)


async def _parse_entry_criteria(context: Context, entry: Entry) -> SearchQuery | None:
    request = entry.request
    if entry.method == "POST":
        text = request.preconditions.if_none_exist
        return await parse_criteria(context, request, request.resource_type, split_criteria(text)) if text else None
    if entry.shape == "[type]":
        return await parse_criteria(context, request, request.resource_type, request.parameters)
    return None


async def _write(context: Context, writer: Writer, writes: Sequence[Prepared]) -> list[Done]:
    """Writes every entry in bulk and returns what became of each."""
    inside = replace(context, reader=writer)
    writes = [await _find_deposit(inside, row) for row in writes]
    deposits = {key for row in writes if row.deposit and (key := deposit_key(context, row.entry.request, row.deposit))}
    await writer.guard([*deposits, *(guard_key(row.resource_type, row.criteria) for row in writes if row.criteria)])
    located = [await _locate(inside, row, writer) for row in writes]
    await reuse_contents(inside, located)
    _refuse_duplicates(context, writes, located)
    await _read_previous(writer, located)
    for row in located:
        with within_entry(row.entry.index):
            apply_patch(context, row)
            await _require_patched_valid(inside, row)
    await resolve_references(context, writer, located)
    require_same_submissions(context, located)
    for row in located:
        with within_entry(row.entry.index):
            row.change = build_change(context, row)
            if row.change:
                await authorise(inside, row.entry.request, interaction_of(row.entry), [row.change])
    together = Together(inside, [row.change for row in located if row.change])
    await _check_attachments(inside, located, together)
    superseded = await _find_consequences(inside, writer, located, together)
    await writer.write([*(row.change for row in located if row.change), *superseded])
    return [Done(row.entry, interaction_of(row.entry), await build_result(inside, row)) for row in located]


async def _require_patched_valid(context: Context, row: Written) -> None:
    if row.entry.method != "PATCH" or row.resource is None:
        return
    with telling_of(row.previous):
        await require_valid(context, row.entry.request, row.resource)


async def _find_deposit(context: Context, row: Prepared) -> Prepared:
    request = row.entry.request
    if row.entry.method != "POST" or request.resource is None or not is_deposit(request.resource):
        return row
    with within_entry(row.entry.index):
        return replace(row, deposit=await name_subject(context, request, request.resource))


async def _find_consequences(
    context: Context, writer: Writer, located: Sequence[Written], together: Together
) -> list[Change]:
    """What becomes obsolete, or due: a document is replaced once, and not written besides."""
    superseded: list[Change] = []
    done, written = find_made_obsolete(row.change for row in located if row.change), together.written
    taken = set(written)
    for row in located:
        if row.change:
            with within_entry(row.entry.index):
                changes = [row.change]
                further = await find_consequences(context, writer, row.entry.request, changes, done, written)
                refuse_twice(further, taken)
            taken |= {change.version.identity for change in further}
            superseded += further
    return superseded


async def _check_attachments(context: Context, located: Sequence[Written], together: Together) -> None:
    """A document and its content come together: each entry's attachments may cite what others bring."""
    for row in located:
        if row.change:
            entry = row.entry
            await check_attachments(context, entry.request, [row.change], together, f"{entry.at}.resource")
            with within_entry(entry.index):
                await require_uncited(context, entry.request, [row.change], together)
                require_brought(row.change)


def is_writing(entry: Entry) -> bool:
    """Tells whether an entry asks for a write; what else it may ask for is a read, or nothing that there is."""
    return (entry.method, entry.shape) in _WRITES


def interaction_of(entry: Entry) -> str:
    """Returns the interaction that a writing entry stands for."""
    return _WRITES[entry.method, entry.shape]


async def _locate(context: Context, row: Prepared, writer: Writer) -> Written:
    """Finds which resource an entry is about: the one its URL names, its criteria match, or a new one."""
    request = row.entry.request
    match: Version | None = None
    if row.criteria:
        with within_entry(row.entry.index):
            match = await match_one(writer, row.criteria, row.restriction)
    if match is None and row.deposit:
        with within_entry(row.entry.index):
            match = await find_deposited(context, writer, request, row.deposit)
    identity: Identity | None = request.identity
    if match:
        identity = match.identity
    elif row.entry.shape == "[type]":
        body_id = request.resource.get("id") if request.resource and row.entry.method == "PUT" else None
        identity = Identity(request.resource_type, body_id or row.new_id) if request.resource else None
    return Written(row.entry, row.restriction, request.resource, row.slots, identity, match)


def _refuse_duplicates(context: Context, writes: Sequence[Prepared], located: Sequence[Written]) -> None:
    """Two entries about one resource have no defined order: https://hl7.org/fhir/R4/http.html#trules.

    Nor have two that would each create it, by the same criteria, or one that finds it while another deletes it.
    """
    times = Counter(key for pair in zip(writes, located, strict=True) for key in _keys(context, *pair))
    deleted = {row.identity for row in located if row.entry.method == "DELETE"}
    for prepared, row in zip(writes, located, strict=True):
        is_lost = row.is_existing_match and row.identity in deleted
        if is_lost or any(times[key] > 1 for key in _keys(context, prepared, row)):
            message = f"{row.identity or row.entry.request.resource_type} is the target of several entries."
            raise error(Category.MALFORMED, "transaction-duplicate", message, row.entry.at)


def _keys(context: Context, prepared: Prepared, row: Written) -> list[str]:
    """What an entry has for itself alone: its fullUrl, the resource it writes, the criteria by which it creates one."""
    keys = [f"fullUrl {row.entry.full_url}"] if row.entry.full_url else []
    if row.identity and not row.is_existing_match:
        keys.append(str(row.identity))
    if prepared.criteria and row.identity and not row.match:
        keys.append(guard_key(prepared.resource_type, prepared.criteria))
    if row.entry.method == "POST" and not row.match and row.resource:
        keys += _names(context, prepared.resource_type, prepared.deposit or row.resource)
    return keys


def _names(context: Context, resource_type: str, resource: JsonObject) -> list[str]:
    """What names a deposit in its record, however that is referred to."""
    named = {BENEFIT: names_of, LIST: names_of_submission, DOCUMENT: _names_of_document}.get(resource_type)
    whose = subject_of(context, resource) or resource.get("subject") or resource.get("patient")
    return [f"{resource_type} {name} of {whose}" for name in named(resource)] if named else []


def _names_of_document(document: JsonObject) -> list[str]:
    return [name for name in (name_of(document),) if name]


async def _read_previous(writer: Writer, located: Sequence[Written]) -> None:
    wanted = [row for row in located if row.identity and not row.match and row.entry.method != "POST"]
    for restriction in {row.restriction for row in wanted}:
        rows = [row for row in wanted if row.restriction == restriction]
        found = await writer.read_latest([row.identity for row in rows if row.identity], restriction)
        for row in rows:
            row.previous = found.get(row.identity) if row.identity else None
    for row in located:
        row.previous = row.match or row.previous
