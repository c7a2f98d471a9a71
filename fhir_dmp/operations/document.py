"""$document: a Composition with what it refers to, https://hl7.org/fhir/R4/composition-operation-document.html.

What the requester may not see is left out, like what is not here; the Composition still refers to it, without display.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.instant import write_instant
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.create import create
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.redaction import redact
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.json_text import JsonObject, parse_json_object, write_json
from fhir_dmp.operations.bundles import build_entry
from fhir_dmp.operations.parameters import read_inputs
from fhir_dmp.operations.patient_record import of_records, open_record, read_supporting, references_in
from fhir_dmp.operations.stored import read_version
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Version

MOST_RESOURCES = 1_000
"""Of one document."""


async def document(context: Context, request: Request) -> Result:
    """Returns the document; with `persist=true` it is stored too, by the rules of creating a Bundle."""
    check_exposed(context, request, "operation")
    is_kept = read_inputs(context, request, ("persist",)).boolean("persist")
    composition = await read_version(context, request)
    restriction = await _open_beside(context, request, composition)
    read = [composition, *await _read_parts(context, restriction, composition)]
    shown = [*await redact(context, request, read), *await read_supporting(context, restriction, read)]
    body = write_document(context, shown)
    if is_kept:
        kept = await create(context, _creation(request, parse_json_object(body)))
        return replace(kept, versions=of_records(shown))
    return Result(Status.OK, body=body, versions=of_records(shown))


async def _open_beside(context: Context, request: Request, composition: Version) -> Restriction:
    """What the requester may see of the record that the Composition is in; of none, of what is in nobody's."""
    facts = context.indexer.facts(parse_json_object(composition.content or b"{}"))
    return await open_record(context, request, [facts.patient] if facts.patient else [])


async def _read_parts(context: Context, restriction: Restriction, composition: Version) -> Sequence[Version]:
    """What the Composition itself refers to, in a fixed order."""
    wanted = sorted(references_in([composition], context.capability.types.keys()) - {composition.identity})
    if len(wanted) > MOST_RESOURCES:
        message = f"The Composition refers to more than {MOST_RESOURCES:,} resources."
        raise error(Category.TOO_COSTLY, "records-too-many", message)
    found = await context.reader.read(wanted, restriction) if wanted else {}
    return [found[identity] for identity in wanted if identity in found]


def _creation(request: Request, bundle: JsonObject) -> Request:
    return replace(
        request, resource_type="Bundle", resource_id="", parameters=(), body=b"", resource=bundle, path="Bundle"
    )


def write_document(context: Context, versions: Sequence[Version]) -> bytes:
    """Returns the Bundle of a document, whose Composition comes first: https://hl7.org/fhir/R4/documents.html."""
    return write_json({
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": f"{context.base_url}/Bundle", "value": context.new_id()},
        "timestamp": write_instant(context.now()),
        "entry": [build_entry(context.base_url, version) for version in versions],
    })  # fmt: skip
