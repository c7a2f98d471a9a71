"""The gate: every interaction starts here. It refuses what is not exposed and returns what the requester may see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from fhir_dmp.access.clauses import every, some
from fhir_dmp.access.closure import Closure
from fhir_dmp.access.decide import MAX_RECORDS, Deny, decide, decide_item
from fhir_dmp.access.inquiry import PUBLIC, SUBSCRIPTION, Inquiry
from fhir_dmp.access.professional import BREAK_GLASS, REGULATION
from fhir_dmp.access.reason import Reason, Rule
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.access.scopes import Scope, parse_scopes
from fhir_dmp.access.write import ADMINISTERED
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.decided import Question, is_lasting
from fhir_dmp.interactions.records import Records
from fhir_dmp.interactions.refusal import AccessRefused
from fhir_dmp.interactions.request import Parameters, Request, owner_of
from fhir_dmp.interactions.walk import walk
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.confines import asked_inside, identities_in, patients_in
from fhir_dmp.search.links import patient_id, relative_to
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import And, Clause, Handling, Has, LinkValue, OfType, SearchQuery, WithId
from fhir_dmp.store.port import RestrictionOf

_EVERYTHING = Restriction.none()
_CITING = 100
"""How many documents that cite a Binary are looked at, at a time."""
_READS = frozenset({"read", "vread", "history-instance"})
_EMERGENCIES = frozenset({BREAK_GLASS, REGULATION})
_OF_ONE_PATIENT = frozenset({Kind.PATIENT, Kind.REPRESENTATIVE, Kind.HELPER})


def check_exposed(context: Context, request: Request, interaction: str) -> None:
    """Raises FhirError (not found, not allowed) where this server does not expose an interaction at all.

    `interaction` is a code of http://hl7.org/fhir/restful-interaction.
    """
    resource_type = request.resource_type
    if resource_type and resource_type not in context.capability.types:
        known = (
            "a type of R4 that this server does not expose" if resource_type in context.registry.types else "unknown"
        )
        raise error(Category.NOT_FOUND, "type-unknown", f"The type {resource_type[:64]} is {known}.")
    if not context.capability.permits(resource_type, interaction):
        on = resource_type or "the whole system"
        raise error(
            Category.NOT_ALLOWED, "interaction-unsupported", f"The interaction {interaction} on {on} is not exposed."
        )


async def open_gate(
    context: Context,
    request: Request,
    interaction: str,
    clause: Clause | None = None,
    identities: Collection[Identity] = (),
) -> Restriction:
    """Returns the Restriction of this request; raises FhirError where the interaction is not exposed or allowed.

    What it is about, and so whose records decide, is told by `clause` where it asks for what matches, by `identities`
    where it asks for some resources, and else by the resource that its URL names.
    """
    check_exposed(context, request, interaction)
    if request.requester.kind is Kind.SYSTEM:
        return _EVERYTHING
    if clause and (kept := await _recall(context, request, interaction, clause, identities)):
        return kept
    inquiry = await inquire(context, request, interaction)
    if not identities and request.resource_id:
        identities = (request.identity,)
    if not identities and clause and patients_in(clause) is None:
        identities = identities_in(clause)
    is_of_binaries = any(identity.resource_type == "Binary" for identity in identities) and interaction in _READS
    # a token that reads nothing is refused below: here it would be so for a Binary that is cited, and tell it from none
    if is_of_binaries and not inquiry.lacks_scope():
        return await _open_binaries(context, request, interaction, identities)
    patients = await _patients(context, request, inquiry, clause, identities)
    states = await read_states(context, request, patients)
    if len(states) > 1 and identities and not inquiry.requester.purposes.isdisjoint(_EMERGENCIES):
        states = await _with_something_to_see(context, inquiry, states, identities)
    matrix = context.matrix
    decision = decide(replace(inquiry, records=max(1, len(states))), states, matrix)
    if isinstance(decision, Deny):
        raise _refusal(decision) from AccessRefused(decision.reason, lacks_scope=decision.reason.rule is Rule.SCOPE)
    if _is_administration(request, interaction):
        return Restriction(every([OfType((request.resource_type,)), inquiry.scope]))
    types = {identity.resource_type for identity in identities} or {request.resource_type}
    restriction = decision.restriction if "" in types else decision.restriction.among(types)
    if identities:
        return await _with_groups(context, request, inquiry, identities, restriction)
    decisions = context.cache.decisions
    question = decisions.question(request.requester, interaction, request.resource_type, inquiry.closure, matrix)
    decisions.keep(question, states, inquiry.now, restriction)
    return restriction


async def _recall(
    context: Context, request: Request, interaction: str, clause: Clause, identities: Collection[Identity]
) -> Restriction | None:
    """The decision about a search, where it is kept."""
    if identities or request.resource_id or asked_inside(clause) or not _may_recall(context, request):
        return None
    closure, cache = await _closure(context, request), context.cache
    patients: Collection[str] | None = patients_in(clause)
    if patients is None and not identities_in(clause):
        patients = cache.open_to(closure)
    found = [cache.current_state(patient) for patient in sorted(patients or ())]
    states = [state for state in found if state]
    if not states or len(states) < len(found) or not cache.is_told():
        return None
    asked = request.requester, interaction, request.resource_type
    return cache.decisions.recall(cache.decisions.question(*asked, closure, context.matrix), states, context.now())


def _may_recall(context: Context, request: Request) -> bool:
    """Tells whether decisions are kept for a request at all. Inside a transaction nothing is."""
    is_elsewhere = request.resource_type in {"Binary", "Group"} or request.resource_type in PUBLIC.resource_types
    return is_lasting(request.requester) and not is_elsewhere and context.reader is context.store


async def open_each(context: Context, request: Request, interaction: str) -> RestrictionOf | None:
    """Returns the Restriction of what a request asks for by its id, as soon as it is known whose record that is in.

    None where that takes more than what is kept: then `open_gate` has to be asked. It opens exactly what that would.
    """
    check_exposed(context, request, interaction)
    if not _may_recall(context, request):
        return None
    cache, now = context.cache, context.now()
    decisions, closure = cache.decisions, await _closure(context, request)
    if not cache.is_told():
        return None
    changes = cache.changes
    question = decisions.question(request.requester, interaction, request.resource_type, closure, context.matrix)

    def restriction_of(patient: str) -> Restriction | None:
        state = cache.current_state(patient) if patient else None
        # what was read may be older than a change that was told meanwhile: then it is read again
        if changes != cache.changes or (patient and state is None):
            return None
        states = (state,) if state else ()
        return decisions.recall(question, states, now) or _decide(context, question, states, now)

    return restriction_of


def _decide(
    context: Context, question: Question, states: Sequence[RecordState], now: Milliseconds
) -> Restriction | None:
    requester = question.requester
    inquiry = Inquiry(requester, question.closure, _scopes(context, requester), question.interaction, now)
    decision = decide(inquiry, states, question.matrix)
    if isinstance(decision, Deny):
        return None
    restriction = decision.restriction.among((question.resource_type,))
    context.cache.decisions.keep(question, states, now, restriction)
    return restriction


def _is_administration(request: Request, interaction: str) -> bool:
    """An administrator reads no Patient, but what he writes over, or deletes, has to be found."""
    is_his = request.requester.kind is Kind.ADMINISTRATOR and request.resource_type in ADMINISTERED
    return is_his and interaction in {"update", "delete"}


async def _with_something_to_see(
    context: Context, inquiry: Inquiry, states: list[RecordState], identities: Collection[Identity]
) -> list[RecordState]:
    """The records that count where an emergency opens one only: those that hold nothing for him do not exist."""
    alone = decide(replace(inquiry, records=1), states, context.matrix)
    if isinstance(alone, Deny):
        return states
    found = await context.reader.read_latest(identities, alone.restriction)
    patients = {version.patient for version in found.values()}
    return [state for state in states if state.patient_id in patients]


async def _open_binaries(
    context: Context, request: Request, interaction: str, identities: Collection[Identity]
) -> Restriction:
    """A Binary is in nobody's record of itself: it is shown where the documents that cite it are, every one.

    Were one enough, whoever wrote a document that cites another's Binary would open it to himself. So does a document
    of somebody else count for nothing, and until one counts the Binary is its maker's alone.
    """
    shown = []
    own = owner_of(request, Identity("Binary", ""))
    found = await context.reader.read_latest(identities, _EVERYTHING)
    for identity, binary in found.items():
        documents = [row.identity for row in await _documents_of(context, identity, binary.owner)]
        if documents:
            part = replace(request, resource_type="DocumentReference", resource_id="")
            restriction = await open_gate(context, part, interaction, identities=documents)
            is_shown = len(await context.reader.read(documents, restriction)) == len(documents)
        else:
            is_shown = binary.owner == own
        if is_shown:
            shown.append(identity.resource_id)
    return Restriction(WithId("Binary", tuple(shown)))


async def _documents_of(context: Context, binary: Identity, owner: str) -> list[Version]:
    """The documents that cite a Binary and are of its maker: all, or others' that cite it too would crowd them out."""
    pages = walk(context.reader, build_citing(context, binary), _EVERYTHING)
    return [version async for page in pages for version in page.versions if version.owner == owner]


