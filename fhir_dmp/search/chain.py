"""Names of parameters that lead to other resources, taken apart and checked against what is searched here.

    subject:Patient.name:exact      a chain: parameter, type (where it could be several), and what is asked there
    _has:Observation:patient:code   a reverse chain: type, its parameter, and what is asked there
    _list                           what the entries of a List refer to

https://hl7.org/fhir/R4/search.html#chaining, #has and #list
"""

from __future__ import annotations

from collections.abc import Iterator

from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.search.query import Hop
from fhir_dmp.search.space import Parameter, SearchSpace

HAS, LIST = "_has:", "_list"
LIST_TYPE, LIST_PARAMETER = "List", "item"
_PARTS = 4
"""`_has`, type, parameter, and the rest."""
_SHOWN = 64


def is_join(name: str) -> bool:
    """Tells whether a parameter's name asks for other resources."""
    return name.startswith(HAS) or "." in name or name == LIST


def is_followed(parameter: Parameter) -> bool:
    """Tells whether a parameter has references to resources; canonicals are found by their URL alone."""
    return parameter.type == "reference" and "Reference" in parameter.element_types


def split_chain(name: str) -> tuple[str, str, str]:
    """Returns a chain's first parameter, the type that it is narrowed to ("" none), and what is asked there."""
    first, _, rest = name.partition(".")
    code, _, resource_type = first.partition(":")
    return code, resource_type, rest


def find_target(parameter: Parameter | None, name: str, space: SearchSpace) -> str:
    """Returns the type that a chain's first parameter leads to. Raises FhirError where there is none, or no one."""
    code, wanted, rest = split_chain(name)
    if parameter is None or not is_followed(parameter):
        raise _refuse(name, f"{code[:_SHOWN]} is no parameter here that refers to resources")
    targets = [target for target in parameter.targets if target in space.resource_types]
    if wanted:
        if wanted not in targets:
            raise _refuse(name, f"{code} leads to {_list(targets)}, not to {wanted[:_SHOWN]}")
        return wanted
    asked = rest.partition(".")[0].partition(":")[0]
    able = [target for target in targets if rest.startswith(HAS) or asked in space.parameters(target)]
    if len(able) > 1:
        ways = [f"{code}:{target}.{rest[:_SHOWN]}" for target in able]
        raise _refuse(name, f"{code} leads to several types that know {asked[:_SHOWN]}; write {_list(ways)}")
    if not able:
        raise _refuse(name, f"none of the types that {code} leads to ({_list(targets)}) knows {asked[:_SHOWN]}")
    return able[0]


def split_has(name: str) -> tuple[str, str, str]:
    """Returns a reverse chain's type, its parameter, and what is asked there. Raises FhirError."""
    parts = name.split(":", _PARTS - 1)
    if len(parts) < _PARTS or not all(parts):
        raise _refuse(name, "it is written _has:Type:reference:parameter")
    return parts[1], parts[2], parts[3]


def find_hops(name: str, resource_types: tuple[str, ...], space: SearchSpace) -> list[Hop]:
    """Returns the ways by which a reverse chain reaches some types. Raises FhirError where there is none."""
    referrer, code, _ = split_has(name)
    parameter = space.parameters(referrer).get(code) if referrer in space.resource_types else None
    if parameter is None or not is_followed(parameter):
        raise _refuse(name, f"{referrer[:_SHOWN]} has no parameter {code[:_SHOWN]} here that refers to resources")
    reached = [kind for kind in resource_types if kind in parameter.targets]
    if not reached:
        raise _refuse(name, f"{code} of {referrer} leads to {_list(parameter.targets)} only")
    return [Hop(referrer, code, kind) for kind in reached]


def refuse_unknown(name: str, asked: str, resource_type: str) -> FhirError:
    """Returns the refusal of a chain that asks for what its last type does not know."""
    return _refuse(name, f"{resource_type} has no search parameter {asked[:_SHOWN]} here")


def _list(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(_few(names))


def _few(names: list[str] | tuple[str, ...], most: int = 8) -> Iterator[str]:
    yield from names[:most]
    if len(names) > most:
        yield "…"


def _refuse(name: str, reason: str) -> FhirError:
    message = f"The chain {name[:_SHOWN]} cannot be followed: {reason}."
    return error(Category.INVALID_PARAMETER, "parameter-chain", message, f"http.{name[:_SHOWN]}")
