"""Format: how one primitive type is written in a JSON string."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fhir_dmp.validation.finding import FindingCode

Accept = Callable[[str], object]
"""A quick answer: truthy only where the text is right. Most texts need no other."""


@dataclass(frozen=True, slots=True)
class Format:
    """A primitive type's text, with its name in a sentence. What `accept` does not take, `explain` decides.

    `explain` returns why the text is wrong, empty where it is right after all (29 February of a leap year).
    """

    type: str
    title: str
    accept: Accept
    explain: Callable[[str], str]
    code: FindingCode = FindingCode.FORMAT
