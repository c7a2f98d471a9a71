"""Environment variables: http://hl7.org/fhirpath/N1/#environment-variables, https://hl7.org/fhir/R4/fhirpath.html#vars."""

from __future__ import annotations

from fhir_dmp.fhirpath.compiler import Compiler, Focus
from fhir_dmp.fhirpath.expression import External
from fhir_dmp.fhirpath.fault import EvaluationError
from fhir_dmp.fhirpath.node import Nodes, Scope
from fhir_dmp.fhirpath.operand import Items, Operand, Route, Scalar
from fhir_dmp.fhirpath.system import UCUM

_CONSTANTS = {"sct": "http://snomed.info/sct", "loinc": "http://loinc.org", "ucum": UCUM}
_PREFIXES = {"vs-": "http://hl7.org/fhir/ValueSet/", "ext-": "http://hl7.org/fhir/StructureDefinition/"}


def compile_external(compiler: Compiler, node: External, _focus: Focus) -> Operand:
    """Writes the look-up of a variable; those that are urls are known at once."""
    for prefix, base in _PREFIXES.items():
        if node.name.startswith(prefix):
            return Scalar(compiler.source.constant(base + node.name.removeprefix(prefix)), "System.String")
    if node.name in _CONSTANTS:
        return Scalar(compiler.source.constant(_CONSTANTS[node.name]), "System.String")
    scope = compiler.scope()
    if node.name == "resource":
        return Route(f"{scope}.root", "json", compiler.resource_type)
    if node.name == "rootResource":
        return Route(compiler.source.assign(f"{scope}.outermost or {scope}.root"), "json", "Resource")
    if node.name == "context":
        compiler.needs_context = True
        return Items(compiler.source.assign(f"({scope}.context,)"), single=True)
    return Items(compiler.source.assign(f"variable_of({scope}, {node.name!r})"))


def variable_of(scope: Scope, name: str) -> Nodes:
    """Returns a variable that the caller gave; raises EvaluationError where there is none."""
    if scope.variables is None or name not in scope.variables:
        raise EvaluationError(f"there is no variable %{name}")
    return scope.variables[name]
