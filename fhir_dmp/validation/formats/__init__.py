"""How the primitives that JSON writes as strings are written: https://hl7.org/fhir/R4/datatypes.html#primitive."""
