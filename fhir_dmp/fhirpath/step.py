"""Paths: their steps, and the type name that may stand first. http://hl7.org/fhirpath/N1/#path-selection."""

from __future__ import annotations

from fhir_dmp.fhirpath.compiler import Compiler, Focus
from fhir_dmp.fhirpath.expression import Call, Item, Literal, Member, Path, Step
from fhir_dmp.fhirpath.invocation import compile_call
from fhir_dmp.fhirpath.member import compile_member
from fhir_dmp.fhirpath.model import Model
from fhir_dmp.fhirpath.operand import EMPTY, Children, Empty, Items, Operand, Scalar


def compile_path(compiler: Compiler, path: Path, focus: Focus) -> Operand:
    """Follows the steps from the head, or from the focus."""
    steps = path.steps
    if path.head is not None:
        operand = compiler.compile(path.head, focus)
    else:
        operand = focus.this
        started = _start_with_type(compiler, steps[0], operand)
        if started is not None:
            operand, steps = started, steps[1:]
    for step in steps:
        compiler.source.position = step.position
        operand = _compile_step(compiler, step, operand, focus)
    return operand


def _compile_step(compiler: Compiler, step: Step, operand: Operand, focus: Focus) -> Operand:
    match step:
        case Member():
            return compile_member(compiler, step, operand)
        case Call():
            return compile_call(compiler, step, operand, focus)
        case Item(_, Literal(_, int() as index)) if not isinstance(operand, Empty):
            items = compiler.items(operand)
            return Items(compiler.source.assign(f"{items.text}[{index}:{index + 1}]"), items.types, single=True)
        case Item():
            items = compiler.items(operand)
            index_text = compiler.scalar(compiler.compile(step.index, focus), "Integer")
            return Items(compiler.source.assign(f"item({items.text}, {index_text})"), items.types, single=True)


def _start_with_type(compiler: Compiler, step: Step, this: Operand) -> Operand | None:
    """What a leading type name stands for, `Patient.name`: the focus, if it is of that type; None for other steps."""
    if not isinstance(step, Member) or not step.name[:1].isupper() or isinstance(this, Scalar | Children | Empty):
        return None
    model = compiler.model
    test = model.type_test("FHIR", step.name)
    if test is None:
        return None
    types = this.types
    if types is not None and all(test.covers(name) for name in types):
        return this
    if types is not None and not any(_may_become(model, name, step.name) for name in types):
        if compiler.strict:
            raise compiler.refuse(step.position, f"the context is no {step.name}")
        return EMPTY
    items = compiler.items(this)
    made = compiler.source.assign(f"of_type({items.text}, {compiler.source.constant(test)})")
    return Items(made, (step.name,), items.single)


def _may_become(model: Model, declared: str, wanted: str) -> bool:
    """Tells whether a value of the declared type may turn out to be of the wanted one."""
    return model.is_abstract(declared) and declared in model.ancestors(wanted)
