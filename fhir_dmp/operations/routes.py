"""The operations' rows of the routing table: https://hl7.org/fhir/R4/operations.html.

A shape that begins with a type instead of `[type]` is that type's alone.
"""

from __future__ import annotations

from fhir_dmp.interactions.context import Route, Run
from fhir_dmp.operations import (
    dmp_access_log,
    dmp_emergency_settings,
    dmp_history,
    dmp_statistics,
    docref,
    fhirpath,
    summary,
)
from fhir_dmp.operations.bulk_import import ERRORS, IMPORT, bulk_import, import_cancel, import_errors, import_status
from fhir_dmp.operations.bulk_import import STATUS as IMPORT_STATUS
from fhir_dmp.operations.bulk_kickoff import GROUP, PATIENT, SYSTEM, export_group, export_patients, export_system
from fhir_dmp.operations.bulk_status import FILE, bulk_cancel, bulk_file, bulk_status
from fhir_dmp.operations.bulk_status import STATUS as BULK_STATUS
from fhir_dmp.operations.dmp_attending import (
    DECLARE,
    NAME,
    REMOVE,
    dmp_attending,
    dmp_name_administrator,
    dmp_remove_administrator,
)
from fhir_dmp.operations.dmp_authorize import AUTHORIZE, dmp_authorize
from fhir_dmp.operations.dmp_block import BLOCK, UNBLOCK, dmp_block, dmp_unblock
from fhir_dmp.operations.dmp_cda import DEFINITION as CDA
from fhir_dmp.operations.dmp_cda import dmp_cda
from fhir_dmp.operations.dmp_close import CLOSE, DELETE_REQUEST, REOPEN, dmp_close, dmp_delete_request, dmp_reopen
from fhir_dmp.operations.dmp_label import build_operations, definition_of
from fhir_dmp.operations.dmp_open import DEFINITION as OPEN
from fhir_dmp.operations.dmp_open import dmp_open, dmp_open_own
from fhir_dmp.operations.dmp_qualify import DEFINITION as QUALIFY
from fhir_dmp.operations.dmp_qualify import dmp_qualify
from fhir_dmp.operations.dmp_resend import DEFINITION as RESEND
from fhir_dmp.operations.dmp_resend import dmp_resend
from fhir_dmp.operations.document import document
from fhir_dmp.operations.everything import everything
from fhir_dmp.operations.expand import expand
from fhir_dmp.operations.explain_access import DEFINITION, explain_access
from fhir_dmp.operations.export_traces import DEFINITION as EXPORT
from fhir_dmp.operations.export_traces import export_traces
from fhir_dmp.operations.lastn import lastn
from fhir_dmp.operations.lookup import lookup
from fhir_dmp.operations.match import match
from fhir_dmp.operations.merge import MERGE, UNMERGE, merge, unmerge
from fhir_dmp.operations.meta import meta, meta_add, meta_delete, meta_of_all
from fhir_dmp.operations.record_status import DEFINITION as STATUS
from fhir_dmp.operations.record_status import record_status
from fhir_dmp.operations.subscription_status import EVENTS as SUBSCRIPTION_EVENTS
from fhir_dmp.operations.subscription_status import STATUS as SUBSCRIPTION_STATUS
from fhir_dmp.operations.subscription_status import (
    subscription_events,
    subscription_status,
    subscription_statuses,
)
from fhir_dmp.operations.subsumes import subsumes
from fhir_dmp.operations.validate import validate
from fhir_dmp.operations.validate_code import validate_in_code_system, validate_in_value_set

_R4 = "http://hl7.org/fhir/OperationDefinition/"
_VALIDATE = f"{_R4}Resource-validate"
_META = f"{_R4}Resource-meta"
_EXPLAIN_ACCESS = "Patient/[id]/$dmp-explain-access"
_LOG = "Patient/[id]/$dmp-access-log"
_HISTORY = "Patient/[id]/$dmp-history"
_SETTINGS = "Patient/[id]/$dmp-emergency-settings"


def _row(method: str, shape: str, run: Run, definition: str) -> Route:
    return Route(method, shape, "operation", run, definition)


def _read_only(resource_type: str, name: str, run: Run, *, of_instance: bool = True) -> tuple[Route, ...]:
    """The rows of an operation that changes nothing: by GET and POST, on the type and on an instance."""
    shapes = [f"{resource_type}/${name}", *([f"{resource_type}/[id]/${name}"] if of_instance else [])]
    definition = f"{_R4}{resource_type}-{name}"
    return tuple(_row(method, shape, run, definition) for shape in shapes for method in ("GET", "POST"))


