"""Benchmarks: the server against the least that this machine needs for the same (docs/reference/benchmarks.md)."""