def build_citing(context: Context, binary: Identity) -> SearchQuery:
    """Builds the search for the documents that cite a Binary, whosever they are, some at a time."""
    texts = (str(binary), f"{context.base_url}/{binary}")
    citing = Has("DocumentReference", "location", (LinkValue(texts),))
    return SearchQuery(("DocumentReference",), And((OfType(("DocumentReference",)), citing)), count=_CITING)


async def _with_groups(
    context: Context, request: Request, inquiry: Inquiry, identities: Collection[Identity], restriction: Restriction
) -> Restriction:
    """A Group tells of each patient that he is in it: a professional sees it where the record of every one is open."""
    groups = [identity for identity in identities if identity.resource_type == "Group"]
    if not groups or inquiry.interaction not in _READS or request.requester.kind is not Kind.PRACTITIONER:
        return restriction
    found = await context.reader.read_latest(groups, _EVERYTHING)
    shown = [row.identity.resource_id for row in found.values() if await _is_open_group(context, request, inquiry, row)]
    own = every([WithId("Group", tuple(shown)), inquiry.scope])
    return Restriction(some([restriction.clause, own])) if shown else restriction


async def _is_open_group(context: Context, request: Request, inquiry: Inquiry, version: Version) -> bool:
    members = members_of(context, parse_json_object(version.content or b"{}"))
    if not members or len(members) > MAX_RECORDS:
        return False
    states = await read_states(context, request, members)
    decision = decide(replace(inquiry, records=len(members)), states, context.matrix)
    return not isinstance(decision, Deny) and set(decision.open_records) == set(members)


