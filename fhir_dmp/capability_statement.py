"""The CapabilityStatement out of capability/ and the search space: https://hl7.org/fhir/R4/capabilitystatement.html."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_dmp import VERSION
from fhir_dmp.json_text import JsonObject
from fhir_dmp.search.include import offered_includes, offered_reverse_includes
from fhir_dmp.search.modifier import modifiers_of
from fhir_dmp.search.space import Parameter, SearchSpace
from fhir_dmp.spec.capability import Capability
from fhir_dmp.spec.compartment import COMPARTMENTS
from fhir_dmp.spec.registry import BASE

DATE = "2026-11-29"
"""When the statement's form last changed."""

_CHANGING = frozenset({"meta-add", "meta-delete"})
"""Operations that change a resource: only where an update may."""

_DOCUMENTS = (
    "Documents by IHE MHD 4.2: ITI-65 (transaction), ITI-66 (List), ITI-67 (DocumentReference), ITI-68 (Binary, with "
    "ranges), ITI-105 (a DocumentReference that claims the profile of a simplified publication). Of a document that "
    "claims a profile of PDSm, status, securityLabel and isArchived may change."
)
_COMPARTMENTS = "http://hl7.org/fhir/CompartmentDefinition/"
_OF_EVERY_TYPE = (
    {"name": "_list", "type": "special", "documentation": "The id of a List: what its entries refer to."},
    {"name": "_has", "type": "special", "documentation": "_has:Type:reference:parameter, also nested."},
)
"""Parameters that R4 describes in its text and defines by no SearchParameter."""

Operations = Mapping[str, Mapping[str, str]]
"""The operations of each type, and under the empty name of the system: names with their definitions."""


def build_capability_statement(
    capability: Capability, space: SearchSpace, operations: Operations, base_url: str
) -> JsonObject:
    """Builds the statement of this instance; it lists only what is routed and indexed."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": DATE,
        "publisher": "fhir-dmp",
        "kind": "instance",
        "software": {"name": "fhir-dmp", "version": VERSION},
        "implementation": {"description": "Dossier Médical Partagé", "url": base_url},
        "fhirVersion": "4.0.1",
        "format": ["json", "application/fhir+json", "xml", "application/fhir+xml"],
        "patchFormat": [
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/fhir+json",
            "application/fhir+xml",
        ],
        "rest": [
            {
                "mode": "server",
                "documentation": _DOCUMENTS,
                "resource": [_build_type(capability, space, operations, name) for name in sorted(capability.types)],
                "interaction": [{"code": code} for code in sorted(capability.system)],
                "searchParam": list(_OF_EVERY_TYPE),
                "compartment": [f"{_COMPARTMENTS}{name.lower()}" for name in COMPARTMENTS if name in capability.types],
                "operation": _build_operations(operations[""]),
            }
        ],
    }


def _build_type(capability: Capability, space: SearchSpace, operations: Operations, name: str) -> JsonObject:
    exposed = capability.types[name].interactions
    writes = "create" in exposed
    resource: JsonObject = {
        "type": name,
        "profile": BASE + name,
        "interaction": [{"code": code} for code in sorted(exposed)],
        "versioning": "versioned-update" if writes else "versioned",
        "readHistory": True,
        "updateCreate": "update" in exposed,
        "conditionalCreate": writes,
        "conditionalRead": "full-support",
        "conditionalUpdate": "update" in exposed,
        "conditionalDelete": "single" if "delete" in exposed else "not-supported",
        "referencePolicy": ["literal", "logical", "local"],
    }
    if capability.types[name].documentation:
        resource["documentation"] = capability.types[name].documentation
    parameters = space.parameters(name).values()
    resource["searchParam"] = [_build_parameter(item) for item in parameters]
    includes = {
        "searchInclude": list(offered_includes(name, space)),
        "searchRevInclude": list(offered_reverse_includes(name, space)),
    }
    resource |= {key: offered for key, offered in includes.items() if offered}
    routed = operations[name]
    resource["operation"] = _build_operations(
        {code: routed[code] for code in routed if "update" in exposed or code not in _CHANGING}
    )
    return resource


def _build_operations(operations: Mapping[str, str]) -> list[JsonObject]:
    return [{"name": name, "definition": definition} for name, definition in sorted(operations.items())]


def _build_parameter(parameter: Parameter) -> JsonObject:
    """R4 has no element for the modifiers that a server takes."""
    row = {"name": parameter.code, "definition": parameter.url, "type": parameter.type}
    modifiers = ", ".join(f":{name}" for name in modifiers_of(parameter))
    return {**row, "documentation": f"Modifiers: {modifiers}"} if modifiers else row
