"""The interactions' rows of the routing table: https://hl7.org/fhir/R4/http.html#summary."""

from __future__ import annotations

from fhir_dmp.interactions.context import Route
from fhir_dmp.interactions.create import create
from fhir_dmp.interactions.delete import conditional_delete, delete
from fhir_dmp.interactions.history import history_instance, history_system, history_type
from fhir_dmp.interactions.patch import conditional_patch, patch
from fhir_dmp.interactions.publish import create_document
from fhir_dmp.interactions.read import read, vread
from fhir_dmp.interactions.search import search_system, search_type
from fhir_dmp.interactions.update import conditional_update, update

ROUTES = (
    Route("GET", "[type]/[id]", "read", read),
    Route("GET", "[type]/[id]/_history/[vid]", "vread", vread),
    Route("PUT", "[type]/[id]", "update", update),
    Route("PUT", "[type]", "update", conditional_update),
    Route("PATCH", "[type]/[id]", "patch", patch),
    Route("PATCH", "[type]", "patch", conditional_patch),
    Route("DELETE", "[type]/[id]", "delete", delete),
    Route("DELETE", "[type]", "delete", conditional_delete),
    Route("POST", "[type]", "create", create),
    Route("POST", "DocumentReference", "create", create_document),
    Route("GET", "[type]", "search-type", search_type),
    Route("POST", "[type]/_search", "search-type", search_type),
    Route("GET", "[compartment]/[id]/[type]", "search-type", search_type),
    Route("POST", "[compartment]/[id]/[type]/_search", "search-type", search_type),
    Route("GET", "[compartment]/[id]/*", "search-system", search_system),
    Route("POST", "[compartment]/[id]/*/_search", "search-system", search_system),
    Route("GET", "", "search-system", search_system),
    Route("POST", "_search", "search-system", search_system),
    Route("GET", "[type]/[id]/_history", "history-instance", history_instance),
    Route("GET", "[type]/_history", "history-type", history_type),
    Route("GET", "_history", "history-system", history_system),
)
