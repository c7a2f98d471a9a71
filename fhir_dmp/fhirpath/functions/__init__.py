"""The functions of the language, by chapter of the specification: http://hl7.org/fhirpath/N1/#functions."""
