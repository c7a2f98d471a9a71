"""What a client can do: one file per interaction of https://hl7.org/fhir/R4/http.html."""
