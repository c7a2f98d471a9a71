"""Function calls to code. Most are described by their signature; the few that gain from the types have code here.

http://hl7.org/fhirpath/N1/#functions
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fhir_dmp.fhirpath.compiler import Compiler, Focus
from fhir_dmp.fhirpath.expression import Call, Expression, Member, Path, Polarity, Special, TypeName
from fhir_dmp.fhirpath.functions.signature import NODE_KINDS, Function, Kind
from fhir_dmp.fhirpath.functions.table import FUNCTIONS
from fhir_dmp.fhirpath.member import compile_member
from fhir_dmp.fhirpath.model import TypeTest
from fhir_dmp.fhirpath.operand import EMPTY, Children, Empty, Items, Operand, Route, Scalar

BOOLEAN = "System.Boolean"
Invocation = Callable[[Compiler, Call, Operand, Focus], Operand]


def compile_call(compiler: Compiler, call: Call, operand: Operand, focus: Focus) -> Operand:
    """Calls a function on an operand. Its arguments see the focus of the whole expression, http://hl7.org/fhirpath/N1/#this."""
    special = _SPECIAL.get((call.name, len(call.arguments))) or _OF_ANY_ARITY.get(call.name)
    if special is not None:
        return special(compiler, call, operand, focus)
    known = FUNCTIONS.get(call.name)
    if known is None:
        raise compiler.refuse(call.position, f"there is no function {call.name}()")
    most = len(known.arguments)
    if not most - known.optional <= len(call.arguments) <= most:
        raise compiler.refuse(call.position, f"{call.name}() does not take {len(call.arguments)} argument(s)")
    return _compile_known(compiler, known, call, operand, focus)


def _compile_known(compiler: Compiler, known: Function, call: Call, operand: Operand, focus: Focus) -> Operand:
    items = compiler.items(operand) if known.focus == "Items" else None
    if items and not items.ordered and compiler.strict and call.name in _BY_ORDER:
        raise compiler.refuse(call.position, f"{call.name}() needs an order, and children have none")
    types = items.types if items else None
    texts = [items.text if items else compiler.scalar(operand, known.focus)]
    for kind, argument in zip(known.arguments, call.arguments, strict=False):
        texts.append(_argument(compiler, kind, argument, focus, types))
    compiler.source.position = call.position
    called = (
        f"{compiler.source.constant(known.call)}({', '.join([compiler.scope(), *texts] if known.scoped else texts)})"
    )
    needed = [
        text
        for text, kind in zip(texts, (known.focus, *known.arguments), strict=False)
        if kind not in NODE_KINDS and text not in compiler.source.constants
    ]
    if needed:
        empty = "()" if known.result in {"Items", "Same", "Item"} else "None"
        called = f"{empty} if {' or '.join(f'{text} is None' for text in needed)} else {called}"
    if items:
        compiler.charge(items.text)
    result = compiler.source.assign(called)
    if known.result == "Items":
        compiler.charge(result)
        return Items(result)
    if known.result in {"Same", "Item"}:
        return Items(result, types, known.result == "Item" or (items is not None and items.single))
    return Scalar(result, f"System.{known.result}")


def _argument(compiler: Compiler, kind: Kind, argument: Expression, focus: Focus, types: tuple[str, ...] | None) -> str:
    if kind in {"Test", "Projection", "Recursion"}:
        name = compiler.criterion(
            argument, None if kind == "Recursion" else types, "boolean" if kind == "Test" else "items"
        )
        return f"lambda m, i=0, t={focus.total}: {name}(x, m, i, t)"
    operand = compiler.compile(argument, focus)
    return compiler.items(operand).text if kind == "Items" else compiler.scalar(operand, kind)


def _compile_exists(compiler: Compiler, _call: Call, operand: Operand, _focus: Focus) -> Operand:
    return Scalar(compiler.exists(operand), BOOLEAN)


def _compile_exists_where(compiler: Compiler, call: Call, operand: Operand, focus: Focus) -> Operand:
    return Scalar(compiler.exists(_compile_where(compiler, call, operand, focus)), BOOLEAN)


def _compile_empty(compiler: Compiler, _call: Call, operand: Operand, _focus: Focus) -> Operand:
    return Scalar(compiler.source.assign(f"not {compiler.exists(operand)}"), BOOLEAN)


def _compile_count(compiler: Compiler, _call: Call, operand: Operand, _focus: Focus) -> Operand:
    return Scalar(compiler.count(operand), "System.Integer")


