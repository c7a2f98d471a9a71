"""$merge: two Patients turn out to be one person; $dmp-unmerge: they do not.

https://fhir-dmp.fr/OperationDefinition/dmp-merge, dmp-unmerge (profiles/dmp); the parameters are those of R5's
Patient/$merge. The links, the Consents and the Provenance are one transaction; what is in the record follows by a job.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from fhir_dmp.access.requester import Kind
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed, open_gate
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.operations.parameters import Inputs, missing, read_inputs
from fhir_dmp.operations.professional import read_reference
from fhir_dmp.operations.record_act import (
    answer_act,
    as_server,
    build_first,
    build_next,
    refuse_act,
    require_parted,
    run_act,
    traced_act,
)
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.record.consents import Act, build_provenance
from fhir_dmp.record.merging import (
    find_merging_faults,
    is_merged,
    merge_patients,
    part_patients,
    suspend,
)
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.query import AboutPatient, OfType, SearchQuery, all_of
from fhir_dmp.store.job_port import Job, JobKind
from fhir_dmp.store.port import Writer

MERGE = "https://fhir-dmp.fr/OperationDefinition/dmp-merge"
UNMERGE = "https://fhir-dmp.fr/OperationDefinition/dmp-unmerge"
MOST_CONSENTS = 1_000
_KNOWN = ("source-patient", "target-patient")
_FUND = frozenset({Kind.ADMINISTRATOR, Kind.SYSTEM})


@dataclass(frozen=True, slots=True)
class _Pair:
    """Both Patients as they are, and the versions of the Consents of both."""

    source: tuple[Version, JsonObject]
    target: tuple[Version, JsonObject]
    consents: list[tuple[Version, JsonObject]]

    def consents_of(self, patient: JsonObject) -> list[JsonObject]:
        """The Consents of one of them."""
        return [resource for version, resource in self.consents if version.patient == patient["id"]]


@traced_act
async def merge(context: Context, request: Request) -> Result:
    """Has the target take the source's place; raises FhirError, and then nothing is written."""

    async def work(writer: Writer, pair: _Pair) -> list[JsonObject] | None:
        (_, source), (_, target) = pair.source, pair.target
        if is_merged(source, target):
            return None
        faults = find_merging_faults(source, target)
        if faults:
            raise FhirError(Category.CONFLICT, *faults)
        await require_parted(writer, source["id"])
        its, others = pair.consents_of(source), pair.consents_of(target)
        at = source["id"], context.now(), context.reading
        suspended = [*suspend(its, others, *at), *suspend(others, its, *at)]
        await writer.schedule(_moving(context, source["id"], target["id"], is_back=False))
        return [*merge_patients(source, target), *suspended]

    return await _change_both(context, request, "merge", work)


@traced_act
async def unmerge(context: Context, request: Request) -> Result:
    """Makes two Patients of one again, each with what was his before; what came since stays with the target."""

    async def work(writer: Writer, pair: _Pair) -> list[JsonObject] | None:
        (_, source), (_, target) = pair.source, pair.target
        if not is_merged(source, target):
            return None
        await writer.schedule(_moving(context, source["id"], target["id"], is_back=True))
        return [*part_patients(source, target)]

    return await _change_both(context, request, "unmerge", work)


Work = Callable[[Writer, _Pair], Awaitable[list[JsonObject] | None]]
"""Returns the resources as they are to be; None where that is so already."""


async def _change_both(context: Context, request: Request, code: str, work: Work) -> Result:
    check_exposed(context, request, "operation")
    if request.requester.kind not in _FUND:
        raise refuse_act()
    source_id, target_id = _read_pair(context, read_inputs(context, request, _KNOWN))
    provenance_id = context.new_id()
    restriction = await open_gate(context, replace(as_server(request), resource_type=""), "search-system")

    async def run(writer: Writer) -> Result:
        await writer.guard(f"merge:{name}" for name in (source_id, target_id))
        pair = await _find_pair(writer, restriction, source_id, target_id)
        made = await work(writer, pair)
        if made is None:
            return await _answer(writer, code, pair)
        previous = {str(version.identity): version for version, _ in (pair.source, pair.target, *pair.consents)}
        changes = [build_next(context, row, previous[f"{row['resourceType']}/{row['id']}"]) for row in made]
        act = Act(code, request.requester, target_id, context.now(), context.base_url)
        targets = [f"Patient/{target_id}"]
        await writer.write([*changes, build_first(context, build_provenance(act, targets), provenance_id)])
        return await _answer(writer, code, pair)

    return await run_act(context, run)


def _read_pair(context: Context, inputs: Inputs) -> tuple[str, str]:
    names = []
    for parameter in _KNOWN:
        given = inputs.one(parameter)
        if given is None:
            raise missing(parameter)
        resource_type, _, name = read_reference(context, given).partition("/")
        if resource_type != "Patient" or not name or name in names:
            message = f"{parameter} has to be a reference to a Patient, and the two are not one."
            raise error(Category.INVALID_PARAMETER, "parameter-value", message, given.at)
        names.append(name)
    return names[0], names[1]


async def _find_pair(writer: Writer, restriction: Restriction, source_id: str, target_id: str) -> _Pair:
    wanted = [Identity("Patient", name) for name in (source_id, target_id)]
    found = await writer.read(wanted, restriction)
    for identity in wanted:
        if identity not in found:
            raise not_found(identity)
    clause = all_of([OfType(("Consent",)), AboutPatient((source_id, target_id))])
    page = await writer.search(SearchQuery(("Consent",), clause, count=MOST_CONSENTS), restriction)
    if page.next_keys is not None:
        raise error(Category.TOO_COSTLY, "identity-common", f"Both have more than {MOST_CONSENTS} Consents.")
    source, target = ((found[identity], parse_json_object(found[identity].content or b"{}")) for identity in wanted)
    return _Pair(source, target, [(row, parse_json_object(row.content or b"{}")) for row in page.versions])


def _moving(context: Context, source: str, target: str, *, is_back: bool) -> Job:
    origin, goal = (target, source) if is_back else (source, target)
    return Job(JobKind.MERGE, source, context.now(), {"from": origin, "to": goal, "back": is_back})


async def _answer(writer: Writer, code: str, pair: _Pair) -> Result:
    """Whether all has moved; asked again, the operation says so."""
    source, target = pair.source[0].identity, pair.target[0].identity
    is_moving = await writer.find_job(JobKind.MERGE, source.resource_id) is not None
    rows: list[JsonObject] = [
        {"name": "source-patient", "valueReference": {"reference": str(source)}},
        {"name": "patient", "valueReference": {"reference": str(target)}},
        {"name": "status", "valueCode": f"{code}-under-way" if is_moving else f"{code}d"},
    ]
    return answer_act(rows, [pair.source[0], pair.target[0]])
