"""What FHIR adds to the language: https://hl7.org/fhir/R4/fhirpath.html#functions.

Terminology and profiles are the caller's: these functions ask what the Scope has been given, and refuse without it.
"""

from __future__ import annotations

from fhir_dmp.fhirpath.access import listed, single
from fhir_dmp.fhirpath.arithmetic import system_node
from fhir_dmp.fhirpath.fault import EvaluationError
from fhir_dmp.fhirpath.functions.narrative import is_safe_narrative
from fhir_dmp.fhirpath.functions.signature import function
from fhir_dmp.fhirpath.node import Node, Nodes, Scope
from fhir_dmp.fhirpath.singleton import system_of


def _get_value(nodes: Nodes) -> list[Node]:
    value = system_of(nodes[0]) if len(nodes) == 1 else None
    return system_node(value)


def _member_of(scope: Scope, nodes: Nodes, value_set: str) -> bool | None:
    node = single(nodes)
    if node is None:
        return None
    return _known(scope.member_of and scope.member_of(node, value_set), "the value set cannot be expanded here")


def _subsumes(scope: Scope, nodes: Nodes, code: Nodes) -> bool | None:
    general, special = single(nodes), single(code)
    if general is None or special is None:
        return None
    return _known(scope.subsumes and scope.subsumes(general, special), "subsumption is not known here")


def _subsumed_by(scope: Scope, nodes: Nodes, code: Nodes) -> bool | None:
    return _subsumes(scope, code, nodes)


def _conforms_to(scope: Scope, nodes: Nodes, profile: str) -> bool | None:
    node = single(nodes)
    if node is None:
        return None
    return _known(scope.conforms_to and scope.conforms_to(node, profile), "the profile is not known here")


def _known(answer: object, message: str) -> bool:
    if not isinstance(answer, bool):
        raise EvaluationError(message)
    return answer


def _html_checks(nodes: Nodes) -> bool:
    return all(type(node.value) is str and is_safe_narrative(node.value) for node in nodes)


def _check_modifiers(nodes: Nodes, urls: Nodes) -> Nodes:
    """Returns the input; raises EvaluationError where an element is modified in a way that the caller does not know."""
    known = {node.value for node in urls if type(node.value) is str}
    for node in nodes:
        value = node.value if type(node.value) is dict else {}
        for extension in listed(value.get("modifierExtension")):
            if type(extension) is dict and extension.get("url") not in known:
                raise EvaluationError("an element has a modifier extension that is not understood")
    return nodes


def _slice(scope: Scope, nodes: Nodes, structure: str, name: str) -> list[Node]:
    if scope.in_slice is None:
        raise EvaluationError("slices are not known here")
    return [node for node in nodes if scope.in_slice(node, structure, name)]


def _element_definition(scope: Scope, nodes: Nodes) -> list[Node]:
    if scope.element_definition is None:
        raise EvaluationError("element definitions are not known here")
    found = [scope.element_definition(node) for node in nodes]
    return [Node(row, "ElementDefinition") for row in found if row is not None]


FHIR = (
    function("getValue", _get_value),
    function("memberOf", _member_of, "Items", "String", gives="Boolean", scoped=True),
    function("subsumes", _subsumes, "Items", "Items", gives="Boolean", scoped=True),
    function("subsumedBy", _subsumed_by, "Items", "Items", gives="Boolean", scoped=True),
    function("conformsTo", _conforms_to, "Items", "String", gives="Boolean", scoped=True),
    function("htmlChecks", _html_checks, gives="Boolean"),
    function("checkModifiers", _check_modifiers, "Items", "Items", gives="Same"),
    function("slice", _slice, "Items", "String", "String", gives="Same", scoped=True),
    function("elementDefinition", _element_definition, scoped=True),
)
