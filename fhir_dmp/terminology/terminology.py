"""Terminology: what the rest of the program asks about codes.

    membership, validate_coding, validate_codeable_concept    is it in this value set
    in_code_system, lookup_code, match_display                is it a code at all, and what is its name
    expand, members                                           all codes of a value set
    subsumes, narrower, wider                                 is one code a kind of another, and which are

https://hl7.org/fhir/R4/terminology-service.html
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.terminology.code_system import CodeSystem, Subsumption
from fhir_dmp.terminology.codes import Selection
from fhir_dmp.terminology.compose import Composer, Pin
from fhir_dmp.terminology.concept import Concept, DisplayMatch, build_concept, match_display
from fhir_dmp.terminology.expansion import ExpansionParameters, build_expansion, check_expandable, mark_unclosed
from fhir_dmp.terminology.listing import list_ancestors, list_descendants, list_members
from fhir_dmp.terminology.membership import NO, Member, Membership, either, refused, unknown
from fhir_dmp.terminology.source import STANDARDS, CodeSystems, Lookup, Supplements
from fhir_dmp.terminology.standard.time_zone import build_time_zones

_MOST_PINS = 64
_NO_SYSTEM = unknown("no-system", "the coding does not name its code system")
_NO_CODE = refused("the coding has no code")
_NO_CODING = refused("the concept has no coding")
_NO_DISPLAY = DisplayMatch("unknown")
_WHOLE = ExpansionParameters()


@dataclass(frozen=True, slots=True)
class CodingValidation:
    """A coding against a value set: its membership, whether its code system has the code, and its display."""

    membership: Membership
    defined: Membership
    display: DisplayMatch


@dataclass(frozen=True, slots=True)
class ConceptValidation:
    """A CodeableConcept against a value set: it belongs where any of its codings does."""

    membership: Membership
    codings: tuple[CodingValidation, ...]


class Terminology:
    """Answers from the definitions that `lookup` finds; compiles each on first use and keeps it.

    What `lookup` and `supplements` return must not change: after a change of the loaded definitions, make another.
    """

    def __init__(
        self,
        lookup: Lookup,
        *,
        supplements: Supplements = lambda _: (),
        time_zones: Collection[str] = (),
        most_steps: int | None = None,
    ) -> None:
        """Nothing is read yet. `time_zones`: the names in IANA's database, where the caller has them.

        `most_steps` bounds the codes that value sets may have to be looked at for, where a client brought them.
        """
        self._lookup, self._most_steps = lookup, most_steps
        self._systems = CodeSystems(lookup, supplements, (*STANDARDS, build_time_zones(time_zones)))
        self._composer = Composer(lookup, self._systems, most_steps=most_steps)
        self._select = self._composer.select
        self._pinned: dict[Pin, Composer] = {}

    def membership(
        self, value_set: str, system: str, code: str, *, version: str = "", infer_system: bool = False
    ) -> Membership:
        """Tells whether a code is in a value set (a canonical, with |version or without).

        `version` is the code system's. With `infer_system` and no system, any system of the value set will do.
        """
        selection = self._select_pinned(value_set, Pin(system, version)) if version else self._select(value_set)
        if system:
            return selection.codes(system).decide(code)
        return selection.infer(code) if infer_system else _NO_SYSTEM

    def _select_pinned(self, value_set: str, pin: Pin) -> Selection:
        """The value set when one code system is read in this version; of endless versions the last few are kept."""
        found = self._systems.find(pin.system)
        if found is not None and (found.version == pin.version or found.standard is not None):
            return self._select(value_set)
        composer = self._pinned.get(pin)
        if composer is None:
            if len(self._pinned) >= _MOST_PINS:
                self._pinned.pop(next(iter(self._pinned)))
            composer = self._pinned[pin] = Composer(self._lookup, self._systems, pin, self._most_steps)
        return composer.select(value_set)

    def validate_coding(self, value_set: str, coding: JsonObject) -> CodingValidation:
        """Checks a Coding against a value set, its code against its code system, and its display."""
        system, code, version, shown = (_text(coding, name) for name in ("system", "code", "version", "display"))
        if not code:
            return CodingValidation(_NO_CODE, _NO_CODE, _NO_DISPLAY)
        membership = self.membership(value_set, system, code, version=version)
        defined = self.in_code_system(system, code, version=version) if system else _NO_SYSTEM
        display = self.match_display(system, code, shown, value_set=value_set) if shown else _NO_DISPLAY
        return CodingValidation(membership, defined, display)

    def validate_codeable_concept(self, value_set: str, concept: JsonObject) -> ConceptValidation:
        """Checks every coding of a CodeableConcept; one that belongs is enough."""
        rows = concept.get("coding")
        known = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        codings = tuple(self.validate_coding(value_set, row) for row in known)
        membership = _NO_CODING if not codings else NO
        for coding in codings:
            membership = either(membership, coding.membership)
        return ConceptValidation(membership, codings)

    def in_code_system(self, system: str, code: str, *, version: str = "") -> Membership:
        """Tells whether a code system has a code."""
        return self._systems.codes(system, version).decide(code)

    def match_display(self, system: str, code: str, display: str, *, value_set: str = "") -> DisplayMatch:
        """Compares a display with the names of a code, without case and spacing."""
        found = self._systems.find(system)
        key = found.key(code) if found is not None else code
        match = match_display(display, found, key, None)
        if match.result == "right" or not value_set:
            return match
        return match_display(display, found, key, self._composer.rows(value_set).get((system, code)))

    def lookup_code(self, system: str, code: str, *, version: str = "") -> Concept:
        """Returns what a code system says of a code; raises FhirError (not found) where it has none, or is not here."""
        found, key = self._find_code(system, code, version)
        return build_concept(found, key)

    def subsumes(self, system: str, left: str, right: str, *, version: str = "") -> Subsumption:
        """Tells how two codes relate: `subsumes` where the left is the wider. Raises FhirError as lookup_code does."""
        found, wider = self._find_code(system, left, version)
        _, narrower = self._find_code(system, right, version)
        answer = found.subsumption(wider, narrower)
        if answer == "not-subsumed" and not found.complete and found.standard is None:
            raise error(
                Category.UNPROCESSABLE,
                "code-system-partial",
                f"Only a part of {found.name} is here: the codes may relate.",
            )
        return answer

    def narrower(self, system: str, code: str) -> list[str]:
        """Returns a code and those it subsumes; raises FhirError as lookup_code does, or where a part is not here."""
        return list_descendants(*self._find_code(system, code, ""))

    def wider(self, system: str, code: str) -> list[str]:
        """Returns a code and those that subsume it; raises as narrower does."""
        return list_ancestors(*self._find_code(system, code, ""))

    def members(self, value_set: str, limit: int) -> list[tuple[str, str]]:
        """Returns all codes of a value set as (system, code).

        Raises FhirError: not found; too costly (a grammar, or more than the limit); unprocessable, where it is circular
        or malformed, or a code may be missing because content is not here.
        """
        definition = self._composer.find(value_set)
        if definition is None or definition["resourceType"] != "ValueSet":
            raise error(Category.NOT_FOUND, "value-set-absent", f"The value set {value_set[:200]} is not here.")
        selection = self._select(value_set)
        self._check_sound(value_set)
        return list_members(selection, value_set[:200], limit)

    def _check_sound(self, value_set: str) -> None:
        fault = self._composer.faults.get(value_set)
        if fault is not None:
            raise error(Category.UNPROCESSABLE, fault.cause, f"{value_set} cannot be expanded: {fault.message}.")

    def _find_code(self, system: str, code: str, version: str) -> tuple[CodeSystem, str]:
        found = self._systems.find(system, version)
        if found is None:
            raise _not_found(self._systems.absence(system, version), code, system)
        answer = found.all.decide(code)
        if answer.member is not Member.YES:
            raise _not_found(answer, code, found.name)
        return found, found.key(code)

    def expand(self, value_set: str, *, timestamp: str, parameters: ExpansionParameters = _WHOLE) -> JsonObject:
        """Returns the ValueSet with its expansion, made at `timestamp` (a FHIR dateTime).

        Raises FhirError: not found; too costly (a grammar, or more codes than the limit); unprocessable (circular,
        malformed, or content that is not here).
        """
        definition = self._composer.find(value_set)
        if definition is None:
            raise error(Category.NOT_FOUND, "value-set-absent", f"The value set {value_set} is not here.")
        selection = self._select(value_set)
        self._check_sound(value_set)
        is_open = check_expandable(selection, value_set, parameters)
        body = build_expansion(selection, self._composer.rows(value_set), self._systems, parameters)
        expansion = {"timestamp": timestamp, **body}
        kept = {name: value for name, value in definition.items() if name not in {"compose", "expansion", "text"}}
        return {**kept, "expansion": mark_unclosed(expansion) if is_open else expansion}


def _text(coding: JsonObject, name: str) -> str:
    """The value of an element; what is no text is for the validation of types to refuse."""
    value = coding.get(name)
    return value if isinstance(value, str) else ""


def _not_found(answer: Membership, code: str, system: str) -> FhirError:
    if answer.member is Member.NO:
        detail = answer.message or "it is not one of its codes"
        return error(Category.NOT_FOUND, "code-unknown", f"{system} has no code '{code[:64]}': {detail}.")
    return error(Category.NOT_FOUND, answer.cause, f"'{code[:64]}' cannot be looked up: {answer.message}.")
