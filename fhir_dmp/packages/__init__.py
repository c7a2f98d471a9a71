"""FHIR packages: archives of definitions, and what is known by canonical once they are read."""
