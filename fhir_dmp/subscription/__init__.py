"""What a Subscription asks for and what it is told, without I/O: https://hl7.org/fhir/R4/subscription.html."""
