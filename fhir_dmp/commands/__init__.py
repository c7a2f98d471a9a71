"""What the command line does: one module per command, and what several of them share. No HTTP server, no FHIR rule."""
