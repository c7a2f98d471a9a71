"""Bindings: https://hl7.org/fhir/R4/terminologies.html#strength. Preferred and example ones are not checked.

Codes that cannot be told are not checked either, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Literal, Protocol, TypeAlias

from fhir_dmp.conformance.finding import RIGHT, Code, Findings, one
from fhir_dmp.conformance.visit import Run, Visit
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.outcome import FhirError
from fhir_dmp.spec.element import Binding
from fhir_dmp.terminology.expansion import ExpansionParameters
from fhir_dmp.terminology.membership import NO, YES, Member, Membership, either, refused
from fhir_dmp.terminology.question import CodeQuestion
from fhir_dmp.validation.finding import Step, quote

_KEPT = 10_000
_ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_SHOWN = 8
_ANY_TIME = "2000-01-01T00:00:00Z"
"""When an expansion is made is part of it, and of no interest in a message."""

_NO_SYSTEM = refused("it does not name its code system")
"""Every concept of a value set has one."""

Coded: TypeAlias = tuple[str | None, str, str]
"""system (None where the element is a bare code), code, version"""


class Terminology(Protocol):
    """What bindings ask of fhir_dmp.terminology.Terminology."""

    def membership(
        self, value_set: str, system: str, code: str, *, version: str = "", infer_system: bool = False
    ) -> Membership:
        """Tells whether a code is in a value set; without a system in any of its systems, if that is asked for."""

    def in_code_system(self, system: str, code: str, *, version: str = "") -> Membership:
        """Tells whether a code system has a code."""

    def expand(self, value_set: str, *, timestamp: str, parameters: ExpansionParameters) -> JsonObject:
        """Returns the ValueSet with its expansion; raises FhirError where there is none."""


_Read = Callable[[Json], Sequence[Coded]]


def _read_code(value: Json) -> Sequence[Coded]:
    return ((None, value, ""),) if isinstance(value, str) else ()


def _read_coding(value: JsonObject) -> Sequence[Coded]:
    code = value.get("code")
    return ((value.get("system", ""), code, value.get("version", "")),) if code else ()


def _read_concept(value: JsonObject) -> Sequence[Coded]:
    return [coded for coding in value.get("coding", ()) for coded in _read_coding(coding)]


_READERS: dict[str, _Read] = {
    "Coding": _read_coding,
    "CodeableConcept": _read_concept,
    "Quantity": _read_coding,
    **dict.fromkeys(("code", "uri", "url", "canonical", "string", "id", "markdown", "oid"), _read_code),
    **dict.fromkeys(("Age", "Count", "Distance", "Duration", "Money", "MoneyQuantity", "SimpleQuantity"), _read_coding),
}
_MAY_LACK_CODE = frozenset({"Quantity", "Age", "Count", "Distance", "Duration", "Money"})


@dataclass(slots=True, eq=False)
class BindingRule:
    """A code of the value, which is of `type_name`, is in a value set. Answers are kept: codes recur."""

    strength: Literal["required", "extensible"]
    value_set: str
    type_name: str
    terminology: Terminology
    _read: _Read = field(init=False)
    _known: dict[Coded, Membership] = field(default_factory=dict)
    _allowed: str | None = None

    def __post_init__(self) -> None:
        """Finds out how codes are read from the type."""
        self._read = _READERS[self.type_name]

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns a finding where none of the codes is in the value set, an information where that is unknown."""
        del element
        codes = self._read(value)
        if not codes:
            return self._explain_no_code(value)
        answer = self.decide(codes)
        if answer.member is Member.UNKNOWN and visit.run.environment.answers is not None:
            answer = reduce(either, (self._ask(coded, visit.run) for coded in codes), NO)
        if answer.member is Member.YES:
            return RIGHT
        if answer.member is Member.UNKNOWN:
            message = f"{_show(codes)} was not checked against {self.value_set}: {answer.message or answer.cause}"
            return visit.run.tell(Code.NOT_CHECKED, f"{self.value_set} {answer.cause}", message)
        return one(self._severity, Code.BINDING, self._explain(codes, answer))

    def decide(self, codes: Iterable[Coded]) -> Membership:
        """Tells whether one of the codes is in the value set."""
        answer = NO
        for coded in codes:
            known = self._known.get(coded) or self._decide(coded)
            if known.member is Member.YES:
                return known
            answer = known if answer is NO else either(answer, known)
        return answer

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"binding": self.strength, "valueSet": self.value_set}

    def read(self, value: Json) -> Iterable[Coded]:
        """Returns the codes of a value."""
        return self._read(value) if value is not None else ()

    @property
    def _severity(self) -> Literal["error", "warning"]:
        return "error" if self.strength == "required" else "warning"

    def _decide(self, coded: Coded) -> Membership:
        known = self._known.get(coded)
        if known is None:
            system, code, version = coded
            if system == "":
                return _NO_SYSTEM
            ask = self.terminology.membership
            known = ask(self.value_set, system or "", code, version=version, infer_system=system is None)
            if len(self._known) < _KEPT:
                self._known[coded] = known
        return known

    def _ask(self, coded: Coded, run: Run) -> Membership:
        """What is known of a code with the help of the terminology server."""
        known = self._decide(coded)
        if known.member is not Member.UNKNOWN:
            return known
        system, code, version = coded
        answer = run.ask(CodeQuestion(self.value_set, system or "", code, version))
        if answer is None:
            return known
        return YES if answer else refused("so the terminology server says")

    def _explain_no_code(self, value: Json) -> Findings:
        if self.type_name in _MAY_LACK_CODE or value is None:
            return RIGHT
        return one(self._severity, Code.BINDING, f"there is no code, and one of {self.value_set} is expected")

    def _explain(self, codes: Sequence[Coded], answer: Membership) -> str:
        if self._allowed is None:
            self._allowed = list_codes(self.value_set, self.terminology)
        hint = f", allowed: {self._allowed}" if self._allowed else ""
        reason = f" ({answer.message})" if answer.message else ""
        return f"{_show(codes)} is not in {self.value_set}{hint}{reason}"