def _compile_not(compiler: Compiler, _call: Call, operand: Operand, _focus: Focus) -> Operand:
    value = compiler.boolean(operand)
    return Scalar(compiler.source.assign(f"None if {value} is None else not {value}"), BOOLEAN)


def _compile_has_value(compiler: Compiler, _call: Call, operand: Operand, _focus: Focus) -> Operand:
    if compiler.scalar_type(operand) is None or (isinstance(operand, Route) and not operand.single):
        return Scalar(compiler.source.assign(f"has_value({compiler.items(operand).text})"), BOOLEAN)
    value = compiler.scalar_of(operand)
    return Scalar(compiler.source.assign(f"{value.text} is not None") if value else "False", BOOLEAN)


def _compile_where(compiler: Compiler, call: Call, operand: Operand, focus: Focus) -> Operand:
    """Keeps the items for which the criterion is true; on a route of JSON objects this is one more condition."""
    (criterion,) = call.arguments
    if isinstance(operand, Empty):
        return EMPTY
    if isinstance(operand, Route) and operand.hops and operand.is_json and "$index" not in compiler.text:
        name = compiler.criterion(criterion, operand.types[0], "boolean")
        return operand.where(f"{name}(x, {{v}}, 0, {focus.total}) is True")
    items = compiler.items(operand)
    name = compiler.criterion(criterion, items.types, "boolean")
    compiler.source.position = call.position
    kept = f"[m for i, m in enumerate({items.text}) if {name}(x, m, i, {focus.total}) is True]"
    return Items(compiler.source.assign(kept), items.types, items.single)


def _compile_extension(compiler: Compiler, call: Call, operand: Operand, focus: Focus) -> Operand:
    """`extension(url)`: short for `extension.where(url = …)`."""
    (url,) = call.arguments
    extensions = compile_member(compiler, Member(call.position, "extension"), operand)
    if isinstance(extensions, Empty):
        return EMPTY
    text = compiler.scalar(compiler.compile(url, focus), "String")
    if isinstance(extensions, Route):
        return extensions.where(f"{text} is not None and {{v}}.get('url') == {text}")
    items = compiler.items(extensions)
    return Items(compiler.source.assign(f"with_url({items.text}, {text})"), items.types)


def _compile_has_extension(compiler: Compiler, call: Call, operand: Operand, focus: Focus) -> Operand:
    return Scalar(compiler.exists(_compile_extension(compiler, call, operand, focus)), BOOLEAN)


def _compile_iif(compiler: Compiler, call: Call, operand: Operand, focus: Focus) -> Operand:
    """Only the branch that is chosen is evaluated; criterion and branches see the input as $this."""
    source = compiler.source
    if call.arguments and operand is not focus.this:
        this = compiler.items(operand)
        source.line(f"single({this.text})")
        focus = Focus(Items(this.text, this.types, single=True), focus.index, focus.total)
    criterion = compiler.compile(call.arguments[0], focus)
    test = _strict_boolean(compiler, criterion)
    result = source.name()
    with source.block(f"if {test} is True:"):
        source.line(f"{result} = {compiler.items(compiler.compile(call.arguments[1], focus)).text}")
    with source.block("else:"):
        otherwise = compiler.compile(call.arguments[2], focus) if call.arguments[2:] else EMPTY
        source.line(f"{result} = {compiler.items(otherwise).text}")
    return Items(result)


def _strict_boolean(compiler: Compiler, operand: Operand) -> str:
    return compiler.scalar(operand, "Boolean")


def _type_argument(compiler: Compiler, call: Call) -> TypeName:
    (argument,) = call.arguments
    steps = argument.steps if isinstance(argument, Path) and argument.head is None else ()
    names = [step.name for step in steps if isinstance(step, Member)]
    if not 1 <= len(names) <= 2 or len(names) != len(steps):  # noqa: PLR2004  # namespace and name
        raise compiler.refuse(call.position, f"{call.name}() takes the name of a type")
    return TypeName(argument.position, names[0] if len(names) > 1 else "", names[-1])


def _compile_type_call(compiler: Compiler, call: Call, operand: Operand, _focus: Focus) -> Operand:
    return compile_type_operation(compiler, call.name, operand, _type_argument(compiler, call))


