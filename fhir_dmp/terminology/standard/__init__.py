"""Code systems that are defined outside FHIR and need no CodeSystem resource: each by its own standard."""
