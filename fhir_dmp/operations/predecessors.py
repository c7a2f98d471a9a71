"""What documents took the place of: who hides a correction means the report that it corrects, nearly the same text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import replace

from fhir_dmp.access.reimbursement import DOCUMENT
from fhir_dmp.interactions.conditional import parse_criteria
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import parse_json_object
from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.record.depositing import find_document, find_replaced
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.escape import escape_token
from fhir_dmp.search.links import bare_link

FOLLOWED = 200
"""How many links are followed at most: one call keeps its transaction for no longer."""
_Link = tuple[str, str]
"""In whose record, and what is replaced: a reference, or `system|value`."""
_HIDDEN = frozenset({Category.NOT_FOUND, Category.DELETED, Category.FORBIDDEN})


async def read_predecessors(context: Context, request: Request, documents: Sequence[Version]) -> list[Version]:
    """Returns the superseded documents that some replaced, and those that these replaced, the nearest first.

    All are of the same record, and the requester sees them: where he does not, the chain ends.
    """
    asked = replace(request, resource_type=DOCUMENT, resource_id="")
    seen = {version.identity for version in documents}
    found: list[Version] = []
    level, left = list(documents), FOLLOWED
    while level and left:
        links = list(dict.fromkeys(link for version in level for link in _links(context, version)))[:left]
        left -= len(links)
        replaced = {version.identity: version async for version in _read(context, asked, links)}
        level = [version for identity, version in replaced.items() if identity not in seen]
        seen |= replaced.keys()
        found += level
    return found


def _links(context: Context, version: Version) -> Iterator[_Link]:
    if version.content is None or not version.patient:
        return
    for text, _ in find_replaced(parse_json_object(version.content)):
        yield version.patient, bare_link(context.base_url, text)


async def _read(context: Context, request: Request, links: Collection[_Link]) -> AsyncIterator[Version]:
    """Yields the superseded documents to which links lead."""
    cited = {(patient, identity) for patient, text in links if (identity := find_document(context.base_url, text))}
    for version in await _read_cited(context, request, dict.fromkeys(identity for _, identity in cited)):
        if (version.patient, version.identity) in cited and _is_superseded(version):
            yield version
    for patient, name in links:
        if "|" in name:
            for version in await _find_named(context, request, patient, name):
                yield version


async def _read_cited(context: Context, request: Request, identities: Collection[Identity]) -> list[Version]:
    if not identities:
        return []
    try:
        restriction = await open_gate(context, request, "read", identities=identities)
    except FhirError as fault:
        if fault.category in _HIDDEN:
            return []
        raise
    return list((await context.reader.read(identities, restriction)).values())


async def _find_named(context: Context, request: Request, patient: str, name: str) -> Sequence[Version]:
    criteria = [("subject", f"Patient/{patient}"), ("identifier", escape_token(name)), ("status", "superseded")]
    query = await parse_criteria(context, request, DOCUMENT, criteria, count=FOLLOWED)
    restriction = await open_gate(context, request, "read", query.clause)
    return (await context.reader.search(query, restriction)).versions


def _is_superseded(version: Version) -> bool:
    return version.content is not None and parse_json_object(version.content).get("status") == "superseded"
