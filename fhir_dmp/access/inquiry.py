"""Inquiry: who asks for what, when; and what every requester may see because it is nobody's."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_dmp.access.clauses import EVERYTHING, NOTHING, among
from fhir_dmp.access.closure import Closure
from fhir_dmp.access.requester import Requester
from fhir_dmp.access.scopes import Scope, scope_clause
from fhir_dmp.instant import Milliseconds
from fhir_dmp.search.query import Clause, OfType

DIRECTORY = (
    "Practitioner", "PractitionerRole", "Organization", "OrganizationAffiliation", "Location", "HealthcareService",
    "Endpoint", "Medication", "Substance",
)  # fmt: skip
CONFORMANCE = (
    "StructureDefinition", "ValueSet", "CodeSystem", "ConceptMap", "NamingSystem", "SearchParameter",
    "CompartmentDefinition", "OperationDefinition", "CapabilityStatement", "ImplementationGuide", "StructureMap",
    "MessageDefinition", "GraphDefinition", "TerminologyCapabilities",
)  # fmt: skip
PUBLIC = OfType(DIRECTORY + CONFORMANCE)
"""What is in no patient's record: every authenticated requester may read it."""
SUBSCRIPTION = "Subscription"
"""What is in no record either, and its subscriber's alone."""
_OUTSIDE = OfType((*PUBLIC.resource_types, SUBSCRIPTION))


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One request. `interaction` is a code of http://hl7.org/fhir/restful-interaction.

    `scopes` are those of the token, None where there is none (the server itself, an open server). `records` is how many
    patients' records it is about.
    """

    requester: Requester
    closure: Closure
    scopes: tuple[Scope, ...] | None
    interaction: str
    now: Milliseconds
    records: int = 1

    @property
    def scope(self) -> Clause:
        """What the token leaves of the interaction."""
        if self.scopes is None:
            return EVERYTHING
        patient = self.requester.patient_id or self.requester.launch_patient
        return scope_clause(self.scopes, self.interaction, patient, _OUTSIDE)

    def lacks_scope(self, resource_type: str = "") -> bool:
        """Tells whether the token alone rules out the interaction on a type, whatever is stored; "": on every type."""
        return (among(self.scope, frozenset({resource_type})) if resource_type else self.scope) == NOTHING
