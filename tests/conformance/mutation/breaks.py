"""Breaks: for each kind of constraint, how it is broken, and the finding that there has to be."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import jsonpatch

from fhir_dmp.spec.registry import BASE
from tests.conformance.mutation.change import break_leaf, leaves, release, uncode
from tests.conformance.mutation.constraint import Constraint, Reader
from tests.conformance.mutation.host import Host
from tests.conformance.mutation.mutant import Breaker, Mutant, Unbroken
from tests.conformance.mutation.place import Json, Place, at, remove
from tests.conformance.mutation.place import replace as put
from tests.conformance.mutation.sample import read_table
from tests.conformance.mutation.slices import contains, explain_undecided, is_unknown
from tests.conformance.mutation.trees import slices_of

CARDINALITY = frozenset({"profile-cardinality", "structure-required", "extension-content"})


def break_constraint(breaker: Breaker, constraint: Constraint) -> Iterator[Mutant]:
    """Yields the mutants of a constraint. Raises Unbroken where there can be none."""
    if constraint.kind not in _BREAKS:
        raise Unbroken("kind-not-broken")
    yield from _BREAKS[constraint.kind](breaker, constraint)


def _min(breaker: Breaker, constraint: Constraint) -> Iterator[Mutant]:
    resource, parent, places = breaker.built(constraint)
    if constraint.element.name == "contained":
        release(resource)
    for place in reversed(places[constraint.detail - 1 :]):
        remove(resource, place)
    yield breaker.mutant(constraint, resource, CARDINALITY, parent)


def _max(breaker: Breaker, constraint: Constraint) -> Iterator[Mutant]:
    if constraint.detail == 0:
        yield _forbidden(breaker, constraint)
        return
    resource, parent, places = breaker.built(constraint)
    if not isinstance(places[0][-1], int):
        raise Unbroken("single-by-r4")
    items = at(resource, places[0][:-1])
    items += [copy.deepcopy(at(resource, places[0])) for _ in range(constraint.detail + 1 - len(places))]
    yield breaker.mutant(constraint, resource, CARDINALITY, parent)


def _forbidden(breaker: Breaker, constraint: Constraint) -> Mutant:
    above = constraint.steps[:-1]
    resource = breaker.sample(above)
    place = breaker.located(resource, above)[1][0] if (*breaker.host.steps, *above) else ()
    prop = breaker.sampler.trees.members(constraint.element.name, constraint.group)[0]
    value = breaker.sampler.make(prop, constraint.base)
    at(resource, place)[prop.key] = [value] if prop.element.repeats else value
    return breaker.mutant(constraint, resource, CARDINALITY, place)


def _type(breaker: Breaker, constraint: Constraint) -> Iterator[Mutant]:
    resource, parent, places = breaker.built(constraint)
    remove_key(resource, places[0])
    left = [
        item
        for item in breaker.sampler.trees.members(constraint.element.name, constraint.group)
        if item.type.code in constraint.detail
    ]
    for prop in left[:1] + left[-1:] if len(left) > 1 else left:
        changed = copy.deepcopy(resource)
        at(changed, parent)[prop.key] = breaker.sampler.make(prop, constraint.base)
        yield breaker.mutant(constraint, changed, {"profile-type"}, (*parent, prop.key), prop.type.code)


def remove_key(resource: Json, place: Place) -> None:
    """Takes a choice element away, to be written as another type."""
    del at(resource, place[:-1])[place[-1]]


def _value(breaker: Breaker, constraint: Constraint) -> Iterator[Mutant]:
    resource, _, places = breaker.built(constraint)
    told = constraint.detail
    if not contains(at(resource, places[0]), told):
        raise Unbroken("not-built")
    for leaf in leaves(told):
        changed = copy.deepcopy(resource)
        for place in places:
            break_leaf(changed, place, told, leaf)
        label = ".".join(str(step) for step in leaf if isinstance(step, str))
        yield breaker.mutant(constraint, changed, {f"profile-{constraint.kind}"}, places[0], label)


def _binding(breaker: Breaker, constraint: Constraint) -> Iterator[Mutant]:
    if is_unknown(breaker.sampler.trees, constraint.detail):
        raise Unbroken("value-set-absent")
    resource, _, places = breaker.built(constraint)
    for place in places:
        uncode(resource, place)
    yield breaker.mutant(constraint, resource, {"binding"}, places[0])


def _invariant(breaker: Breaker, constraint: Constraint) -> Iterator[Mutant]:
    key = constraint.detail
    row = next(item for item in constraint.node.row["constraint"] if item["key"] == key)
    if "expression" not in row:
        raise Unbroken("no-expression")
    fragments = read_table("fragments")
    fragment = fragments.get(f"{breaker.host.name} {key}", fragments.get(key))
    if fragment is None:
        raise Unbroken("no-fragment")
    resource = breaker.sample(constraint.steps)
    place = breaker.located(resource, constraint.steps)[1][0]
    for operation in fragment:
        path = "".join(f"/{step}" for step in place) + operation["path"]
        resource = jsonpatch.apply_patch(resource, [operation | {"path": path}])
    yield replace(breaker.mutant(constraint, resource, {"invariant"}, place), text=f"({key})")


def _closed(breaker: Breaker, constraint: Constraint) -> Iterator[Mutant]:
    for part in slices_of(constraint.element):
        reason = explain_undecided(breaker.sampler.trees, constraint.element, part)
        if reason:
            raise Unbroken(reason)
    resource, parent, places = breaker.built(constraint)
    members = breaker.sampler.trees.members(constraint.element.name, constraint.group)
    if constraint.element.name.endswith("[x]"):
        remove_key(resource, places[0])
        taken = {item["code"] for part in slices_of(constraint.element) for item in part.row["type"]}
        prop = next(item for item in members if item.type.code not in taken)
        at(resource, parent)[prop.key] = breaker.sampler.make(prop, constraint.base)
        yield breaker.mutant(constraint, resource, {"profile-slice", "profile-type"}, (*parent, prop.key))
        return
    items = at(resource, places[0][:-1])
    items.append(breaker.sampler.make(members[0], constraint.base))
    yield breaker.mutant(constraint, resource, {"profile-slice"}, (*places[0][:-1], len(items) - 1))


def _target(breaker: Breaker, constraint: Constraint) -> Iterator[Mutant]:
    profiles = breaker.sampler.trees.profiles
    if any(profiles.type_of(target) is None for target in constraint.detail):
        raise Unbroken("profile-absent")
    resource, place = _referring(breaker, constraint)
    allowed = {profiles.type_of(target) for target in constraint.detail}
    references = [item for item in constraint.base.row.get("type", ()) if item["code"] == "Reference"]
    by_r4 = {target.removeprefix(BASE) for item in references for target in item.get("targetProfile", ())}
    others = sorted((by_r4 - {"Resource"} or {"Basic"}) - allowed)
    if others:
        put(resource, place, {"reference": f"{others[0]}/1"})
        yield breaker.mutant(constraint, resource, {"reference-profile"}, place)
        return
    broken, canonical = _broken_target(breaker, constraint.detail)
    reference = f"{broken['resourceType']}/broken"
    put(resource, place, {"reference": reference})
    made = breaker.mutant(constraint, resource, {"reference-profile"}, place, canonical.rpartition("/")[2])
    yield replace(made, targets={reference: broken | {"id": "broken"}})


def _referring(breaker: Breaker, constraint: Constraint) -> tuple[Json, Place]:
    """A sample whose element is written as a Reference, and its place."""
    resource, parent, places = breaker.built(constraint)
    if constraint.element.name.endswith("[x]"):
        remove_key(resource, places[0])
        key = f"{constraint.element.name[:-3]}Reference"
        at(resource, parent)[key] = {"reference": "Patient/1"}
        return resource, (*parent, key)
    return resource, places[0]


def _broken_target(breaker: Breaker, canonicals: list[str]) -> tuple[Json, str]:
    """A resource that breaks one of several profiles that are shipped."""
    plain = {canonical.removeprefix(BASE) for canonical in canonicals}
    for canonical in canonicals:
        name = breaker.sampler.trees.profiles.type_of(canonical)
        if name is None or name in plain:
            continue
        url = canonical.partition("|")[0]
        profile = {"id": url.rpartition("/")[2], "url": url, "type": name, "kind": "resource"}
        other = Breaker(Host(profile, url, name, (), None), breaker.sampler)
        for constraint in other.constraints():
            if constraint.kind in {"min", "max"} and not constraint.slicers:
                return next(break_constraint(other, constraint)).resource, canonical
    raise Unbroken("target-demands-nothing")


def _aggregation(breaker: Breaker, constraint: Constraint) -> Iterator[Mutant]:
    resource, place = _referring(breaker, constraint)
    name = at(resource, place)["reference"]
    target = next(
        (item["resourceType"] for item in resource.get("contained", ()) if f"#{item['id']}" == name), "Organization"
    )
    put(resource, place, {"reference": f"{target}/1"})
    yield breaker.mutant(constraint, resource, {"reference-aggregation"}, place)


def _profile(breaker: Breaker, constraint: Constraint) -> Iterator[Mutant]:
    trees = breaker.sampler.trees
    if len(constraint.detail) != 1:
        raise Unbroken("several-profiles")
    tree = trees.profiles.tree(constraint.detail[0])
    if tree is None:
        raise Unbroken("profile-absent")
    type_name = trees.profiles.type_of(constraint.detail[0]) or ""
    for inner in Reader(trees).constraints(tree, type_name):
        moved = replace(inner, steps=(*constraint.steps, *inner.steps), slicers=())
        if not inner.slicers and inner.kind in {"min", "max", "type", "pattern", "binding", "invariant"}:
            try:
                made = next(break_constraint(breaker, moved))
            except Unbroken:
                continue
            yield replace(made, name=f"{breaker.host.name} {constraint.name} by {inner.name}")
            return
    raise Unbroken("profile-demands-nothing")


def _context(breaker: Breaker, constraint: Constraint) -> Iterator[Mutant]:
    yield _misplaced(breaker, constraint, "extension", "extension-context")


def _modifier(breaker: Breaker, constraint: Constraint) -> Iterator[Mutant]:
    yield _misplaced(breaker, constraint, "modifierExtension", "extension-modifier")


def _misplaced(breaker: Breaker, constraint: Constraint, key: str, code: str) -> Mutant:
    sample = breaker.sample()
    extension = at(sample, breaker.located(sample, ())[1][0])
    resource = {"resourceType": "Basic", "code": {"text": "text"}, key: [extension]}
    name = f"{breaker.host.name} {constraint.kind}"
    return Mutant(name, resource, (), frozenset({code}), frozenset({f"Basic.{key}[0]"}))


_BREAKS = {
    "min": _min,
    "max": _max,
    "type": _type,
    "fixed": _value,
    "pattern": _value,
    "binding": _binding,
    "invariant": _invariant,
    "closed": _closed,
    "target": _target,
    "aggregation": _aggregation,
    "profile": _profile,
    "context": _context,
    "modifier": _modifier,
}
