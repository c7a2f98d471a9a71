"""`fhir-dmp fhirpath`: evaluates an expression against the resource in a file, http://hl7.org/fhirpath/N1/."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import typer

from fhir_dmp.commands.check import Finding, parse_or_explain
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.files import read_file
from fhir_dmp.json_text import write_json
from fhir_dmp.loader import load_registry
from fhir_dmp.operations.evaluation import Question, evaluate
from fhir_dmp.operations.item import as_json
from fhir_dmp.outcome import FhirError
from fhir_dmp.packages.definitions import Definitions
from fhir_dmp.validation.compiler import Schemas


def evaluate_file(expression: str, file: Path, context: str) -> None:
    """Writes each result as a line of JSON on stdout; raises CommandError where the file or an expression is wrong.

    With a `context`, the expression is evaluated for each item that this one finds, in their order.
    """
    resource = parse_or_explain(read_file(file))
    if isinstance(resource, Finding):
        place = f"{file}:{resource.position.line}:{resource.position.column}"
        raise CommandError(Exit.REFUSED, f"{place}: {resource.issue.message}")
    registry = load_registry()
    try:
        rules = Definitions((), Schemas(registry)).build_rules()
        results = evaluate(Question(expression, resource, context), rules, registry, datetime.now(UTC))
    except FhirError as fault:
        raise CommandError(Exit.REFUSED, str(fault).rstrip(".")) from None
    for result in results:
        for node in result.nodes:
            typer.echo(write_json(as_json(node)).decode())
