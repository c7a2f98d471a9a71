"""The embedded MongoDB: the only package that starts processes (docs/decisions/0002)."""