def members_of(context: Context, group: JsonObject) -> tuple[str, ...]:
    """Returns the ids of the patients who are in a Group, whether still or not."""
    entities = [row.get("entity") or {} for row in group.get("member", ())]
    links = [relative_to(context.base_url, str(row.get("reference", ""))) for row in entities]
    return tuple(dict.fromkeys(found for link in links if (found := patient_id(link.partition("/_history/")[0]))))


async def inquire(context: Context, request: Request, interaction: str) -> Inquiry:
    """Returns who asks for what, when; raises FhirError (forbidden) for a scope that cannot be enforced."""
    closure, requester = await _closure(context, request), request.requester
    return Inquiry(requester, closure, _scopes(context, requester), interaction, context.now())


async def _closure(context: Context, request: Request) -> Closure:
    memory = request.memory
    if memory.closure is None:
        kept = context.cache.closure(request.requester, context.now()) if context.reader is context.store else None
        is_young = kept is not None and not kept[1]
        memory.closure = kept[0] if kept and is_young else await _records(context).closure(request.requester)
    return memory.closure


def _scopes(context: Context, requester: Requester) -> tuple[Scope, ...]:
    return parse_scopes(requester.scopes, partial(_parse_scope, context))


async def read_states(context: Context, request: Request, patients: Collection[str]) -> list[RecordState]:
    """Returns the states of the records of some patients; one that is not here has none."""
    known = request.memory.states
    unknown = [patient for patient in patients if patient not in known]
    if unknown:
        found = await _records(context).states(unknown)
        known.update({patient: found.get(patient) for patient in unknown})
    return [state for patient in patients if (state := known[patient])]


async def with_attending_known(context: Context, state: RecordState) -> RecordState:
    """Returns the state of a record, its médecin traitant named by all that he is known by."""
    return replace(state, attending=await find_known_as(context, state.attending))


async def find_known_as(context: Context, persons: frozenset[str]) -> frozenset[str]:
    """Returns all texts that some professionals are known by, who are named by some of them; a structure's are kept."""
    return await _records(context).known_as(persons)


