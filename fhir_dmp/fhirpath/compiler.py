"""The compiler's state, and how it brings an operand into the form that a consumer needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fhir_dmp.fhirpath.expression import Expression, TypeName
from fhir_dmp.fhirpath.fault import expression_error
from fhir_dmp.fhirpath.fixed import is_worth_keeping
from fhir_dmp.fhirpath.model import Model, TypeTest
from fhir_dmp.fhirpath.operand import EMPTY, Children, Empty, Items, Operand, Route, Scalar
from fhir_dmp.fhirpath.route import write_count, write_exists, write_items, write_value
from fhir_dmp.fhirpath.source import Source
from fhir_dmp.fhirpath.system import SYSTEM_TYPE_OF
from fhir_dmp.outcome import FhirError

Form: TypeAlias = Literal["items", "boolean"]
"""What a generated function returns: a list of Node, or True, False or None."""
PARAMETERS = "x, n, i, t"
"""What each generated function takes: the Scope, the focus, $index and $total."""


@dataclass(frozen=True, slots=True)
class Focus:
    """What `$this`, `$index` and `$total` are where an expression stands; the latter two are Python variables."""

    this: Operand
    index: str = "i"
    total: str = "t"


Handler: TypeAlias = Callable[["Compiler", Any, Focus], Operand]
"""Writes the code of one kind of expression node (the second argument) and returns where its value is."""


class Compiler:
    """Writes one program. `strict` refuses what the types rule out instead of yielding nothing."""

    def __init__(
        self, text: str, model: Model, handlers: Mapping[type, Handler], *, resource_type: str, strict: bool
    ) -> None:
        """Starts an empty program for the expression in `text`; `resource_type` is what %resource is."""
        self.text = text
        self.model = model
        self.resource_type = resource_type
        self.strict = strict
        self.source = Source()
        self.needs_scope = False
        self.needs_context = False
        self._handlers = handlers
        self._depth = 0

    def compile(self, expression: Expression, focus: Focus) -> Operand:
        """Writes the code of an expression and returns where its value is."""
        self.source.position = expression.position
        if self.is_kept(expression):
            return self.keep(expression, focus, "{}")
        return self._handlers[type(expression)](self, expression, focus)

    def is_kept(self, expression: Expression) -> bool:
        """Tells whether an expression is evaluated once for each Scope where it stands here."""
        return self._depth > 0 and is_worth_keeping(expression)

    def keep(self, expression: Expression, focus: Focus, form: str) -> Items:
        """Writes code that evaluates an expression once for each Scope; `form` is the Python made of its items."""
        key = self.source.constant(object())
        kept = self.source.assign(f"{self.scope()}.fixed.get({key})")
        with self.source.block(f"if {kept} is None:"):
            items = self.items(self._handlers[type(expression)](self, expression, focus))
            self.source.line(f"{kept} = x.fixed[{key}] = {form.format(items.text)}")
        return Items(kept, items.types, items.single, items.ordered)

    def charge(self, items: str) -> None:
        """Writes code that counts the items of a list as steps; only within criteria, where they may multiply."""
        if self._depth:
            self.source.line(f"{self.scope()}.budget.left -= len({items})")

    def scope(self) -> str:
        """Returns the variable that holds the Scope; programs that never ask run without one."""
        self.needs_scope = True
        return "x"

    def refuse(self, position: int, message: str) -> FhirError:
        """Builds the error to raise for a fault that is known before the expression is ever evaluated."""
        return expression_error(self.text, position, message)

    def type_test(self, type_name: TypeName) -> TypeTest:
        """Returns the test of a type specifier; raises FhirError for a type that is unknown."""
        test = self.model.type_test(type_name.namespace, type_name.name)
        if test is None:
            raise self.refuse(type_name.position, f"there is no type '{type_name.name}'")
        return test

    def write_function(
        self, name: str, expression: Expression, this_type: str | tuple[str, ...] | None, form: Form
    ) -> None:
        """Writes a function that evaluates an expression.

        `this_type` is a string where it will get a JSON object of that type, else the types that its Node may have.
        """
        with self.source.function(name, PARAMETERS):
            this: Operand
            if isinstance(this_type, str):
                this = Route("n", "json", this_type)
            else:
                this = Items(self.source.assign("(n,)"), this_type, single=True)
            if self._depth:
                self.source.line(f"{self.scope()}.budget.left -= 1")
                self.source.line("if x.budget.left < 0: exhaust()")
            found = self.compile(expression, Focus(this))
            answer = self.boolean(found) if form == "boolean" else self.items(found).text
            if form == "items":
                self.charge(answer)
            self.source.line(f"return {answer}")

    def criterion(self, expression: Expression, this_type: str | tuple[str, ...] | None, form: Form) -> str:
        """Writes an argument as a function of its own and returns its name."""
        name = self.source.name("c")
        self._depth += 1
        self.write_function(name, expression, this_type, form)
        self._depth -= 1
        return name

    def items(self, operand: Operand) -> Items:
        """Writes code that has an operand as a list of Node."""
        match operand:
            case Items():
                return operand
            case Route():
                return write_items(self.source, operand)
            case Scalar(text, type_name):
                made = self.source.assign(f"[] if {text} is None else [Node({text}, {type_name!r})]")
                return Items(made, (type_name,), single=True)
            case Children(listed):
                return Items(self.source.assign(listed), ordered=False)
            case Empty():
                return Items("()", (), single=True)

    def exists(self, operand: Operand) -> str:
        """Writes code that tells whether an operand has any item; returns a Python atom."""
        match operand:
            case Items(text):
                return self.source.assign(f"len({text}) > 0")
            case Route():
                return write_exists(self.source, operand)
            case Scalar(text):
                return self.source.assign(f"{text} is not None")
            case Children():
                return self.source.assign(f"{operand.counted} > 0")
            case Empty():
                return "False"

    def count(self, operand: Operand) -> str:
        """Writes code that counts the items of an operand; returns a Python atom."""
        match operand:
            case Items(text):
                return self.source.assign(f"len({text})")
            case Route():
                return write_count(self.source, operand)
            case Scalar(text):
                return self.source.assign(f"0 if {text} is None else 1")
            case Children():
                return self.source.assign(operand.counted)
            case Empty():
                return self.source.assign("0")

    def scalar_type(self, operand: Operand) -> str | None:
        """Returns the System type of an operand that is one System value or a primitive of one static type."""
        if isinstance(operand, Scalar):
            return operand.type_name
        if isinstance(operand, Route) and operand.hops and len(operand.types) == 1:
            child = operand.hops[-1].children[0]
            return f"System.{SYSTEM_TYPE_OF[child.type_name]}" if child.is_primitive else None
        return None

    def scalar_of(self, operand: Operand) -> Scalar | None:
        """Writes code that has an operand as one System value, where its static type says which; None where not."""
        system = self.scalar_type(operand)
        if system is None or isinstance(operand, Scalar):
            return operand if isinstance(operand, Scalar) else None
        return Scalar(write_value(self.source, operand), system) if isinstance(operand, Route) else None

    def boolean(self, operand: Operand) -> str:
        """Writes code that has an operand as True, False or None: a single item that is no boolean counts as true.

        http://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections
        """
        if operand is EMPTY:
            return "None"
        known = self.scalar_of(operand)
        if known is None:
            return self.source.assign(f"singleton_boolean({self.items(operand).text})")
        if known.type_name == "System.Boolean":
            return known.text
        return self.source.assign(f"None if {known.text} is None else True")

    def scalar(self, operand: Operand, system: str) -> str:
        """Writes code that has an operand as a value of this System type, or None for none; returns a Python atom."""
        if operand is EMPTY:
            return "None"
        known = self.scalar_of(operand)
        if known is None:
            return self.source.assign(f"single_{system}({self.items(operand).text})")
        if known.type_name == f"System.{system}":
            return known.text
        return self.source.assign(f"to_{system}_implicitly({known.text})")
