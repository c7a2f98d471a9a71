"""Synthetic French records: people, their professionals and years of care, drawn from public figures by seed."""
