"""A code system that a standard defines, as the rest of terminology sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from fhir_dmp.terminology.codes import Decide, Rule
from fhir_dmp.terminology.membership import NO, Membership

_LONGEST_KEPT = 100


@dataclass(frozen=True, slots=True)
class Standard:
    """`codes` are those that can be listed, `rest` answers for all others; `folded` where case means nothing.

    `properties` are what filters of value sets may ask of a code, each as a function of it.
    """

    url: str
    codes: tuple[str, ...] = ()
    rest: Membership | Rule = NO
    folded: bool = False
    properties: Mapping[str, Callable[[str], str]] = field(default_factory=lambda: MappingProxyType({}))


def remember(decide: Decide) -> Decide:
    """Returns a grammar that remembers what it decided of the codes in use; of long codes it remembers nothing."""
    kept = lru_cache(maxsize=4096)(decide)
    return lambda code: kept(code) if len(code) <= _LONGEST_KEPT else decide(code)
