"""Changes to values: another code, another string, as right in form as the one before."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from tests.conformance.mutation.place import Json, Place, at, replace
from tests.conformance.mutation.slices import contains

_CODING = {"system": "http://example.org/no-such-system", "code": "no-such-code"}


def uncode(resource: Json, place: Place) -> None:
    """Puts a code there that is in no value set."""
    value = at(resource, place)
    if isinstance(value, str):
        replace(resource, place, "no-such-code")
    elif "coding" in value or not value.keys() & {"system", "code"}:
        value["coding"] = [copy.deepcopy(_CODING)]
    else:
        value.update(_CODING)


def leaves(value: Json, path: Place = ()) -> Iterator[Place]:
    """Yields the places of the strings, numbers and booleans in a value."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, key))
    else:
        yield path


def break_leaf(resource: Json, place: Place, told: Json, leaf: Place) -> None:
    """Changes one string of a value that contains `told`, in all items of arrays that contain what is told there."""
    if not leaf:
        replace(resource, place, another(at(resource, place)))
        return
    wanted = told[leaf[0]]
    if isinstance(leaf[0], str):
        break_leaf(resource, (*place, leaf[0]), wanted, leaf[1:])
        return
    for index, item in enumerate(at(resource, place)):
        if contains(item, wanted):
            break_leaf(resource, (*place, index), wanted, leaf[1:])


def another(value: Json) -> Json:
    """Returns another value of the same form."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value}.9" if value.startswith("urn:oid:") else f"{value}-other"


def release(resource: Json) -> None:
    """Lets local references lead elsewhere, to a resource of the same type."""
    names = {f"#{item['id']}": f"{item['resourceType']}/1" for item in resource["contained"]}
    _rename(resource, names)


def _rename(value: Json, names: dict[str, str]) -> None:
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _rename(item, names)
    if isinstance(value, dict) and value.get("reference") in names:
        value["reference"] = names[value["reference"]]
