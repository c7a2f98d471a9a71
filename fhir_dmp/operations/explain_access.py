"""$dmp-explain-access: what a professional could read of a record and why, and what a draft Consent would change.

https://fhir-dmp.fr/OperationDefinition/dmp-explain-access (profiles/dmp), https://hl7.org/fhir/R4/operations.html. It
is the decision itself put in words (access/explain), out of what who asks sees himself: what is hidden from him, an
item or a Consent, is as if it were not there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from fhir_dmp.access.change import Change, Item
from fhir_dmp.access.clauses import NOTHING
from fhir_dmp.access.explain import Explanation, differs, explain, without_scope
from fhir_dmp.access.inquiry import PUBLIC
from fhir_dmp.access.path import Verdict
from fhir_dmp.access.reason import Reason, Rule
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.requester import Kind
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.access.write import decide_write
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import (
    check_exposed,
    inquire,
    open_gate,
    read_states,
    records_behind,
    with_attending_known,
)
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.records import Records
from fhir_dmp.interactions.refusal import AccessRefused
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.access_question import UNSAVED, Question, Told, read_question
from fhir_dmp.operations.explanation_text import (
    Wording,
    write_change,
    write_item,
    write_professional,
    write_saving,
    write_told,
)
from fhir_dmp.operations.parameters import answer_parameters
from fhir_dmp.operations.record_items import RecordItem
from fhir_dmp.operations.stored import read_stored
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.match import matches
from fhir_dmp.search.query import AboutPatient

DEFINITION = "https://fhir-dmp.fr/OperationDefinition/dmp-explain-access"
MOST_CHANGES = 100
"""How many items that a draft changes are named."""
_CALLERS = frozenset({Kind.PATIENT, Kind.REPRESENTATIVE, Kind.ADMINISTRATOR, Kind.SYSTEM})


@dataclass(frozen=True, slots=True)
class Supposed:
    """What is explained with the draft in force, each item that changes by it, and whether it may be saved."""

    told: Told
    changes: tuple[tuple[RecordItem, Explanation, Explanation], ...]
    saving: Explanation


async def explain_access(context: Context, request: Request) -> Result:
    """Explains what a professional could read; not found for whoever else asks than the patient and those for him."""
    check_exposed(context, request, "operation")
    restriction = await _admit(context, request)
    question = await read_question(context, request, restriction)
    records = records_behind(context, request, restriction)
    state = await _state(request, records)
    now = question.answer(state, context.matrix)
    supposed = await _suppose(context, request, question, now, records, state) if question.draft else None
    deciding = now.consents | (supposed.told.consents if supposed else frozenset())
    consents = await _read_consents(context, restriction, deciding - {UNSAVED})
    wording = Wording(frozenset(consents))
    matrix = {"name": "matrix", "valueString": context.matrix.version}
    rows = [
        *_write_now(wording, question, now),
        matrix,
        *(_write_draft(wording, question, supposed) if supposed else ()),
    ]
    shown = [item for _, item in question.named if item]
    shown += [item for item, _, _ in supposed.changes[:MOST_CHANGES]] if supposed else []
    return replace(answer_parameters(rows), versions=(*_disclosed(shown), *consents.values()))


async def _admit(context: Context, request: Request) -> Restriction:
    """Returns what who asks may see; raises FhirError (not found) as for a record that is not here."""
    kind = request.requester.kind
    if kind not in _CALLERS:
        raise not_found(request.identity)
    whole = replace(request, resource_type="", resource_id="")
    restriction = await open_gate(context, whole, "search-system", AboutPatient((request.resource_id,)))
    if kind is not Kind.ADMINISTRATOR:
        await read_stored(context, request)
    elif not await read_states(context, request, [request.resource_id]):
        raise not_found(request.identity)
    # decided without the Consents that a token leaves out, an answer would be wrong
    if kind is not Kind.ADMINISTRATOR and restriction.among({"Consent"}).clause == NOTHING:
        lacks_scope = (await inquire(context, whole, "search-system")).lacks_scope("Consent")
        cause = AccessRefused(Reason(Rule.SCOPE), lacks_scope=True) if lacks_scope else None
        raise error(Category.FORBIDDEN, "not-allowed", "The token does not allow this.") from cause
    return restriction


async def _state(request: Request, records: Records, draft: JsonObject | None = None) -> RecordState:
    state = await records.supposed(request.resource_id, draft)
    if state is None:
        raise not_found(request.identity)
    return state


async def _suppose(
    context: Context, request: Request, question: Question, now: Told, records: Records, state: RecordState
) -> Supposed:
    told = question.answer(await _state(request, records, question.draft), context.matrix)
    pairs = zip(question.items, now.items, told.items, strict=True)
    changes = tuple((item, *pair) for item, one, other in pairs for pair in differs([one], [other]))
    verdict = await _judge_saving(context, request, state, question.draft or {})
    return Supposed(told, changes, explain(verdict, question.language))


async def _judge_saving(context: Context, request: Request, state: RecordState, draft: JsonObject) -> Verdict:
    """Whether who asks may save the Consent; it is given in the patient's name, where it does not say in whose."""
    complete = {"performer": [{"reference": str(request.identity)}], **draft}
    change = Change(Item(complete, context.indexer.facts(complete)), None)
    inquiry = await inquire(context, request, "create")
    # the server itself has no token either
    asked = without_scope(inquiry) if request.requester.kind is Kind.SYSTEM else inquiry
    known = await with_attending_known(context, state)
    return decide_write(asked, known, context.matrix, change, context.reading)


async def _read_consents(context: Context, restriction: Restriction, names: Collection[str]) -> dict[str, Version]:
    """Those of some Consents that who asks sees himself, by id."""
    identities = [Identity("Consent", name) for name in sorted(names)]
    found = await context.reader.read(identities, restriction) if identities else {}
    return {identity.resource_id: found[identity] for identity in identities if identity in found}


def _write_now(wording: Wording, question: Question, told: Told) -> Iterator[JsonObject]:
    yield write_professional(question.inquiry.requester, question.mode)
    yield from write_told(wording, told.record, question.items, told.items)
    yield {"name": "complete", "valueBoolean": question.is_complete}
    yield from _write_named(wording, question, told)


def _write_named(wording: Wording, question: Question, told: Told) -> Iterator[JsonObject]:
    for (name, _), explanation in zip(question.named, told.named, strict=True):
        yield write_item(wording, name, explanation)


def _write_draft(wording: Wording, question: Question, supposed: Supposed) -> Iterator[JsonObject]:
    drafted = replace(wording, draft=(question.draft or {})["id"])
    told = write_told(drafted, supposed.told.record, question.items, supposed.told.items)
    opened = sum(after.permitted for _, _, after in supposed.changes)
    yield write_saving(wording, supposed.saving)
    yield {"name": "draft", "part": [*told, *_write_named(drafted, question, supposed.told)]}
    yield {"name": "opened", "valueUnsignedInt": opened}
    yield {"name": "closed", "valueUnsignedInt": len(supposed.changes) - opened}
    for item, before, after in supposed.changes[:MOST_CHANGES]:
        yield write_change(drafted, str(item.version.identity), before, after)


def _disclosed(items: Iterable[RecordItem]) -> Collection[Version]:
    """The versions of items that are in somebody's record, each once."""
    return {item.version.identity: item.version for item in items if not matches(PUBLIC, item.facts)}.values()
