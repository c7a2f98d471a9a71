"""Which items are in a slice, read from the snapshot alone: nothing here is shared with the rules that mutants test."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_dmp.snapshot.node import Node, capitalize
from fhir_dmp.terminology.membership import Member
from tests.conformance.mutation.place import Json, Place, at
from tests.conformance.mutation.trees import Steps, Trees, codes_of, profiles_of, slices_of, value_of

_BY_TYPE = [{"type": "type", "path": "$this"}]
_BY_URL = [{"type": "value", "path": "url"}]


def discriminators(element: Node) -> list[dict[str, str]]:
    """Returns what tells the slices of an element."""
    found: list[dict[str, str]] = element.row.get("slicing", {}).get("discriminator", [])
    implied = _BY_TYPE if element.name.endswith("[x]") else _BY_URL if element.name.endswith("xtension") else []
    return found or implied


def telling_steps(element: Node, part: Node) -> list[Steps]:
    """Returns the elements of a slice's item that tell it is in the slice."""
    found = [steps for item in discriminators(element) for steps in [_steps(item["path"], part)] if steps]
    return [*found, *(deeper for steps in found for deeper in _said_below(part, steps))]


def _said_below(part: Node, steps: Steps) -> Iterator[Steps]:
    """The elements below one that a slice says something of, in as many words as it has."""
    node: Node | None = part
    for name, _ in steps:
        node = node.children.get(name) if node else None
    for name, child in node.children.items() if node and value_of(node) is None else ():
        if says(child):
            yield (*steps, (name, ""))
            yield from _said_below(part, (*steps, (name, "")))


def _steps(path: str, part: Node) -> Steps:
    if path in {"$this", "url"}:
        return ()
    if path.startswith("extension("):
        url, _, rest = path.removeprefix("extension('").partition("')")
        inner = part.children["extension"].slices.values()
        name = next(item.slice_name for item in inner if url in {row.partition("|")[0] for row in profiles_of(item)})
        return (("extension", name), *((f"{word}[x]", "") for word in rest.split(".") if word))
    return tuple((word, "") for word in path.split("."))


def places_of(trees: Trees, resource: Json, parent: Place, element: Node, part: Node) -> list[Place]:
    """Returns where the items of an element are that are in one of its slices, or all for the element itself."""
    items = list(_items(resource, parent, element))
    if part is element:
        return items
    return [place for place in items if _holds(trees, element, part, str(_key(place)), at(resource, place))]


def _items(resource: Json, parent: Place, element: Node) -> Iterator[Place]:
    plain = element.name.removesuffix("[x]")
    value = at(resource, parent)
    for key in value if isinstance(value, dict) else ():
        if key == plain or (element.name != plain and key.startswith(plain) and key[len(plain) :][:1].isupper()):
            found = value[key]
            yield from ((*parent, key, n) for n in range(len(found))) if isinstance(found, list) else [(*parent, key)]


def _key(place: Place) -> str | int:
    return place[-2] if isinstance(place[-1], int) else place[-1]


def _holds(trees: Trees, element: Node, part: Node, key: str, value: Json) -> bool:
    for item in discriminators(element):
        if item["type"] == "type":
            plain = element.name.removesuffix("[x]")
            held = key[len(plain) :] in {capitalize(code) for code in codes_of(part)}
        elif item["path"] == "url":
            held = value.get("url") == url_of(part)
        else:
            steps = _steps(item["path"], part)
            held = any(_tells(trees, node, found) for node, found in _descend(trees, part, value, steps))
        if not held:
            return False
    return bool(discriminators(element))


def explain_undecided(trees: Trees, element: Node, part: Node) -> str:
    """Returns why nothing tells the items of a slice here, nothing where it can be told."""
    is_extension = element.name.endswith("xtension")
    if not is_extension and any(trees.profiles.tree(canonical) is None for canonical in profiles_of(part)):
        return "profile-absent"
    paths = telling_steps(element, part)
    nodes = [node for steps in paths or [()] for node in _nodes(trees, part, steps)]
    bound = [node.row["binding"]["valueSet"] for node in nodes if _is_only_bound(node)]
    if any(is_unknown(trees, value_set) for value_set in bound):
        return "value-set-absent"
    return "slice-tells-nothing" if paths and not bound and not any(_speaks(node) for node in nodes) else ""


