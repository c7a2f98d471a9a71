"""$dmp-status: is there a record to feed for this INS, https://fhir-dmp.fr/OperationDefinition/dmp-status.

TD0.2 of the DMP, for those who feed without consent to read: docs/decisions/0021-feeders.md.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.access.reason import Reason, Rule
from fhir_dmp.access.reimbursement import DOCUMENT
from fhir_dmp.access.requester import Kind
from fhir_dmp.interactions.conditional import parse_criteria
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.feeding import feeds, find_record
from fhir_dmp.interactions.gate import check_exposed, inquire
from fhir_dmp.interactions.refusal import AccessRefused
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.operations.parameters import Inputs, answer_parameters, missing, read_inputs
from fhir_dmp.outcome import Category, error

DEFINITION = "https://fhir-dmp.fr/OperationDefinition/dmp-status"
_ASKING = frozenset({Kind.PRACTITIONER, Kind.HOSPITAL})


async def record_status(context: Context, request: Request) -> Result:
    """Answers valid, forbidden or unavailable; forbidden (403) for whoever does not feed, whatever he asks for."""
    check_exposed(context, request, "operation")
    identifier = _read_identifier(read_inputs(context, request, ("identifier",)))
    # the insurance feeds without asking: a transaction finds the record for it, and tells it nothing
    if request.requester.kind is Kind.HEALTH_INSURANCE or not await feeds(context, request):
        message = "The token does not allow this."
        lacks_scope = (await inquire(context, request, "create")).lacks_scope(DOCUMENT)
        rule = Rule.SCOPE if lacks_scope and request.requester.kind in _ASKING else Rule.NOT_FOR_THIS_KIND
        cause = AccessRefused(Reason(rule), lacks_scope=lacks_scope)
        raise error(Category.FORBIDDEN, "not-allowed", message) from cause
    query = await parse_criteria(context, request, "Patient", [("identifier", identifier)])
    status, patient = await find_record(context, request, query)
    answer = answer_parameters([{"name": "status", "valueCode": status.value}])
    return replace(answer, patients=(patient,) if patient else ())


def _read_identifier(inputs: Inputs) -> str:
    """The INS as a token (`urn:oid:…|matricule`); in a body it may be an Identifier."""
    given = inputs.one("identifier")
    if given is None:
        raise missing("identifier")
    if given.type_name != "Identifier":
        return inputs.needed_text("identifier")
    identifier = inputs.structure("identifier", "Identifier") or {}
    if not identifier.get("system") or not identifier.get("value"):
        raise missing("identifier.system and identifier.value")
    return f"{identifier['system']}|{identifier['value']}"