async def _patients(
    context: Context, request: Request, inquiry: Inquiry, clause: Clause | None, identities: Collection[Identity]
) -> Collection[str]:
    """The patients that a request may be about. One that names none is about all that are open to a professional."""
    requester = inquiry.requester
    if request.resource_type in PUBLIC.resource_types or request.resource_type == SUBSCRIPTION:
        return ()
    if requester.kind in _OF_ONE_PATIENT:
        return (requester.patient_id,)
    if requester.kind is not Kind.PRACTITIONER:
        return ()
    if identities:
        return await _patients_of(context, identities)
    if inquiry.interaction == "create" and clause is None:
        return ()
    named: Collection[str] | None = patients_in(clause) if clause else None
    if named is None:
        named = await _patients_of_any(context, inquiry, clause)
    if len(named) > MAX_RECORDS:
        raise _too_many()
    return sorted(named)


async def _patients_of_any(context: Context, inquiry: Inquiry, clause: Clause | None) -> Collection[str]:
    """The patients who are open to a professional, and whom a search of what is contained names.

    In an emergency those alone who are named: it opens one record.
    """
    inside = asked_inside(clause) if clause else None
    named: Collection[str] = ()
    if inside:
        named = patients_in(inside) or await _patients_of(context, identities_in(inside))
    if named and not inquiry.requester.purposes.isdisjoint(_EMERGENCIES):
        return named
    return {*named, *await _records(context).open_to(inquiry.closure)}


async def _patients_of(context: Context, identities: Collection[Identity]) -> Collection[str]:
    patients = {identity.resource_id for identity in identities if identity.resource_type == "Patient"}
    others = [identity for identity in identities if identity.resource_type != "Patient"]
    found = await context.reader.read_latest(others, _EVERYTHING) if others else {}
    return sorted(patients | {version.patient for version in found.values() if version.patient})


def records_behind(context: Context, request: Request, restriction: Restriction) -> Records:
    """Returns what decides access, for explaining it: as far as the requester sees it himself.

    An administrator sees no record: he is told decisions, which all of it goes into, and none of it.
    """
    is_all = request.requester.kind is Kind.ADMINISTRATOR
    return replace(_records(context), unrestricted=_EVERYTHING if is_all else restriction)


async def judge_refused(context: Context, request: Request, interaction: str) -> tuple[Version | None, Reason]:
    """Returns why a resource was refused, and it, for the trace alone: the requester learns neither.

    Does the same work for what is absent.
    """
    identity = request.identity
    version = (await context.reader.read_latest((identity,), _EVERYTHING)).get(identity)
    inquiry = await inquire(context, request, interaction)
    states = await read_states(context, request, [version.patient] if version and version.patient else [])
    if version is None or version.content is None or not states:
        return version, Reason(Rule.OTHER_RECORD)
    facts = context.indexer.facts(parse_json_object(version.content))
    return version, decide_item(inquiry, states[0], context.matrix, facts).reason


async def find_shown_with(context: Context, version: Version) -> Sequence[Version]:
    """Returns what says whose a version is, and from whom it is hidden, for the trace alone.

    Of a Binary the documents that it is shown with, of a deletion what was deleted, else the version itself.
    """
    if version.identity.resource_type == "Binary":
        return await _documents_of(context, version.identity, version.owner)
    if version.content is None:
        deleted = await context.reader.read_version(version.identity, version.version_id - 1, _EVERYTHING)
        return [deleted] if deleted else []
    return [version]


def _records(context: Context) -> Records:
    # inside a transaction everything is read as the transaction sees it
    cache = context.cache if context.reader is context.store else None
    return Records(context.reader, cache, _EVERYTHING, context.reading, context.now(), context.indexer.facts)


def _parse_scope(context: Context, resource_type: str, parameters: Parameters) -> Clause:
    if resource_type not in context.registry.types:
        raise error(Category.NOT_FOUND, "type-unknown", f"The type {resource_type[:64]} is unknown.")
    query = parse_search(
        resource_type,
        parameters,
        space=context.space.shipped,
        handling=Handling.STRICT,
        now=context.now(),
        terms=context.rules().terminology,
    )
    return query.clause


def _refusal(decision: Deny) -> FhirError:
    """What a requester is told who may see nothing at all: it depends on nothing that is stored."""
    if decision.reason.rule is Rule.TOO_MANY_RECORDS:
        return _too_many()
    message = "The token does not allow this."
    return error(Category.FORBIDDEN, "not-allowed", message)


def _too_many() -> FhirError:
    message = f"The search ranges over more than {MAX_RECORDS:,} records: name the patients that it is about."
    return error(Category.TOO_COSTLY, "records-too-many", message)