def build_bindings(bindings: Iterable[Binding], type_name: str, terminology: Terminology) -> list[BindingRule]:
    """Builds the rules of the bindings that are checked for a type that has codes."""
    return [
        BindingRule("required" if item.strength == "required" else "extensible", item.value_set, type_name, terminology)
        for item in bindings
        if type_name in _READERS
    ]


@dataclass(frozen=True, slots=True)
class CodeRequiredCheck:
    """A code with a required binding has a value: extensions do not stand for it."""

    step: Step
    companion: str
    then: Callable[[JsonObject, Json, Visit], Findings]

    def check(self, parent: JsonObject, value: Json, visit: Visit) -> Findings:
        """Returns a finding where there are only extensions, and what there is to say of those."""
        items = value if type(value) is list else [value]
        absent = any(_is_absent(item) for item in items)
        message = "there is no code, and the binding requires one"
        found = one("error", Code.BINDING, message, self.step) if absent else RIGHT
        return [*found, *self.then(parent, value, visit)]


def list_codes(value_set: str, terminology: Terminology) -> str:
    """Returns the codes of a value set that has a few, empty for one that has more or cannot be listed."""
    try:
        expanded = terminology.expand(value_set, timestamp=_ANY_TIME, parameters=ExpansionParameters(limit=_SHOWN))
    except FhirError:
        return ""
    return ", ".join(row.get("code", "") for row in expanded["expansion"].get("contains", ()))


def _is_absent(companion: Json) -> bool:
    """Tells whether an extension says why there is no code; other ones may carry a code of a later version of FHIR."""
    extensions = companion.get("extension", ()) if companion else ()
    return any(item["url"] == _ABSENT_REASON for item in extensions)


def _show(codes: Sequence[Coded]) -> str:
    system, code, _ = codes[0]
    shown = quote(f"{system}#{code}" if system else code)
    return shown if len(codes) == 1 else f"none of {shown} and {len(codes) - 1} more"