def compile_type_operation(compiler: Compiler, operator: str, operand: Operand, type_name: TypeName) -> Operand:
    """`is`, `as` and `ofType`: http://hl7.org/fhirpath/N1/#types."""
    test = compiler.type_test(type_name)
    if isinstance(operand, Empty):
        return EMPTY
    if operator == "is":
        return _compile_is(compiler, operand, test)
    if isinstance(operand, Route) and operand.hops and (operator == "ofType" or not compiler.strict):
        narrowed = _narrow(compiler, operand, test)
        if narrowed is not None:
            return narrowed
    items = compiler.items(operand)
    function = "as_type" if operator == "as" and compiler.strict else "of_type"
    made = compiler.source.assign(f"{function}({items.text}, {compiler.source.constant(test)})")
    kept = None if items.types is None else tuple(name for name in items.types if test.selects(name))
    if not kept and type_name.name in compiler.model.resource_types:
        kept = (type_name.name,)
    return Items(made, kept or None, items.single)


def _compile_is(compiler: Compiler, operand: Operand, test: TypeTest) -> Operand:
    items = compiler.items(operand)
    return Scalar(compiler.source.assign(f"is_type({items.text}, {compiler.source.constant(test)})"), BOOLEAN)


def _narrow(compiler: Compiler, route: Route, test: TypeTest) -> Operand | None:
    """The properties of a choice that hold the type; None where only the values can tell."""
    children = route.hops[-1].children
    if any(compiler.model.is_abstract(child.type_name) for child in children):
        return None
    kept = tuple(child for child in children if test.selects(child.type_name))
    return route.narrowed(kept) if kept else EMPTY


def _compile_resolve(compiler: Compiler, _call: Call, operand: Operand, _focus: Focus) -> Operand:
    items = compiler.items(operand)
    return Items(compiler.source.assign(f"resolve(M, {compiler.scope()}, {items.text})"), None, items.single)


def _compile_children(compiler: Compiler, _call: Call, operand: Operand, _focus: Focus) -> Operand:
    if isinstance(operand, Route) and not operand.hops and operand.start == "json":
        parent = f"M, {operand.text}, {operand.start_type!r}"
        return Children(f"all_children({parent})", f"count_children({parent})")
    return _charged(compiler, f"children(M, {compiler.items(operand).text})")


def _compile_descendants(compiler: Compiler, _call: Call, operand: Operand, _focus: Focus) -> Operand:
    if isinstance(operand, Route) and not operand.hops and operand.text == "x.root":
        return Items(compiler.source.assign(f"root_descendants(M, {compiler.scope()})"), ordered=False)
    return _charged(compiler, f"descendants(M, {compiler.items(operand).text})")


def _charged(compiler: Compiler, called: str) -> Items:
    found = compiler.source.assign(called)
    compiler.charge(found)
    return Items(found, ordered=False)


def _compile_sort(compiler: Compiler, call: Call, operand: Operand, focus: Focus) -> Operand:
    """`sort(key, …)`: a minus before a key means descending, also for what has no sign."""
    items = compiler.items(operand)
    keys = []
    for argument in call.arguments or (Special(call.position, "$this"),):
        descending = isinstance(argument, Polarity) and argument.negative
        key = argument.operand if isinstance(argument, Polarity) and descending else argument
        keys.append(f"({_argument(compiler, 'Projection', key, focus, items.types)}, {descending})")
    return Items(compiler.source.assign(f"sort({items.text}, [{', '.join(keys)}])"), items.types, items.single)


def _names(names: Sequence[str], arity: int, invocation: Invocation) -> dict[tuple[str, int], Invocation]:
    return dict.fromkeys(((name, arity) for name in names), invocation)


_SPECIAL: dict[tuple[str, int], Invocation] = {
    ("exists", 0): _compile_exists,
    ("exists", 1): _compile_exists_where,
    ("empty", 0): _compile_empty,
    ("count", 0): _compile_count,
    ("not", 0): _compile_not,
    ("hasValue", 0): _compile_has_value,
    ("where", 1): _compile_where,
    ("extension", 1): _compile_extension,
    ("hasExtension", 1): _compile_has_extension,
    ("iif", 2): _compile_iif,
    ("iif", 3): _compile_iif,
    ("resolve", 0): _compile_resolve,
    **_names(("is", "as", "ofType"), 1, _compile_type_call),
    ("children", 0): _compile_children,
    ("descendants", 0): _compile_descendants,
}
"""Functions whose code depends on the static types, by name and number of arguments."""
_BY_ORDER = frozenset({"first", "last", "tail", "skip", "take"})
"""Functions that depend on the order of the items."""
_OF_ANY_ARITY: dict[str, Invocation] = {"sort": _compile_sort}
