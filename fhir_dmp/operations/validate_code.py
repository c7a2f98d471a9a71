"""$validate-code of value sets and code systems: is this a code of it, and is that its name.

https://hl7.org/fhir/R4/valueset-operation-validate-code.html,
https://hl7.org/fhir/R4/codesystem-operation-validate-code.html. The answer is yes or no; where it cannot be known,
because content is not here, there is an error that says what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.definition import Definition, find_definition
from fhir_dmp.operations.parameters import Inputs, answer_parameters, missing, read_inputs
from fhir_dmp.outcome import Category, FhirError, Issue, error
from fhir_dmp.terminology.concept import DisplayMatch
from fhir_dmp.terminology.membership import Member, Membership, either
from fhir_dmp.terminology.terminology import CodingValidation, Terminology

_CODE = ("code", "coding", "codeableConcept")
_COMMON = ("url", *_CODE, "display", "abstract")
_VALUE_SET = (*_COMMON, "valueSet", "valueSetVersion", "system", "systemVersion", "inferSystem")
_CODE_SYSTEM = (*_COMMON, "codeSystem", "version")
_UNNAMED = DisplayMatch("unknown")
MOST_CODINGS = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a code belongs, and its display."""

    code: str
    membership: Membership
    display: DisplayMatch


async def validate_in_value_set(context: Context, request: Request) -> Result:
    """Tells whether a code, Coding or CodeableConcept is in a value set."""
    check_exposed(context, request, "operation")
    inputs = read_inputs(context, request, _VALUE_SET)
    found = await find_definition(context, request, inputs, "ValueSet", "valueSetVersion")
    codings = _read_codings(inputs, "systemVersion")
    allows_abstract = inputs.boolean("abstract")
    infers = bool(inputs.boolean("inferSystem"))

    def judge(coding: JsonObject) -> Verdict:
        if infers and "system" not in coding:
            code = coding.get("code", "")
            return Verdict(code, found.terminology.membership(found.canonical, "", code, infer_system=True), _UNNAMED)
        verdict = _as_verdict(coding, found.terminology.validate_coding(found.canonical, coding))
        return _refuse_abstract(found.terminology, coding, verdict) if allows_abstract is False else verdict

    return _answer(codings, judge, f"in the value set {found.canonical[:200]}")


async def validate_in_code_system(context: Context, request: Request) -> Result:
    """Tells whether a code, Coding or CodeableConcept has a code of a code system."""
    check_exposed(context, request, "operation")
    inputs = read_inputs(context, request, _CODE_SYSTEM)
    codings = _read_codings(inputs, "version")
    found = await _find_code_system(context, request, inputs, codings)
    url, _, version = found.canonical.partition("|")
    allows_abstract = inputs.boolean("abstract")

    def judge(coding: JsonObject) -> Verdict:
        code, display = coding.get("code", ""), coding.get("display", "")
        if coding.get("system", url) != url:
            raise error(Category.INVALID_PARAMETER, "parameter-conflict", f"The coding is not one of {url[:200]}.")
        answer = found.terminology.in_code_system(url, code, version=coding.get("version") or version)
        verdict = Verdict(code, answer, found.terminology.match_display(url, code, display))
        own = {"system": url, **coding}
        return _refuse_abstract(found.terminology, own, verdict) if allows_abstract is False else verdict

    return _answer(codings, judge, f"a code of {found.canonical[:200]}")


async def _find_code_system(
    context: Context, request: Request, inputs: Inputs, codings: list[JsonObject]
) -> Definition:
    """A coding names its code system itself."""
    is_named = request.resource_id or "codeSystem" in inputs or "url" in inputs
    named = codings[0].get("system", "")
    if not is_named and named:
        return Definition(context.rules().terminology, named)
    return await find_definition(context, request, inputs, "CodeSystem", "version")


def _read_codings(inputs: Inputs, version: str) -> list[JsonObject]:
    """The codings to judge: one of them is enough."""
    named = [name for name in _CODE if name in inputs]
    if len(named) != 1:
        message = "Exactly one of code, coding and codeableConcept is needed."
        raise error(Category.INVALID_PARAMETER, "parameter-conflict", message) if named else missing("code")
    if "codeableConcept" in inputs:
        concept = inputs.structure("codeableConcept", "CodeableConcept") or {}
        codings: list[JsonObject] = concept.get("coding", [])
        if not 0 < len(codings) <= MOST_CODINGS:
            message = f"The codeableConcept has to have 1 to {MOST_CODINGS} codings."
            raise error(Category.INVALID_PARAMETER, "parameter-value", message)
        return codings
    coding = inputs.structure("coding", "Coding")
    if coding is not None:
        return [coding]
    parts = {"system": "system", "version": version, "code": "code", "display": "display"}
    return [{name: inputs.text(given) for name, given in parts.items() if given in inputs}]


def _as_verdict(coding: JsonObject, found: CodingValidation) -> Verdict:
    return Verdict(coding.get("code", ""), found.membership, found.display)


def _refuse_abstract(terminology: Terminology, coding: JsonObject, verdict: Verdict) -> Verdict:
    """An abstract code stands for a group: it may not be used where the client says so."""
    system, code = coding.get("system", ""), coding.get("code", "")
    if verdict.membership.member is Member.YES and terminology.lookup_code(system, code).abstract:
        message = "the code is abstract: it stands for others"
        return Verdict(verdict.code, Membership(Member.NO, "not-a-member", message), verdict.display)
    return verdict


def _answer(codings: Iterable[JsonObject], judge: Callable[[JsonObject], Verdict], where: str) -> Result:
    verdicts = [judge(coding) for coding in codings]
    chosen = next((one for one in verdicts if one.membership.member is Member.YES), verdicts[0])
    membership = chosen.membership
    for one in verdicts:
        membership = either(membership, one.membership)
    if membership.member is Member.UNKNOWN:
        raise _cannot_tell(membership)
    problem = _find_problem(chosen, where)
    rows: list[JsonObject] = [{"name": "result", "valueBoolean": not problem}]
    rows += [{"name": "message", "valueString": problem}] if problem else []
    rows += [{"name": "display", "valueString": chosen.display.display}] if chosen.display.display else []
    return answer_parameters(rows)


def _cannot_tell(membership: Membership) -> FhirError:
    """Neither yes nor no: the value set or the content of the code system is not here."""
    category = Category.NOT_FOUND if membership.cause == "value-set-absent" else Category.UNPROCESSABLE
    message = f"It cannot be told whether the code is valid: {membership.message}."
    kind = "not-found" if category is Category.NOT_FOUND else "not-supported"
    return FhirError(category, Issue("error", membership.cause, message, "", kind))


def _find_problem(verdict: Verdict, where: str) -> str:
    code = verdict.code[:64]
    if verdict.membership.member is Member.NO:
        reason = f": {verdict.membership.message}" if verdict.membership.message else ""
        return f"'{code}' is not {where}{reason}."
    if verdict.display.result == "wrong":
        return f"The display is not that of '{code}', which is '{verdict.display.display}'."
    return ""
