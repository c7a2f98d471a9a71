"""One module per aspect of a definition: the rule, and the builder that makes it of an element or group."""
