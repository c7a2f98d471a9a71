"""FHIR XML: JSON objects ↔ XML text, driven by the definitions; pure. https://hl7.org/fhir/R4/xml.html."""
