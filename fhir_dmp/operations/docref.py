"""$docref: which documents there are about a patient. http://hl7.org/fhir/uv/ipa/OperationDefinition/docref.

Every document is stored here, none is made on demand: `on-demand=true`, which asks for such alone, finds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fhir_dmp.bundle import build_link
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed, open_gate
from fhir_dmp.interactions.redaction import redact
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.operations.bundles import build_searchset
from fhir_dmp.operations.care_dates import about_time
from fhir_dmp.operations.parameters import Given, Inputs, read_inputs
from fhir_dmp.operations.patient_record import read_all
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Version
from fhir_dmp.search.query import AboutPatient, Clause, Has, Nothing, OfType, Sort, TokenValue, all_of

DEFINITION = "http://hl7.org/fhir/uv/ipa/OperationDefinition/docref"
MOST_DOCUMENTS = 1_000
_KNOWN = ("patient", "start", "end", "type", "on-demand")
_CURRENT = Has("DocumentReference", "status", (TokenValue(None, "current"),))
_NEWEST_FIRST = (Sort("date", "date", descending=True, is_main=True),)


async def docref(context: Context, request: Request) -> Result:
    """Returns the documents of a patient; without `start` and `end` the newest current one of each type."""
    check_exposed(context, request, "operation")
    inputs = read_inputs(context, request, _KNOWN)
    patient = inputs.needed_text("patient").removeprefix(f"{context.base_url}/").removeprefix("Patient/")
    clauses = [AboutPatient((patient,)), *about_time(context, inputs), *_of_kind(inputs)]
    clause = all_of(clauses)
    restriction = await open_gate(context, request, "search-type", all_of([OfType(("DocumentReference",)), clause]))
    found = await read_all(context, restriction, ["DocumentReference"], clause, MOST_DOCUMENTS, sort=_NEWEST_FIRST)
    if "start" not in inputs and "end" not in inputs:
        found = _newest_of_each_type(found)
    shown = await redact(context, request, found)
    links = [("self", build_link(context.base_url, request.path, request.parameters))]
    body = build_searchset(context.base_url, shown, links=links, total=len(shown))
    return Result(Status.OK, body=body, versions=shown)


def _of_kind(inputs: Inputs) -> Iterator[Clause]:
    """The conditions of `type`, of `on-demand`, and of a call that names no time: then only current documents count."""
    wanted = [token for given in inputs.all("type") for token in _read_type(given)]
    if wanted:
        yield Has("DocumentReference", "type", tuple(wanted))
    if inputs.boolean("on-demand"):
        yield Nothing()
    if "start" not in inputs and "end" not in inputs:
        yield _CURRENT


def _read_type(given: Given) -> list[TokenValue]:
    """The codes of a CodeableConcept or Coding, or of a token as search writes it."""
    if isinstance(given.value, dict):
        codings = given.value.get("coding", [given.value])
        found = [TokenValue(row.get("system"), row["code"]) for row in codings if "code" in row]
    else:
        texts = [text for text in str(given.value).split(",") if text.strip("|")]
        found = [_read_token(text.strip()) for text in texts]
    if not found:
        message = "type takes a CodeableConcept with a code, or a token such as http://loinc.org|34133-9."
        raise error(Category.INVALID_PARAMETER, "parameter-value", message, given.at)
    return found


def _read_token(text: str) -> TokenValue:
    system, bar, code = text.rpartition("|")
    return TokenValue(system if bar else None, code or None)


def _newest_of_each_type(versions: Sequence[Version]) -> list[Version]:
    """The first of each type of document, where they come newest first."""
    found: dict[object, Version] = {}
    for version in versions:
        concept: JsonObject = parse_json_object(version.content or b"{}").get("type", {})
        codings = frozenset((row.get("system"), row.get("code")) for row in concept.get("coding", ()))
        found.setdefault(codings or concept.get("text", ""), version)
    return list(found.values())
