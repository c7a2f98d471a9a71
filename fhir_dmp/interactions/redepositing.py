"""What comes with a document that is here already is here too: its content is not stored beside it once more.

A Binary that only such documents cite would be cited by none, as none of them is written. The List of a submission that
is here already has to submit the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NoReturn

from fhir_dmp.access.reimbursement import DOCUMENT
from fhir_dmp.interactions.attachments import cited_by, describe, describe_content, read_cited
from fhir_dmp.interactions.binary import BINARY
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.depositing import refuse_name
from fhir_dmp.interactions.entry import within_entry
from fhir_dmp.interactions.refusal import DepositRefused
from fhir_dmp.interactions.submitting import require_same_submission
from fhir_dmp.interactions.writing import Written
from fhir_dmp.json_text import parse_json_object
from fhir_dmp.outcome import Category, error
from fhir_dmp.record.submission import LIST
from fhir_dmp.resource import Version


async def reuse_contents(context: Context, located: Sequence[Written]) -> None:
    """Gives each Binary that only documents cite which are here already the one that they cite, of the same content.

    Raises FhirError (conflict) where they cite none of the same content that the requester sees: by whatever way they
    were found, the Binary would be stored for nothing.
    """
    if not any(_is_known_document(row) for row in located):
        return
    citing = _index(located)
    for row in located:
        is_new = row.entry.method == "POST" and row.entry.request.resource_type == BINARY and row.match is None
        documents = citing.get(row.entry.full_url, []) if is_new else []
        if documents and all(_is_known_document(other) for other in documents):
            await _reuse(context, row, documents)


def require_same_submissions(context: Context, located: Sequence[Written]) -> None:
    """Raises FhirError (conflict) where a transaction submits something else under a name that is here.

    Its references have been resolved.
    """
    for row in located:
        is_list = row.is_existing_match and row.entry.request.resource_type == LIST
        if is_list and row.match and row.resource:
            with within_entry(row.entry.index):
                require_same_submission(context, row.resource, row.match)


def _is_known_document(row: Written) -> bool:
    return row.is_existing_match and row.entry.request.resource_type == DOCUMENT


def _index(located: Sequence[Written]) -> Mapping[str, Sequence[Written]]:
    """The entries that point somewhere, by where."""
    citing: dict[str, list[Written]] = defaultdict(list)
    for row in located:
        for slot in row.slots:
            citing[slot.original].append(row)
    return citing


async def _reuse(context: Context, row: Written, documents: Sequence[Written]) -> None:
    stored = [version for known in documents if (version := known.match)]
    seen = await _read_contents(context, row, stored)
    brought = await describe_content(context, row.entry.request.content_key, row.resource or {})
    for version in seen:
        found = await describe(context, version)
        if brought and found and (found.size, found.sha1) == (brought.size, brought.sha1):
            row.match, row.identity = version, version.identity
            return
    named = next((known for known in documents if not known.entry.request.preconditions.if_none_exist), None)
    if seen and named and named.match:
        with within_entry(named.entry.index):
            refuse_name(named.match)
    _refuse_uncited(row, stored[0])


def _refuse_uncited(row: Written, document: Version) -> NoReturn:
    message = f"What cites this Binary is here already, as {document.identity}, which does not have this content."
    with within_entry(row.entry.index):
        raise error(Category.CONFLICT, "content-uncited", message) from DepositRefused(
            document.patient, is_telling=True
        )


async def _read_contents(context: Context, row: Written, documents: Sequence[Version]) -> list[Version]:
    """Returns the Binaries that stored documents cite, as far as the requester sees them."""
    cited = {
        identity for version in documents for identity in cited_by(context, parse_json_object(version.content or b"{}"))
    }
    return list((await read_cited(context, row.entry.request, cited)).values())
