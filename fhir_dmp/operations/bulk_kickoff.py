"""$export: the kick-off of the system, of all patients, of a Group's. https://hl7.org/fhir/uv/bulkdata/STU2/export.html.

Anyone may ask who may search: what he gets is what he may see (docs/decisions/0035).
"""

from __future__ import annotations

from collections.abc import Collection

from fhir_dmp.access.requester import write_requester
from fhir_dmp.bulk.asked import Asked, write_asked
from fhir_dmp.bulk.selection import open_export, parse_filter, split_filters
from fhir_dmp.bundle import build_link
from fhir_dmp.instant import Milliseconds, parse_instant
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.groups import open_members
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.operations.parameters import Inputs, read_inputs
from fhir_dmp.operations.patient_record import record_types
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import is_id
from fhir_dmp.search.links import patient_id, relative_to
from fhir_dmp.store.bulk_port import Export
from fhir_dmp.store.job_port import Job, JobKind
from fhir_dmp.store.port import Writer

_GUIDE = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition"
SYSTEM, PATIENT, GROUP = f"{_GUIDE}/export", f"{_GUIDE}/patient-export", f"{_GUIDE}/group-export"
STATUS = "$dmp-bulk-status"
KEPT: Milliseconds = 24 * 3_600_000
"""How long the files of an export can be had."""
_FORMATS = frozenset({"application/fhir+ndjson", "application/ndjson", "ndjson"})
_KNOWN = ("_outputFormat", "_since", "_type", "_typeFilter")
_TRACES = frozenset({"AuditEvent"})
"""They are exported where they are asked for: to read them leaves more."""


async def export_system(context: Context, request: Request) -> Result:
    """Begins an export of whatever the requester may see."""
    inputs = _read(context, request, _KNOWN)
    every = frozenset(context.capability.types)
    return await _begin(context, request, _build(context, request, inputs, every))


async def export_patients(context: Context, request: Request) -> Result:
    """Begins an export of the records that the requester may see, or of those of the parameter `patient`."""
    inputs = _read(context, request, (*_KNOWN, "patient"))
    named = _read_patients(context, inputs)
    asked = _build(context, request, inputs, record_types(context) | _TRACES, named)
    return await _begin(context, request, asked)


async def export_group(context: Context, request: Request) -> Result:
    """Begins an export of the records of a Group's members, each of which has to be open to the requester."""
    inputs = _read(context, request, (*_KNOWN, "patient"))
    members = await open_members(context, request)
    named = _read_patients(context, inputs)
    kept = members if named is None else tuple(name for name in members if name in named)
    asked = _build(context, request, inputs, record_types(context) | _TRACES, kept)
    return await _begin(context, request, asked)


def _read(context: Context, request: Request, known: Collection[str]) -> Inputs:
    check_exposed(context, request, "operation")
    inputs = read_inputs(context, request, known)
    if not request.is_async:
        message = "An export takes its time: it has to be asked for with the header Prefer: respond-async."
        raise error(Category.INVALID_PARAMETER, "parameter-missing", message)
    wanted = inputs.text("_outputFormat").replace(" ", "+")
    if wanted and wanted not in _FORMATS:
        message = f"_outputFormat is one of {', '.join(sorted(_FORMATS))}."
        raise error(Category.INVALID_PARAMETER, "parameter-value", message, "http._outputFormat")
    return inputs


def _build(
    context: Context, request: Request, inputs: Inputs, known: frozenset[str], patients: tuple[str, ...] | None = None
) -> Asked:
    named = {name.strip() for text in inputs.texts("_type") for name in text.split(",")}
    if named - known:
        message = f"_type names types that are exported here: {', '.join(sorted(known))}."
        raise error(Category.INVALID_PARAMETER, "parameter-value", message, "http._type")
    filters = split_filters(inputs.texts("_typeFilter"))
    filtered = {query.resource_types[0] for query in (parse_filter(context, text) for text in filters)}
    types = named or (known - _TRACES)
    if filtered - types:
        message = "_typeFilter names a type that is not exported."
        raise error(Category.INVALID_PARAMETER, "parameter-value", message, "http._typeFilter")
    since = inputs.text("_since")
    return Asked(
        url=build_link(context.base_url, request.path, request.parameters),
        types=tuple(sorted(types)),
        patients=patients,
        since=parse_instant(since, "_since") if since else None,
        filters=tuple(filters),
        group=request.resource_id,
    )


def _read_patients(context: Context, inputs: Inputs) -> tuple[str, ...] | None:
    """The patients that are named, by References in a body or as text in the query."""
    found = []
    for given in inputs.all("patient"):
        text = given.value.get("reference", "") if isinstance(given.value, dict) else str(given.value)
        link = relative_to(context.base_url, str(text))
        name = patient_id(link) or link
        if not is_id(name):
            message = "patient has to be a Reference to a Patient."
            raise error(Category.INVALID_PARAMETER, "parameter-value", message, given.at)
        found.append(name)
    return tuple(dict.fromkeys(found)) or None


async def _begin(context: Context, request: Request, asked: Asked) -> Result:
    """Keeps what is asked for, then has it divided; what nobody may see at all is refused at once."""
    await open_export(context, request, asked)
    now, export_id = context.now(), context.new_id()
    settled = await context.exports.settled(now)
    export = Export(export_id, write_requester(request.requester), write_asked(asked), now, settled)
    await context.exports.begin(export, now + KEPT)

    async def work(writer: Writer) -> None:
        await writer.schedule(Job(JobKind.EXPORT, export_id, now, {}))

    await context.store.transact(work)
    url = f"{context.base_url}/{STATUS}?_export={export_id}"
    return Result(Status.ACCEPTED, headers=[("content-location", url)], patients=asked.patients or ())
