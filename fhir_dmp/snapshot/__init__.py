"""Snapshots: what a profile's differential says on top of its base, https://hl7.org/fhir/R4/profiling.html#snapshot.

Pure. `generate_snapshot` for one definition; `Snapshots` where many are made and share what they have in common.
"""

from fhir_dmp.snapshot.generate import Snapshots, generate_snapshot

__all__ = ["Snapshots", "generate_snapshot"]
