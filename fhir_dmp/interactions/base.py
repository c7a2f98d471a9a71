"""POST to the base: a Bundle that is a batch or a transaction, https://hl7.org/fhir/R4/http.html#transaction."""

from __future__ import annotations

from fhir_dmp.interactions.batch import batch
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.interactions.transaction import transaction
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.validation.validate import validate_structure

_KINDS = {"batch": batch, "transaction": transaction}


async def process(context: Context, request: Request) -> Result:
    """Runs the Bundle that was posted to the base."""
    bundle = parse_json_object(request.body)
    if bundle.get("resourceType") != "Bundle":
        message = "The base takes a Bundle; post a resource to its type."
        raise error(Category.MALFORMED, "resource-type", message)
    kind = _KINDS.get(str(bundle.get("type")))
    if kind is None:
        message = "The base takes Bundles of type batch or transaction."
        raise error(Category.MALFORMED, "bundle-type", message, "Bundle.type")
    _check_envelope(context, bundle)
    return await kind(context, request, bundle)


def _check_envelope(context: Context, bundle: JsonObject) -> None:
    """Checks the Bundle's own structure; each entry's resource is checked with its entry."""
    issues = validate_structure(_without_resources(bundle), context.schemas)
    if issues:
        raise FhirError(Category.MALFORMED, *issues)


def _without_resources(bundle: JsonObject) -> JsonObject:
    entries = bundle.get("entry")
    if not isinstance(entries, list):
        return bundle
    bare = [_without_resource(entry) if isinstance(entry, dict) else entry for entry in entries]
    return {**bundle, "entry": bare}


def _without_resource(entry: JsonObject) -> JsonObject:
    """An entry of nothing but a resource would be empty: its fullUrl stands for it."""
    if not isinstance(entry.get("resource"), dict):
        return entry
    rest = {key: value for key, value in entry.items() if key != "resource"}
    return rest or {"fullUrl": "urn:x"}
