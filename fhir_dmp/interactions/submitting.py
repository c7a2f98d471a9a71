"""A submission set on its way into a record: sent again, it is the List that is here, and no second one.

IHE MHD, ITI-65: https://profiles.ihe.net/ITI/MHD/ITI-65.html; its uniqueId names one submission (docs/decisions/0045).
"""

from __future__ import annotations

from fhir_dmp.access.change import Item
from fhir_dmp.interactions.conditional import parse_criteria
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.refusal import DepositRefused
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import Category, error
from fhir_dmp.record.submission import LIST, is_same_submission, names_of_submission
from fhir_dmp.resource import Version
from fhir_dmp.search.escape import escape_token
from fhir_dmp.store.port import Writer

_MOST = 100
"""How many Lists of one identifier in one record are looked at."""


async def find_submitted(
    context: Context, writer: Writer, request: Request, resource: JsonObject, subject: str
) -> Version | None:
    """Returns the submission set of that name in a record, None where there is none that the requester sees.

    Whether it is the same one is asked once all that it refers to is known: see require_same_submission.
    """
    for name in names_of_submission(resource):
        criteria = [("subject", subject), ("identifier", escape_token(name))]
        query = await parse_criteria(context, request, LIST, criteria, count=_MOST)
        restriction = await open_gate(context, request, "create", query.clause)
        for version in (await writer.search(query, restriction)).versions:
            if name in names_of_submission(parse_json_object(version.content or b"{}")):
                return version
    return None


def require_same_submission(context: Context, resource: JsonObject, stored: Version) -> None:
    """Raises FhirError (conflict) where a stored List has the name of a submission set, and is another submission.

    One that criteria found may have another name: so they are meant.
    """
    names = names_of_submission(resource)
    kept = parse_json_object(stored.content or b"{}") if names else {}
    if set(names).isdisjoint(names_of_submission(kept)):
        return
    sent, other = (
        Item(row, context.indexer.facts({**row, "id": stored.identity.resource_id})) for row in (resource, kept)
    )
    if not is_same_submission(sent, other, context.base_url):
        message = f"The identifier is that of {stored.identity}, which is another submission."
        fault = error(Category.CONFLICT, "submission-name-taken", message, f"{LIST}.identifier")
        raise fault from DepositRefused(stored.patient, is_telling=True)
