"""_include and _revinclude: what a page carries beside its matches. https://hl7.org/fhir/R4/search.html#include."""

from __future__ import annotations

from fhir_dmp.search.chain import is_followed
from fhir_dmp.search.query import Include
from fhir_dmp.search.space import SearchSpace
from fhir_dmp.search.values import BadValue

ANY = "*"
_NAMES = {"_include": False, "_revinclude": True}
_SUFFIXES = {"": False, "iterate": True, "recurse": True}
"""`recurse` is what `iterate` was called before R4."""
_PARTS = 3


def is_include(name: str) -> bool:
    """Tells whether a parameter is _include or _revinclude, whatever follows a colon."""
    return name.partition(":")[0] in _NAMES


def parse_include(name: str, value: str, space: SearchSpace) -> Include:
    """Returns what to include. Raises BadValue where it is not known here, or would reach the whole record."""
    code, _, suffix = name.partition(":")
    is_reverse = _NAMES[code]
    if suffix not in _SUFFIXES:
        raise BadValue("it takes the modifier :iterate")
    if value == ANY and not is_reverse:
        return Include("", ANY, iterates=_SUFFIXES[suffix])
    parts = value.split(":")
    if not 1 < len(parts) <= _PARTS or not all(parts):
        raise BadValue("it is written Type:parameter or Type:parameter:Type")
    resource_type, parameter, target = (*parts, "")[:_PARTS]
    _check(resource_type, parameter, target, space)
    return Include(resource_type, parameter, target, is_reverse, _SUFFIXES[suffix])


def _check(resource_type: str, parameter: str, target: str, space: SearchSpace) -> None:
    if resource_type not in space.resource_types:
        raise BadValue(f"{resource_type[:64]} is no type here")
    followed = followed_parameters(resource_type, space)
    if parameter not in {ANY, *followed}:
        raise BadValue(f"{resource_type} has no reference parameter {parameter[:64]}")
    reached = {kind for code, targets in followed.items() if parameter in {ANY, code} for kind in targets}
    if target and target not in reached:
        raise BadValue(f"{parameter} of {resource_type} does not lead to {target[:64]}")


def followed_parameters(resource_type: str, space: SearchSpace) -> dict[str, tuple[str, ...]]:
    """Returns the parameters of a type by which includes go, with the types that each leads to, of those here."""
    followed = {
        code: tuple(target for target in parameter.targets if target in space.resource_types)
        for code, parameter in space.parameters(resource_type).items()
        if is_followed(parameter)
    }
    return {code: targets for code, targets in followed.items() if targets}


def offered_includes(resource_type: str, space: SearchSpace) -> tuple[str, ...]:
    """Returns what `_include` takes of a search of this type."""
    codes = sorted(followed_parameters(resource_type, space))
    return tuple(f"{resource_type}:{code}" for code in ([*codes, ANY] if codes else []))


def offered_reverse_includes(resource_type: str, space: SearchSpace) -> tuple[str, ...]:
    """Returns what `_revinclude` takes of a search of this type."""
    found = []
    for referrer in space.resource_types:
        followed = followed_parameters(referrer, space)
        codes = sorted(code for code, targets in followed.items() if resource_type in targets)
        found += [f"{referrer}:{code}" for code in ([*codes, ANY] if codes else [])]
    return tuple(found)
