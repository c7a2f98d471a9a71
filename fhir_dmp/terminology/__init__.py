"""What codes mean: membership, expansion, look-up and subsumption, https://hl7.org/fhir/R4/terminologies-systems.html."""
