"""Rules: all that resources are held against at one moment. Made anew when a definition comes or goes."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_dmp.conformance.profiles import Lookup, Profiles
from fhir_dmp.terminology.terminology import Terminology
from fhir_dmp.validation.compiler import Schemas


@dataclass(frozen=True, slots=True)
class Rules:
    """R4's structures, the profiles and the terminology, each compiled as it is needed.

    `find` returns any definition at hand by its canonical, with version or without; None where it is not known.
    """

    schemas: Schemas
    profiles: Profiles
    terminology: Terminology
    find: Lookup
