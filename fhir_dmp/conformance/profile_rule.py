"""A value that has to conform to another definition: type profiles, https://hl7.org/fhir/R4/profiling.html#types."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_dmp.conformance.finding import RIGHT, Code, Findings, has_error, one
from fhir_dmp.conformance.known import Known
from fhir_dmp.conformance.visit import Visit
from fhir_dmp.json_text import Json, JsonObject


@dataclass(frozen=True, slots=True)
class ProfileRule:
    """The value conforms to at least one of several profiles. Resources are visited as such."""

    profiles: tuple[str, ...]
    known: Known

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns what the profile has to say, or that none of several is met."""
        if value is None and element is None:
            return RIGHT
        if type(value) is dict and "resourceType" in value:
            visit = visit.enter(value)
        return conform_to_any(self.profiles, value, element, visit, self.known)

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"profiles": list(self.profiles)}


def conform_to_any(
    profiles: tuple[str, ...], value: Json, element: JsonObject | None, visit: Visit, known: Known
) -> Findings:
    """Returns the findings of the first of the profiles that a value conforms to, else a finding that there is none."""
    reasons = []
    for canonical in profiles:
        found = known.conform(canonical, value, element, visit)
        if len(profiles) == 1 or not has_error(found):
            return found
        reasons.append(next(finding for finding in found if finding.severity == "error").message)
    if not reasons:
        return RIGHT
    shown = "; ".join(f"{name}: {reason}" for name, reason in zip(profiles[:4], reasons, strict=False))
    return one("error", Code.CONFORMS, f"this conforms to none of {len(profiles)} profiles ({shown})")
