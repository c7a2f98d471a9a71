"""How far a resource is validated: a word of its own, for who says it without validating."""

from __future__ import annotations

from enum import Enum


class Depth(Enum):
    """How far a resource is validated, beyond its structure, which always is."""

    FULL = "full"
    """R4 and the profiles."""
    CORE = "core"
    """R4 alone, whatever profiles a resource claims."""
    OFF = "off"
