"""FhirError → the HTTP answer: its status (fhir_dmp.status) and an OperationOutcome."""

from __future__ import annotations

from fhir_dmp.authentication.fault import build_challenge
from fhir_dmp.interactions.refusal import lacks_scope
from fhir_dmp.json_text import write_json
from fhir_dmp.outcome import Category, FhirError, Issue, build_outcome
from fhir_dmp.rest.response import Response
from fhir_dmp.status import STATUS

INTERNAL = 500


def respond_to_error(fault: FhirError) -> Response:
    """Builds the response to an interaction that stopped."""
    body = write_json(build_outcome(fault.issues, fault.category.issue_type))
    headers = [(b"retry-after", b"1")] if fault.category in {Category.UNAVAILABLE, Category.THROTTLED} else []
    headers += build_challenge(fault, lacks_scope=lacks_scope(fault))
    return Response(STATUS[fault.category].value, body, headers)


def respond_to_defect() -> Response:
    """Builds the response to an error of ours: what went wrong is in the log, and nothing of it here."""
    message = "The server failed. The request id of this answer finds the reason in the server's log."
    return Response(INTERNAL, write_json(build_outcome([Issue("fatal", "server-defect", message)], "exception")), [])