def _speaks(node: Node) -> bool:
    """Tells whether an element, one below, or one in a slice has a fixed value or a pattern."""
    below = (*node.children.values(), *node.slices.values())
    return value_of(node) is not None or any(_speaks(inner) for inner in below)


def _is_only_bound(node: Node) -> bool:
    return not _speaks(node) and bool(node.row.get("binding", {}).get("strength") == "required")


def is_unknown(trees: Trees, value_set: str) -> bool:
    """Tells whether what is in a value set is not here."""
    answer = trees.profiles.terminology.membership(value_set, "http://example.org/no-such-system", "no-such-code")
    return answer.member is Member.UNKNOWN


def _nodes(trees: Trees, node: Node, steps: Steps) -> Iterator[Node]:
    """The elements that a path leads to, through slices as well."""
    if not steps:
        yield node
        return
    name, part_name = steps[0]
    children = node.children or trees.children(node, codes_of(node)[0] if codes_of(node) else "")
    child = children.get(name) or children.get(f"{name}[x]")
    for found in (child, *slices_of(child)) if child else ():
        if part_name in {"", found.slice_name}:
            yield from _nodes(trees, found, steps[1:])


def url_of(part: Node) -> str:
    """Returns the url of the extensions in a slice, or of an extension that nothing is said of."""
    inner = part.children.get("url")
    told = value_of(inner) if inner else None
    canonicals = profiles_of(part) or ["http://example.org/extension"]
    return str(told[1]) if told else canonicals[0].partition("|")[0]


def _descend(trees: Trees, node: Node, value: Json, steps: Steps) -> Iterator[tuple[Node, Json]]:
    if not steps:
        yield node, value
        return
    children = node.children or trees.children(node, codes_of(node)[0] if codes_of(node) else "")
    name, part_name = steps[0]
    child = children.get(name) or children.get(f"{name}[x]")
    if child is None:
        return
    part = child.slices.get(part_name, child) if part_name else child
    for place in places_of(trees, value, (), child, part):
        for told in [part, *(part.slices.values() if part is child else ())]:
            yield from _descend(trees, told, at(value, place), steps[1:])


def _tells(trees: Trees, node: Node, value: Json) -> bool:
    told = value_of(node)
    if told:
        return contains(value, told[1])
    if not says(node) and node.row.get("binding", {}).get("strength") in {"required", "extensible"}:
        return _is_bound(trees, node.row["binding"]["valueSet"], value)
    inner = [(child, item) for name, child in node.children.items() for item in [_child(value, name)]]
    telling = [(child, item) for child, item in inner if says(child)]
    return bool(telling) and all(
        any(_tells(trees, child, one) for one in (item if isinstance(item, list) else [item]))
        for child, item in telling
    )


def _child(value: Json, name: str) -> Json:
    return value.get(name) if isinstance(value, dict) else None


def says(node: Node) -> bool:
    """Tells whether an element, or one below, has a fixed value or a pattern."""
    return value_of(node) is not None or any(says(child) for child in node.children.values())


def _is_bound(trees: Trees, value_set: str, value: Json) -> bool:
    codings = value.get("coding", [value]) if isinstance(value, dict) else [{"code": value}]
    ask = trees.profiles.terminology.membership
    answers = [
        ask(value_set, item.get("system", ""), item["code"], infer_system="system" not in item) for item in codings
    ]
    return any(answer.member is Member.YES for answer in answers)


def contains(value: Json, wanted: Json) -> bool:
    """Tells whether a value has all of another."""
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(key in value and contains(value[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(contains(item, one) for item in value) for one in wanted)
    return bool(value == wanted)
