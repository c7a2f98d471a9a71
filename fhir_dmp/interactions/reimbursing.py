"""Reimbursements on their way into a record: each is there once, however often it is sent."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_dmp.access.change import Item
from fhir_dmp.access.reimbursement import BENEFIT, is_reimbursement
from fhir_dmp.access.requester import Kind
from fhir_dmp.interactions.conditional import parse_criteria
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.refusal import DepositRefused
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.record.reimbursement import find_reimbursement_faults, is_same_reimbursement, names_of
from fhir_dmp.resource import Version
from fhir_dmp.search.escape import escape_token
from fhir_dmp.store.port import Change, Writer


async def find_reimbursed(
    context: Context, writer: Writer, request: Request, resource: JsonObject, subject: str
) -> Version | None:
    """Returns the ExplanationOfBenefit of that name that the insurance sent before, None where it did not.

    Raises FhirError (conflict) where it said something else.
    """
    for name in names_of(resource):
        criteria = [("patient", subject), ("identifier", escape_token(name))]
        query = await parse_criteria(context, request, BENEFIT, criteria, count=1)
        restriction = await open_gate(context, request, "create", query.clause)
        for version in (await writer.search(query, restriction)).versions:
            _require_same(resource, subject, version)
            return version
    return None


def _require_same(sent: JsonObject, subject: str, version: Version) -> None:
    named = {**sent, "patient": {**sent["patient"], "reference": subject}}
    if not is_same_reimbursement(named, parse_json_object(version.content or b"{}")):
        message = f"The identifier is that of {version.identity}, which says something else."
        fault = error(Category.CONFLICT, "reimbursement-name-taken", message, f"{BENEFIT}.identifier")
        raise fault from DepositRefused(version.patient)


def check_reimbursements(context: Context, request: Request, changes: Sequence[Change]) -> None:
    """Raises FhirError (unprocessable) where a reimbursement has no name, or is not of the 24 months."""
    if request.requester.kind is not Kind.HEALTH_INSURANCE:
        return
    for change in changes:
        content, facts = change.version.content, change.facts
        if content is None or facts is None or not is_reimbursement(facts):
            continue
        if faults := find_reimbursement_faults(Item(parse_json_object(content), facts), context.now()):
            raise FhirError(Category.UNPROCESSABLE, *faults) from DepositRefused(facts.patient or "")
