"""FHIRPath 2.0, compiled to Python: http://hl7.org/fhirpath/N1/ with R4's functions, https://hl7.org/fhir/R4/fhirpath.html.

lexer → parser → expression (the tree) → compile (typed, to Python source) → functions (what the source calls).
"""
