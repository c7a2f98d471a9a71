"""What a clause is confined to, whatever else it asks: resources, patients, types."""

from __future__ import annotations

from fhir_dmp.resource import Identity
from fhir_dmp.search.query import AboutPatient, And, Clause, Contains, Has, Nothing, OfType, Or, WithId


def identities_in(clause: Clause) -> tuple[Identity, ...]:
    """Returns the resources that a clause asks for by their ids; none where it does not."""
    match clause:
        case WithId(resource_type, resource_ids):
            return tuple(Identity(resource_type, name) for name in resource_ids)
        case And(clauses):
            return next((found for inner in clauses if (found := identities_in(inner))), ())
    return ()


def patients_in(clause: Clause) -> frozenset[str] | None:
    """Returns the patients that a clause is confined to, None where it is confined to none."""
    match clause:
        case AboutPatient(patient_ids):
            return frozenset(patient_ids)
        case WithId("Patient", resource_ids):
            return frozenset(resource_ids)
    return _patients_of_several(clause)


def _patients_of_several(clause: Clause) -> frozenset[str] | None:
    match clause:
        case And(clauses):
            parts = [found for found in map(patients_in, clauses) if found is not None]
            return parts[0].intersection(*parts) if parts else None
        case Or(clauses):
            parts = [found for found in map(patients_in, clauses) if found is not None]
            return frozenset[str]().union(*parts) if len(parts) == len(clauses) else None
    return None


def asked_inside(clause: Clause) -> Clause | None:
    """Returns what a search asks of contained resources (`_contained`), whose containers it confines to nothing."""
    match clause:
        case Contains(inside) | Or((_, Contains(inside))):
            return inside
    return None


def may_be_of(clause: Clause, resource_type: str) -> bool:
    """Tells whether a clause may be true of a resource of a type; false only where it never is."""
    match clause:
        case OfType(resource_types):
            return resource_type in resource_types
        case WithId(name, _) | Has(name, _, _):
            return name == resource_type
        case And(clauses):
            return all(may_be_of(inner, resource_type) for inner in clauses)
        case Or(clauses):
            return any(may_be_of(inner, resource_type) for inner in clauses)
    return not isinstance(clause, Nothing)
