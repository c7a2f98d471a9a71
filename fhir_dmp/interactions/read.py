"""read and vread: https://hl7.org/fhir/R4/http.html#read, https://hl7.org/fhir/R4/http.html#vread."""

from __future__ import annotations

from fhir_dmp.instant import parse_http_date
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_each, open_gate
from fhir_dmp.interactions.redaction import redact
from fhir_dmp.interactions.request import Preconditions, Request, Result, Status, parse_tags, parse_version_id
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.resource import Identity, Version
from fhir_dmp.subset import parse_subset, subset_content


async def read(context: Context, request: Request) -> Result:
    """Returns the current version; absent and hidden are both not found."""
    known = await open_each(context, request, "read")
    found = await context.reader.read_each((request.identity,), known) if known else None
    if found:
        return await _answer(context, request, found[request.identity])
    restriction = await open_gate(context, request, "read")
    identity = request.identity
    version = (await context.reader.read((identity,), restriction)).get(identity)
    if version is None:
        version = (await context.reader.read_latest((identity,), restriction)).get(identity)
    return await _answer(context, request, version)


async def vread(context: Context, request: Request) -> Result:
    """Returns one version, current or not."""
    restriction = await open_gate(context, request, "vread")
    number = parse_version_id(request.version_id)
    version = await context.reader.read_version(request.identity, number, restriction) if number else None
    return await _answer(context, request, version)


def not_found(identity: Identity) -> FhirError:
    """The answer for what is absent and for what is hidden."""
    return error(Category.NOT_FOUND, "resource-absent", f"There is no {identity} here.")


async def _answer(context: Context, request: Request, version: Version | None) -> Result:
    if version is None:
        raise not_found(request.identity)
    if version.content is None:
        raise error(Category.DELETED, "resource-deleted", f"{version.identity} was deleted.")
    if _is_known(request.preconditions, version):
        return Result(Status.NOT_MODIFIED, version)
    (version,) = await redact(context, request, [version])
    subset = parse_subset(request.parameters) if request.parameters else None
    body = subset_content(version.content or b"", subset, context.registry) if subset else None
    return Result(Status.OK, version, body)


def _is_known(preconditions: Preconditions, version: Version) -> bool:
    """Conditional read: If-None-Match wins over If-Modified-Since (RFC 9110, 13.2.2)."""
    if preconditions.if_none_match:
        return not parse_tags(preconditions.if_none_match).isdisjoint({"*", str(version.version_id)})
    since = parse_http_date(preconditions.if_modified_since) if preconditions.if_modified_since else None
    return since is not None and version.last_updated // 1000 * 1000 <= since