OPERATIONS = (
    _row("POST", "$fhirpath", fhirpath.fhirpath, fhirpath.DEFINITION),
    _row("POST", "$validate", validate, _VALIDATE),
    _row("POST", "[type]/$validate", validate, _VALIDATE),
    _row("POST", "[type]/[id]/$validate", validate, _VALIDATE),
    _row("GET", "[type]/[id]/$validate", validate, _VALIDATE),
    *_read_only("ValueSet", "expand", expand),
    *_read_only("ValueSet", "validate-code", validate_in_value_set),
    *_read_only("CodeSystem", "validate-code", validate_in_code_system),
    *_read_only("CodeSystem", "lookup", lookup, of_instance=False),
    *_read_only("CodeSystem", "subsumes", subsumes),
    *_read_only("Patient", "everything", everything),
    *(_row(method, "Patient/[id]/$summary", summary.summary, summary.DEFINITION) for method in ("GET", "POST")),
    _row("POST", "Patient/$match", match, f"{_R4}Patient-match"),
    _row("GET", "Observation/$lastn", lastn, f"{_R4}Observation-lastn"),
    *(_row(method, "Composition/[id]/$document", document, f"{_R4}Composition-document") for method in ("GET", "POST")),
    *(_row(method, "DocumentReference/$docref", docref.docref, docref.DEFINITION) for method in ("GET", "POST")),
    _row("POST", "DocumentReference/$dmp-cda", dmp_cda, CDA),
    _row("GET", "$meta", meta_of_all, _META),
    _row("GET", "[type]/$meta", meta_of_all, _META),
    _row("GET", "[type]/[id]/$meta", meta, _META),
    _row("POST", "[type]/[id]/$meta-add", meta_add, f"{_META}-add"),
    _row("POST", "[type]/[id]/$meta-delete", meta_delete, f"{_META}-delete"),
    *(_row(method, _EXPLAIN_ACCESS, explain_access, DEFINITION) for method in ("GET", "POST")),
    *(_row(method, "Patient/$dmp-status", record_status, STATUS) for method in ("GET", "POST")),
    _row("GET", "AuditEvent/$dmp-export", export_traces, EXPORT),
    _row("POST", "Patient/$dmp-open", dmp_open, OPEN),
    _row("POST", "Patient/[id]/$dmp-open", dmp_open_own, OPEN),
    _row("POST", "Patient/[id]/$dmp-close", dmp_close, CLOSE),
    _row("POST", "Patient/[id]/$dmp-reopen", dmp_reopen, REOPEN),
    _row("POST", "Patient/[id]/$dmp-delete-request", dmp_delete_request, DELETE_REQUEST),
    _row("POST", "Patient/[id]/$dmp-qualify", dmp_qualify, QUALIFY),
    _row("POST", "Patient/[id]/$dmp-authorize", dmp_authorize, AUTHORIZE),
    _row("POST", "Patient/[id]/$dmp-block", dmp_block, BLOCK),
    _row("POST", "Patient/[id]/$dmp-unblock", dmp_unblock, UNBLOCK),
    _row("POST", "Patient/[id]/$dmp-attending", dmp_attending, DECLARE),
    _row("POST", "Patient/[id]/$dmp-name-administrator", dmp_name_administrator, NAME),
    _row("POST", "Patient/[id]/$dmp-remove-administrator", dmp_remove_administrator, REMOVE),
    _row("GET", _SETTINGS, dmp_emergency_settings.tell_settings, dmp_emergency_settings.DEFINITION),
    _row("POST", _SETTINGS, dmp_emergency_settings.change_settings, dmp_emergency_settings.DEFINITION),
    *(_row(method, _LOG, dmp_access_log.access_log, dmp_access_log.DEFINITION) for method in ("GET", "POST")),
    *(_row(method, _HISTORY, dmp_history.dmp_history, dmp_history.DEFINITION) for method in ("GET", "POST")),
    _row("GET", "$dmp-statistics", dmp_statistics.dmp_statistics, dmp_statistics.DEFINITION),
    *(
        _row("POST", f"{place}/$dmp-{labelling.code}", run, definition_of(labelling))
        for labelling, run in build_operations()
        for place in ("DocumentReference", "DocumentReference/[id]")
    ),
    _row("POST", "Patient/$merge", merge, MERGE),
    _row("POST", "Patient/$dmp-unmerge", unmerge, UNMERGE),
    *(_row(method, "$export", export_system, SYSTEM) for method in ("GET", "POST")),
    *(_row(method, "Patient/$export", export_patients, PATIENT) for method in ("GET", "POST")),
    *(_row(method, "Group/[id]/$export", export_group, GROUP) for method in ("GET", "POST")),
    *(
        _row(method, f"Subscription/{place}", run, definition)
        for place, run, definition in (
            ("$status", subscription_statuses, SUBSCRIPTION_STATUS),
            ("[id]/$status", subscription_status, SUBSCRIPTION_STATUS),
            ("[id]/$events", subscription_events, SUBSCRIPTION_EVENTS),
        )
        for method in ("GET", "POST")
    ),
    _row("POST", "Subscription/[id]/$dmp-resend", dmp_resend, RESEND),
    _row("GET", "$dmp-bulk-status", bulk_status, BULK_STATUS),
    _row("DELETE", "$dmp-bulk-status", bulk_cancel, BULK_STATUS),
    _row("GET", "$dmp-bulk-file", bulk_file, FILE),
    _row("POST", "$import", bulk_import, IMPORT),
    _row("GET", "$dmp-bulk-import-status", import_status, IMPORT_STATUS),
    _row("DELETE", "$dmp-bulk-import-status", import_cancel, IMPORT_STATUS),
    _row("GET", "$dmp-bulk-import-errors", import_errors, ERRORS),
)
