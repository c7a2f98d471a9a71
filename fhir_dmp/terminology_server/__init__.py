"""An external terminology server, asked for what the code systems at hand cannot tell; configured, never required."""
