"""Who may see what. Pure: a decision needs no store, no clock and no header."""
