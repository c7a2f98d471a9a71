"""$match: which Patients an identity may be. https://hl7.org/fhir/R4/patient-operation-match.html.

Only Patients whom the requester sees are compared: to anyone else the answer is that of a store without them. How alike
two identities are is said by record/comparison.py; a birth date whose day and month were mistaken for each other, or
with two digits of the year exchanged, is one more reason to look, and never more than possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed, open_gate
from fhir_dmp.interactions.redaction import redact
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.operations.bundles import build_scored
from fhir_dmp.operations.parameters import Inputs, missing, read_inputs
from fhir_dmp.operations.patient_record import read_all
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.record.comparison import Comparison, Grade, compare
from fhir_dmp.record.traits import Traits, read_traits
from fhir_dmp.resource import Version
from fhir_dmp.search.query import Clause, DateValue, Has, OfType, StringValue, TokenValue, all_of, any_of
from fhir_dmp.search.span import parse_span
from fhir_dmp.validation.validate import validate_structure

MOST_CANDIDATES = 1_000
MOST_TRAITS = 100
"""Numbers, and names, of the identity that is looked for: each is a question to the database."""
DEFAULT_COUNT, MAX_COUNT = 10, 100
_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
_MISTAKEN = 0.75
"""What a score is worth that rests on a birth date corrected by guess."""
_POSSIBLE = 0.7


async def match(context: Context, request: Request) -> Result:
    """Returns the Patients that may be the given one, the likeliest first, each with its score and grade."""
    check_exposed(context, request, "operation")
    inputs = read_inputs(context, request, ("resource", "onlyCertainMatches", "count"))
    traits = _read_traits(context, inputs)
    clause = all_of([OfType(("Patient",)), _build_clause(context, traits)])
    restriction = await open_gate(context, request, "search-type", clause)
    candidates = await read_all(context, restriction, ["Patient"], clause, MOST_CANDIDATES)
    graded = sorted(_grade(traits, candidates), key=lambda row: (-row[1].score, row[0].identity))
    if inputs.boolean("onlyCertainMatches"):
        certain = [row for row in graded if row[1].grade is Grade.CERTAIN]
        graded = certain if len(certain) == 1 else []
    count = inputs.number("count")
    graded = graded[: min(DEFAULT_COUNT if count is None else count, MAX_COUNT)]
    shown = await redact(context, request, [version for version, _ in graded])
    rows = [(version, _write(found)) for version, (_, found) in zip(shown, graded, strict=True)]
    return Result(Status.OK, body=build_scored(context.base_url, rows, total=len(rows)), versions=shown)


def _read_traits(context: Context, inputs: Inputs) -> Traits:
    """The identity to look for; raises FhirError where it is no Patient, or too little to find one by."""
    patient = inputs.resource("resource")
    if patient is None:
        raise missing("resource")
    if patient.get("resourceType") != "Patient":
        raise error(Category.MALFORMED, "resource-type", "The parameter resource has to be a Patient.")
    issues = validate_structure(patient, context.schemas)
    if issues:
        raise FhirError(Category.MALFORMED, *issues)
    traits = read_traits(patient)
    if not traits.matricules and not traits.computed and not (traits.families and traits.birth):
        raise missing("resource, with a matricule INS, an INS-C, or family name and birth date,")
    if max(len(traits.matricules), len(traits.computed), len(traits.families)) > MOST_TRAITS:
        message = f"The identity has more than {MOST_TRAITS} numbers or family names."
        raise error(Category.TOO_COSTLY, "search-too-costly", message, "Patient")
    return traits


def _build_clause(context: Context, traits: Traits) -> Clause:
    """What a Patient has to have to be looked at: a number, or a name, or a birth date near to the given ones."""
    numbers = [TokenValue(*text.rsplit("|", 1)) for text in sorted(traits.matricules)]
    numbers += [TokenValue(None, text) for text in sorted(traits.computed)]
    births = [
        span for day in sorted({traits.birth, *_mistaken(traits.birth)}) if (span := parse_span(day, context.zone))
    ]
    wanted: list[Clause] = []
    if numbers:
        wanted.append(Has("Patient", "identifier", tuple(numbers)))
    if traits.families:
        wanted.append(Has("Patient", "family", tuple(map(StringValue, sorted(traits.families)))))
    if births and traits.families:
        wanted.append(Has("Patient", "birthdate", tuple(DateValue("eq", *span) for span in births)))
    return any_of(wanted)


def _grade(traits: Traits, candidates: Iterable[Version]) -> Iterator[tuple[Version, Comparison]]:
    """Yields those that may be the same person."""
    for version in candidates:
        found = _compare(traits, parse_json_object(version.content or b"{}"))
        if found.grade is not Grade.NONE:
            yield version, found


def _compare(traits: Traits, patient: JsonObject) -> Comparison:
    other = read_traits(patient)
    found = compare(traits, other)
    if found.grade is not Grade.NONE or other.birth not in _mistaken(traits.birth):
        return found
    guessed = compare(replace(traits, birth=other.birth), other)
    score = round(guessed.score * _MISTAKEN, 2)
    return (
        Comparison(Grade.POSSIBLE, score)
        if score >= _POSSIBLE * _MISTAKEN and guessed.grade is not Grade.NONE
        else found
    )


def _mistaken(written: str) -> frozenset[str]:
    """The days for which a date may have been taken: day and month, or the last digits of the year, exchanged."""
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return frozenset()
    year, month, number = written.split("-")
    guesses = {f"{year}-{number}-{month}", f"{year[:2]}{year[3]}{year[2]}-{month}-{number}"}
    return frozenset(guess for guess in guesses if _is_day(guess) and guess != day.isoformat())


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _write(found: Comparison) -> JsonObject:
    grade = {"url": _GRADE, "valueCode": found.grade.value}
    return {"extension": [grade], "mode": "match", "score": round(found.score, 2)}
