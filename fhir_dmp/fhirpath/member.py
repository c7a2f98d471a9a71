"""One step to the children of a name: a hop where the types are known, a look-up at run time where they are not."""

from __future__ import annotations

from fhir_dmp.fhirpath.compiler import Compiler
from fhir_dmp.fhirpath.expression import Member
from fhir_dmp.fhirpath.model import Child
from fhir_dmp.fhirpath.operand import EMPTY, Children, Empty, Items, Operand, Route, Scalar, Start


def compile_member(compiler: Compiler, step: Member, operand: Operand) -> Operand:
    """The children of this name."""
    match operand:
        case Empty():
            return EMPTY
        case Children():
            return _dynamic_member(compiler, step, compiler.items(operand))
        case Scalar():
            raise compiler.refuse(step.position, f"a {operand.type_name} has no '{step.name}'")
        case Route():
            return _route_member(compiler, step, operand)
        case Items(text, (type_name,), single) if compiler.model.keys(type_name):
            start: Start = "elements" if type_name in compiler.model.primitive_types else "nodes"
            return _route_member(compiler, step, Route(text, start, type_name, (), single))
        case Items():
            return _dynamic_member(compiler, step, operand)


def _dynamic_member(compiler: Compiler, step: Member, items: Items) -> Items:
    return Items(compiler.source.assign(f"member(M, {items.text}, {step.name!r})"))


def _route_member(compiler: Compiler, step: Member, route: Route) -> Operand:
    model = compiler.model
    declared = list(route.types)
    with_member = [name for name in declared if step.name in model.children(name)]
    if len(with_member) != 1 or declared.count(with_member[0]) > 1:
        if not with_member and not any(model.is_abstract(name) for name in declared):
            return _absent(compiler, step, declared)
        return _dynamic_member(compiler, step, compiler.items(route))
    children = model.children(with_member[0])[step.name]
    if not route.hops:
        return route.then(children)
    (source,) = (child for child in route.hops[-1].children if child.type_name == with_member[0])
    if source.is_primitive:
        beside = Child("_" + source.key, "Element", source.repeats, is_primitive=False, is_resource=False)
        return route.narrowed((beside,)).then(children)
    return route.narrowed((source,)).then(children)


def _absent(compiler: Compiler, step: Member, declared: list[str]) -> Operand:
    if compiler.strict:
        raise compiler.refuse(step.position, f"{' or '.join(declared)} has no element '{step.name}'")
    return EMPTY
