"""batch: entries that succeed or fail each for itself, https://hl7.org/fhir/R4/http.html#transaction."""

from __future__ import annotations

import asyncio
from functools import partial

from fhir_dmp.bundle import build_response
from fhir_dmp.interactions.answer import Answer
from fhir_dmp.interactions.capabilities import capabilities
from fhir_dmp.interactions.context import Context, Run, method_not_allowed
from fhir_dmp.interactions.entry import (
    ORDER,
    Entry,
    build_entry_error,
    build_entry_response,
    parse_entry,
    rows_of,
    within_entry,
)
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.interactions.trace import run_traced
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import FhirError

CONCURRENT = 16
"""Entries of one batch that are under way at once."""


async def batch(context: Context, request: Request, bundle: JsonObject) -> Result:
    """Runs each entry as if it had come alone; deletions first, reads last, as in a transaction."""
    check_exposed(context, request, "batch")
    rows = rows_of(bundle)
    entries: list[Entry] = []
    answers: dict[int, JsonObject] = {}
    for index, row in enumerate(rows):
        try:
            with within_entry(index):
                entries.append(parse_entry(context, request, index, row))
        except FhirError as fault:
            answers[index] = build_entry_error(fault)
    places, answer = asyncio.Semaphore(CONCURRENT), Answer()

    async def run(entry: Entry) -> None:
        async with places:
            answers[entry.index] = await _run_entry(context, entry, answer)

    for method in ORDER:
        await asyncio.gather(*(run(entry) for entry in entries if entry.method == method))
    return Result(Status.OK, body=build_response("batch-response", [answers[index] for index in range(len(rows))]))


async def _run_entry(context: Context, entry: Entry, answer: Answer) -> JsonObject:
    try:
        with within_entry(entry.index):
            result = await _find_run(context, entry)(context, answer.admit(entry))
    except FhirError as fault:
        return build_entry_error(fault)
    answer.add(entry, result)
    return build_entry_response(entry, result, context.base_url)


def _find_run(context: Context, entry: Entry) -> Run:
    """Returns what an entry asks for; what everybody may know, as the capabilities, is in nobody's trace."""
    if entry.shape != "metadata":
        return partial(run_traced, context.routes.find(entry.method, entry.shape, entry.request.resource_type))
    if entry.method not in {"GET", "HEAD"}:
        raise method_not_allowed(entry.method)
    return capabilities
