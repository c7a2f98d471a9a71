"""fhir-dmp: a FHIR R4 server for France's shared medical record."""

VERSION = "0.1.0"
