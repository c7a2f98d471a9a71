"""Regular expressions from outside (profiles, value sets): their running time is bounded, or they are refused."""
