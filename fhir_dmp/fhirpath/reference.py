"""resolve(): https://hl7.org/fhir/R4/fhirpath.html#functions.

Whoever evaluates may inject a resolver. Contained resources need none, and without one the type of most targets is
still known: the reference states it. Such a target is a resource of which only type and id are known, and whoever
evaluates may hear of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fhir_dmp.fhirpath.access import listed
from fhir_dmp.fhirpath.model import Model
from fhir_dmp.fhirpath.node import Node, Nodes, Scope
from fhir_dmp.json_text import Json, JsonObject

_LITERAL = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?$")


def resolve(model: Model, scope: Scope, nodes: Nodes) -> list[Node]:
    """Returns the targets of References, uris and canonicals; those that cannot be told are left out."""
    return [found for node in nodes for found in _targets(model, scope, node.value)]


def _targets(model: Model, scope: Scope, value: Json) -> Iterator[Node]:
    reference = value.get("reference") if type(value) is dict else value
    resource = _resource(scope, reference) if type(reference) is str else None
    if resource is None:
        resource = _stub(model, reference, value.get("type") if type(value) is dict else None)
        if scope.miss and not _is_inside(reference):
            scope.miss(resource is not None)
    if resource is not None:
        yield Node(resource, model.resource_type(resource, "Resource"))


def _is_inside(reference: Json) -> bool:
    """Tells whether a target would be at hand if there were one."""
    return type(reference) is str and reference.startswith("#")


def _resource(scope: Scope, reference: str) -> JsonObject | None:
    if reference.startswith("#"):
        return _contained(scope.outermost or scope.root, reference[1:])
    return scope.resolve(reference) if scope.resolve else None


def _contained(container: JsonObject, resource_id: str) -> JsonObject | None:
    if not resource_id:
        return container
    for resource in listed(container.get("contained")):
        if type(resource) is dict and resource.get("id") == resource_id:
            return resource
    return None


def _stub(model: Model, reference: Json, declared: Json) -> JsonObject | None:
    match = _LITERAL.search(reference) if type(reference) is str else None
    if match is not None and match[1] in model.resource_types:
        return {"resourceType": match[1], "id": match[2]}
    return {"resourceType": declared} if type(declared) is str and declared in model.resource_types else None
