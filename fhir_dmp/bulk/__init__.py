"""Bulk data: what a population export is about, its files, and who may have them (docs/decisions/0035)."""
