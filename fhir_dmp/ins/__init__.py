"""The national health identity's numbers: the matricule INS with its key, and the historical INS-C. Pure."""
