"""The FHIR API in the OpenAPI document: one path for each shape of the routing table. /metadata says it exactly."""

from __future__ import annotations

from typing import Any

from fhir_dmp.interactions.context import Route, Routes

_PARAMETERS = {"[type]": "type", "[id]": "id", "[vid]": "vid", "[compartment]": "compartment"}
_ANSWER = {"description": "FHIR JSON", "content": {"application/fhir+json": {}}}
_FAILURE = {"description": "An OperationOutcome", "content": {"application/fhir+json": {}}}


def build_paths(base_path: str, routes: Routes) -> dict[str, Any]:
    """Builds the `paths` of the FHIR API."""
    paths: dict[str, Any] = {
        f"{base_path}/metadata": {"get": _build("capabilities", "")},
        base_path: {"post": _build("batch or transaction", "", has_body=True)},
    }
    for route in routes.rows:
        path = "/".join((base_path, *(_segment(part) for part in route.shape.split("/") if part)))
        paths.setdefault(path, {})[route.method.lower()] = _build_route(route)
    return paths


def _segment(part: str) -> str:
    return f"{{{_PARAMETERS[part]}}}" if part in _PARAMETERS else part


def _build_route(route: Route) -> dict[str, Any]:
    summary = f"${route.operation}" if route.operation else route.interaction
    return _build(summary, route.shape, has_body=route.method in {"POST", "PUT", "PATCH"})


def _build(summary: str, shape: str, *, has_body: bool = False) -> dict[str, Any]:
    names = [_PARAMETERS[part] for part in shape.split("/") if part in _PARAMETERS]
    operation: dict[str, Any] = {
        "summary": summary,
        "tags": ["FHIR R4"],
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names],
        "responses": {"2XX": _ANSWER, "4XX": _FAILURE},
    }
    if has_body:
        operation["requestBody"] = {"content": {"application/fhir+json": {"schema": {"type": "object"}}}}
    return operation
