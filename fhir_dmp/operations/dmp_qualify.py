"""$dmp-qualify: a provisional identity becomes a qualified one, with its matricule INS.

https://fhir-dmp.fr/OperationDefinition/dmp-qualify (profiles/dmp). The fund does it. The matricule must not be another
Patient's: then the two are for $merge. Done once more, nothing changes.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_dmp.access.requester import Kind
from fhir_dmp.interactions.content import within
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.interactions.validity import require_valid
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.dmp_open import read_person, today
from fhir_dmp.operations.parameters import read_inputs
from fhir_dmp.operations.record_act import (
    answer_act,
    as_server,
    build_first,
    build_next,
    read_holder,
    refuse_act,
    run_act,
    traced_act,
)
from fhir_dmp.operations.same_person import find_same_person, guard_keys
from fhir_dmp.outcome import Category, FhirError, Issue, error
from fhir_dmp.record.consents import Act, build_provenance
from fhir_dmp.record.identity import find_identity_faults, require_qualified
from fhir_dmp.record.qualifying import find_qualifying_faults, is_done, qualify_patient
from fhir_dmp.record.traits import read_traits
from fhir_dmp.resource import Version
from fhir_dmp.store.port import Writer

DEFINITION = "https://fhir-dmp.fr/OperationDefinition/dmp-qualify"
_FUND = frozenset({Kind.ADMINISTRATOR, Kind.SYSTEM})


@traced_act
async def dmp_qualify(context: Context, request: Request) -> Result:
    """Gives a Patient the qualified identity in the parameter `patient`; raises FhirError, and nothing is written."""
    check_exposed(context, request, "operation")
    if request.requester.kind not in _FUND:
        raise refuse_act()
    proven, at = read_person(context, read_inputs(context, request, ("patient",)))
    faults = [*find_identity_faults(proven, today(context))]
    faults += [issue for issue in require_qualified(proven) if issue not in faults]
    _refuse(faults, at)
    provenance_id = context.new_id()

    async def work(writer: Writer) -> Result:
        await writer.guard(guard_keys(read_traits(proven)))
        holder = await read_holder(context, request, writer)
        if is_done(holder.resource, proven):
            return _answer(request, holder.version)
        _refuse(find_qualifying_faults(holder.resource, proven), at)
        same = await find_same_person(context, request, writer, proven, beside=request.resource_id)
        if same.found.existing or same.found.is_contradictory:
            message = "Another Patient has this matricule INS: the two are for $merge."
            raise error(Category.CONFLICT, "identity-doubtful", message, f"{at}.identifier")
        qualified = qualify_patient(holder.resource, proven)
        await require_valid(context, as_server(request), qualified, at=at)
        change = build_next(context, qualified, holder.version)
        act = Act("qualify", request.requester, request.resource_id, context.now(), context.base_url)
        provenance = build_first(context, build_provenance(act, [str(request.identity)]), provenance_id)
        await writer.write([change, provenance])
        return _answer(request, change.version)

    return await run_act(context, work)


def _refuse(faults: Sequence[Issue], at: str) -> None:
    if faults:
        raise FhirError(Category.UNPROCESSABLE, *(within(issue, "Patient", at) for issue in faults))


def _answer(request: Request, version: Version) -> Result:
    rows: list[JsonObject] = [
        {"name": "patient", "valueReference": {"reference": str(request.identity)}},
        {"name": "status", "valueCode": "qualified"},
    ]
    return answer_act(rows, [version])
