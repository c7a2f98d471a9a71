"""The record of one patient while it is drawn: what it holds so far, and what every part of it needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

from fhir_dmp.generation.chance import draw_between, draw_id
from fhir_dmp.generation.directory import Directory
from fhir_dmp.generation.links import Links, refer
from fhir_dmp.generation.paris import age_at
from fhir_dmp.generation.person import Person
from fhir_dmp.generation.professionals import Professional
from fhir_dmp.generation.structures import Structure
from fhir_dmp.generation.tables import Tables
from fhir_dmp.json_text import JsonObject

YEAR = 365


@dataclass(frozen=True, slots=True)
class Disease:
    """A chronic condition that the patient has: its row of the table, a reference to its Condition, its onset."""

    row: JsonObject
    reference: JsonObject
    onset: date


@dataclass(slots=True)
class Record:
    """A patient's resources, and those who care for him. `start` and `until` are the first and last day of care."""

    chance: Random
    tables: Tables
    person: Person
    directory: Directory
    physician: Professional
    payer: Structure
    start: date
    until: date
    links: Links
    matricule: str = ""
    patient_id: str = ""
    subject: JsonObject = field(default_factory=dict)
    coverage: JsonObject = field(default_factory=dict)
    resources: list[JsonObject] = field(default_factory=list)
    diseases: list[Disease] = field(default_factory=list)
    treatments: list[JsonObject] = field(default_factory=list)
    allergies: list[JsonObject] = field(default_factory=list)
    documents: list[JsonObject] = field(default_factory=list)
    guardians: list[JsonObject] = field(default_factory=list)
    reimbursed: list[str] = field(default_factory=list)

    def add(self, resource_type: str, body: JsonObject, resource_id: str = "") -> JsonObject:
        """Adds a resource, and returns a reference to it."""
        chosen = resource_id or draw_id(self.chance)
        self.resources.append({"resourceType": resource_type, "id": chosen, **body})
        return refer(self.links, resource_type, chosen)

    def new_id(self) -> str:
        """Returns an id for a resource that is added later."""
        return draw_id(self.chance)

    def rate(self, table: str) -> float:
        """Returns the figure of a table of care for the patient's age class."""
        rates: list[float] = self.tables.care[table]
        return rates[self.tables.band(self.person.age)]

    def share(self, table: str, name: str) -> float:
        """Returns one of the shares of a table of care."""
        value: float = self.tables.care[table][name]
        return value

    def of_age(self, rates: list[float], on: date | None = None) -> float:
        """Returns the figure of the patient's age class, today's or that of a day."""
        age = age_at(self.person.birth, on) if on else self.person.age
        return rates[self.tables.band(age)]

    def draw_day(self, start: date | None = None) -> date:
        """Returns a day of care: from `start`, or from the first, to the last."""
        first = max(start or self.start, self.person.birth)
        return first + timedelta(days=draw_between(self.chance, 0, max((self.until - first).days, 0)))

    def draw_minute(self) -> int:
        """Returns a minute of a working day."""
        return draw_between(self.chance, 8 * 60, 18 * 60)

    @property
    def years(self) -> float:
        """The length of care in years, shorter for those who are born meanwhile."""
        return (self.until - max(self.start, self.person.birth)).days / YEAR

    def of_patient(self, element: str = "subject") -> dict[str, Any]:
        """Returns the element that says whose the resource is."""
        return {element: self.subject}
