"""$dmp-authorize: the patient lets a professional or a structure read his record for care.

https://fhir-dmp.fr/OperationDefinition/dmp-authorize (profiles/dmp), CSP L1111-17, R1111-46. He does it himself, or a
professional records for himself or his structure what the patient told him.
"""

from __future__ import annotations

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.operations.choice import (
    Choosing,
    begin_act,
    check_chooser,
    read_choosing,
    require_self,
    write_act,
)
from fhir_dmp.operations.parameters import Inputs, read_inputs
from fhir_dmp.operations.party import read_party, with_all_names
from fhir_dmp.operations.record_act import answer_act, build_first, build_next, run_act, traced_act
from fhir_dmp.outcome import Category, error
from fhir_dmp.record.choices import Party, find_access, find_blocks
from fhir_dmp.record.consents import build_access_consent
from fhir_dmp.record.deciding import Role
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.span import parse_span
from fhir_dmp.store.port import Change, Writer

AUTHORIZE = "https://fhir-dmp.fr/OperationDefinition/dmp-authorize"
_ROLES = frozenset({Role.HOLDER, Role.ATTENDING, Role.COLLECTING})


@traced_act
async def dmp_authorize(context: Context, request: Request) -> Result:
    """Writes the Consent of access, or its next period; raises FhirError, and then nothing is written."""
    inputs = read_inputs(context, request, ("professional", "period", "consent"))
    check_chooser(context, request, inputs, _ROLES)
    period = _read_period(context, inputs)
    party = await read_party(context, request, inputs)
    consent_id, provenance_id = context.new_id(), context.new_id()

    async def work(writer: Writer) -> Result:
        choosing = await read_choosing(context, request, writer, _ROLES)
        require_self(choosing, party)
        await require_unblocked(context, choosing, party)
        act = begin_act(context, request, "authorize")
        built = build_access_consent(act, party.reference, period)
        change = await _renew(context, writer, choosing, party, built, period)
        if isinstance(change, Version):
            return _answer(change)
        changed = change or build_first(context, built, consent_id)
        await write_act(context, request, writer, act, [changed], provenance_id)
        return _answer(changed.version)

    return await run_act(context, work)


async def require_unblocked(context: Context, choosing: Choosing, party: Party) -> None:
    """Raises FhirError where the patient blocked a party: a block is lifted by itself, or it would not be one.

    One of his roles, too: in that structure he would still read nothing.
    """
    known = await with_all_names(context, party)
    if find_blocks(choosing.state.directives, known, context.now()):
        message = "The patient blocked this professional: $dmp-unblock comes first."
        raise error(Category.CONFLICT, "professional-blocked", message, party.at)


async def _renew(
    context: Context, writer: Writer, choosing: Choosing, party: Party, built: JsonObject, period: JsonObject | None
) -> Change | Version | None:
    """The next version of a Consent that is there, it itself where it says so already, None where there is none."""
    now = context.now()
    current = find_access(choosing.state.directives, party)
    running = [row for row in current if row.root and (row.root.period is None or now < row.root.period[1])]
    waits = any(row.root and row.root.period and now < row.root.period[0] for row in running[:1])
    identities = [Identity("Consent", row.consent) for row in running]
    found = await writer.read(identities[:1], choosing.restriction) if identities else {}
    for version in found.values():
        consent = parse_json_object(version.content or b"{}")
        # without a period it is from now on: one that is to begin later begins now
        wanted = built["provision"]["period"] if period or waits else consent["provision"].get("period")
        if consent["provision"].get("period") == wanted:
            return version
        return build_next(context, {**consent, "provision": {**consent["provision"], "period": wanted}}, version)
    return None


def _read_period(context: Context, inputs: Inputs) -> JsonObject | None:
    period = inputs.structure("period", "Period")
    given = inputs.one("period")
    if period is None or given is None:
        return None
    start, end = (parse_span(str(period[key]), context.zone) if key in period else None for key in ("start", "end"))
    if start is None:
        message = "A period says when it begins."
        raise error(Category.UNPROCESSABLE, "period-wrong", message, f"{given.at}.value.start")
    if end and (end[1] <= context.now() or end[0] < start[0]):
        message = "A period ends after it began, and not in the past."
        raise error(Category.UNPROCESSABLE, "period-wrong", message, f"{given.at}.value.end")
    return period


def _answer(version: Version) -> Result:
    consent = parse_json_object(version.content or b"{}")
    rows: list[JsonObject] = [
        {"name": "consent", "valueReference": {"reference": str(version.identity)}},
        {"name": "status", "valueCode": "authorized"},
        {"name": "period", "valuePeriod": consent["provision"]["period"]},
    ]
    return answer_act(rows, [version])
