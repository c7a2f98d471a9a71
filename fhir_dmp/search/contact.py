"""Telephone numbers as search compares them: punctuation may be ignored, says https://hl7.org/fhir/R4/search.html#token."""

from __future__ import annotations

import re

_TELEPHONE = re.compile(r"\+?[\d\s().\-/]{3,}", re.ASCII)
_PUNCTUATION = re.compile(r"[\s().\-/]")


def contact_code(text: str) -> str:
    """Returns a ContactPoint's value; if it looks like a telephone number, its digits (and a leading plus) only."""
    return _PUNCTUATION.sub("", text) if _TELEPHONE.fullmatch(text) else text
