"""Which interaction a method and the shape of a URL are: https://hl7.org/fhir/R4/http.html#summary.

The same table serves HTTP, the entries of a batch and the reads of a transaction; /metadata is tested equal to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.create import create
from fhir_dmp.interactions.delete import conditional_delete, delete
from fhir_dmp.interactions.history import history_instance, history_system, history_type
from fhir_dmp.interactions.patch import conditional_patch, patch
from fhir_dmp.interactions.read import read, vread
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.interactions.search import search_system, search_type
from fhir_dmp.interactions.update import conditional_update, update
from fhir_dmp.outcome import Category, FhirError, error

Run = Callable[[Context, Request], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the table: `interaction` is a code of http://hl7.org/fhir/restful-interaction."""

    method: str
    shape: str
    interaction: str
    run: Run


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
    Route("GET", "[type]", "search-type", search_type),
    Route("POST", "[type]/_search", "search-type", search_type),
    Route("GET", "", "search-system", search_system),
    Route("POST", "_search", "search-system", search_system),
    Route("GET", "[type]/[id]/_history", "history-instance", history_instance),
    Route("GET", "[type]/_history", "history-type", history_type),
    Route("GET", "_history", "history-system", history_system),
)
_BY_PLACE = {(route.method, route.shape): route for route in ROUTES}
_SHAPES = frozenset(route.shape for route in ROUTES)


def find_route(method: str, shape: str) -> Route:
    """Returns the route; raises FhirError (not allowed, or not found where nothing has this shape)."""
    route = _BY_PLACE.get(("GET" if method == "HEAD" else method, shape))
    if route is None:
        raise _no_route(method, shape)
    return route


def method_not_allowed(method: str) -> FhirError:
    """The answer for a method that a URL of this shape never takes."""
    return error(Category.NOT_ALLOWED, "method-not-allowed", f"{method[:32]} is no method of this URL.")


def _no_route(method: str, shape: str) -> FhirError:
    if shape in _SHAPES:
        return method_not_allowed(method)
    return error(Category.NOT_FOUND, "url-unknown", f"Nothing is at a URL of the form {shape[:64]}.")
