"""$fhirpath: evaluates an expression, with the parameters of the FHIRPath Lab's server API.

https://github.com/brianpos/fhirpath-lab/blob/develop/server-api.md
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from fhir_dmp import VERSION
from fhir_dmp.fhirpath.model import model_of
from fhir_dmp.fhirpath.node import Node, Nodes
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.json_text import JsonObject, parse_json_object, write_json
from fhir_dmp.operations.evaluation import MOST_LENGTH, Evaluated, Question, evaluate, find_places, too_costly
from fhir_dmp.operations.item import JSON_VALUE, build_part
from fhir_dmp.operations.parameters import Given, Inputs, answer_parameters, missing, read_inputs, read_row
from fhir_dmp.operations.syntax import write_tree
from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.validation.validate import validate_structure

DEFINITION = "https://fhir-dmp.fr/OperationDefinition/fhirpath"
_KNOWN = ("expression", "context", "resource", "variables", "validate", "terminologyserver")
_EVALUATOR = f"fhir-dmp {VERSION} (R4)"
MOST_VARIABLES = 1_000
MOST_BYTES = 16 * 1024 * 1024
"""Of an answer."""


async def fhirpath(context: Context, request: Request) -> Result:
    """Evaluates the expression for the resource, or for each item that the context expression finds in it."""
    check_exposed(context, request, "operation")
    inputs = read_inputs(context, request, _KNOWN)
    question = Question(
        expression=inputs.needed_text("expression", MOST_LENGTH),
        resource=_read_resource(inputs),
        context=inputs.text("context", MOST_LENGTH),
        variables=_read_variables(context, inputs),
        strict=bool(inputs.boolean("validate")),
    )
    now = datetime.fromtimestamp(context.now() / 1000, UTC)
    results = evaluate(question, context.rules(), context.registry, now)
    writer = _Writer(context, question.resource)
    rows = [_echo(context, question, inputs), *(writer.result(one) for one in results)]
    return answer_parameters(rows, "fhirpath")


def _read_resource(inputs: Inputs) -> JsonObject:
    found = inputs.one("resource")
    if found is None:
        raise missing("resource")
    text = _json_value(found)
    if text:
        return parse_json_object(text.encode())
    return inputs.resource("resource") or {}


def _json_value(given: Given) -> str:
    """The JSON text that a parameter carries in an extension; empty where it carries none."""
    texts = (row.get("valueString", "") for row in given.row.get("extension", ()) if row["url"] == JSON_VALUE)
    return next(texts, "")


def _read_variables(context: Context, inputs: Inputs) -> dict[str, Nodes]:
    variables: dict[str, list[Node]] = {}
    parts = [part for one in inputs.all("variables") for part in one.row.get("part", ())]
    if len(parts) > MOST_VARIABLES:
        raise too_costly(f"there are more than {MOST_VARIABLES:,} variables")
    for part in parts:
        given = read_row(part, "variables")
        variables.setdefault(given.name, []).extend(_read_nodes(context, given))
    return dict(variables)


def _read_nodes(context: Context, given: Given) -> Iterator[Node]:
    resource = given.row.get("resource")
    text = _json_value(given)
    if text:
        resource = parse_json_object(text.encode())
    if resource is not None:
        issues = validate_structure(resource, context.schemas)
        if issues:
            raise FhirError(Category.MALFORMED, *issues)
        yield Node(resource, model_of(context.registry).resource_type(resource, "Resource"))
    elif given.type_name:
        small = given.type_name[0].lower() + given.type_name[1:]
        type_name = small if small in context.registry.primitive_types else given.type_name
        yield Node(given.value, type_name, given.row.get(f"_value{given.type_name}"))


def _echo(context: Context, question: Question, inputs: Inputs) -> JsonObject:
    """The part that says what was asked, and of whom."""
    parts = [
        {"name": "evaluator", "valueString": _EVALUATOR},
        {"name": "expression", "valueString": question.expression},
    ]
    if tree := write_tree(question.expression):
        parts.append({"name": "parseDebugTree", "valueString": tree})
    if question.context:
        parts.append({"name": "context", "valueString": question.context})
    parts.append(_resource_part(context, question.resource))
    parts += [one.row for one in inputs.all("variables")]
    if "terminologyserver" in inputs:
        message = "terminologyserver is left aside: this server has its own terminology"
        parts.append({"name": "warning", "valueString": message})
    return {"name": "parameters", "part": parts}


def _resource_part(context: Context, resource: JsonObject) -> JsonObject:
    if not validate_structure(resource, context.schemas):
        return {"name": "resource", "resource": resource}
    text = write_json(resource).decode()
    return {"name": "resource", "extension": [{"url": JSON_VALUE, "valueString": text}]}


class _Writer:
    """Writes results, as long as the answer is not too large."""

    def __init__(self, context: Context, resource: JsonObject) -> None:
        self._schemas = context.schemas
        self._places = find_places(resource, resource["resourceType"], model_of(context.registry))
        self._left = MOST_BYTES

    def result(self, found: Evaluated) -> JsonObject:
        """Returns the part with the results in one context, and what was traced there."""
        parts = [*self._parts(found.nodes), *(self._trace(name, nodes) for name, nodes in found.traces)]
        row: JsonObject = {"name": "result"} | ({"valueString": found.place} if found.place else {})
        return row | ({"part": parts} if parts else {})

    def _trace(self, name: str, nodes: Nodes) -> JsonObject:
        row: JsonObject = {"name": "trace"} | ({"valueString": name} if name.strip() else {})
        parts = self._parts(nodes)
        return row | ({"part": parts} if parts else {})

    def _parts(self, nodes: Nodes) -> list[JsonObject]:
        return [self._part(node) for node in nodes]

    def _part(self, node: Node) -> JsonObject:
        part = build_part(node, self._places, self._schemas)
        self._left -= len(write_json(part))
        if self._left < 0:
            raise too_costly(f"the results have more than {MOST_BYTES:,} bytes")
        return part
