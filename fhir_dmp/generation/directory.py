"""The professionals and structures of a département, the same for every seed: records of all runs share them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from fhir_dmp.generation.links import Links, Shared
from fhir_dmp.generation.professionals import (
    BIOLOGIST,
    CARDIOLOGIST,
    EMERGENCY,
    ENDOCRINOLOGIST,
    GENERAL,
    HOSPITALIST,
    NURSE,
    OBSTETRICIAN,
    PEDIATRICIAN,
    PHARMACIST,
    RADIOLOGIST,
    Calling,
    Professional,
    build_professional,
)
from fhir_dmp.generation.structures import (
    HOSPITAL,
    IMAGING,
    LABORATORY,
    NURSES,
    PHARMACY,
    PRACTICE,
    SPECIALISTS,
    Kind,
    Structure,
    build_structure,
    build_ward,
)
from fhir_dmp.generation.tables import Department, Population
from fhir_dmp.json_text import JsonObject

_STAFF: tuple[tuple[str, Kind, tuple[Calling, ...]], ...] = (
    ("practice", PRACTICE, (GENERAL, GENERAL, GENERAL)),
    ("practice", PRACTICE, (GENERAL, GENERAL, GENERAL)),
    ("specialist", SPECIALISTS, (CARDIOLOGIST, ENDOCRINOLOGIST, OBSTETRICIAN, PEDIATRICIAN)),
    ("hospital", HOSPITAL, (HOSPITALIST,)),
    ("emergency", HOSPITAL, (EMERGENCY,)),
    ("pharmacy", PHARMACY, (PHARMACIST,)),
    ("pharmacy", PHARMACY, (PHARMACIST,)),
    ("laboratory", LABORATORY, (BIOLOGIST,)),
    ("imaging", IMAGING, (RADIOLOGIST,)),
    ("nurse", NURSES, (NURSE,)),
)


@dataclass(frozen=True, slots=True)
class Directory:
    """Who gives care in a département. `staff` are the professionals by what they are there for."""

    structures: tuple[Structure, ...]
    ward: Shared
    ward_reference: JsonObject
    staff: dict[str, list[Professional]]

    def specialist(self, specialty: str) -> Professional:
        """Returns who has a specialty (TRE_R38), or the first specialist there is."""
        found = (p for p in self.staff["specialist"] if specialty in str(p.shared.resource["qualification"][1]))
        return next(found, self.staff["specialist"][0])

    def entries(self) -> Iterator[Shared]:
        """Yields every resource: structures before those who work in them."""
        yield from (structure.shared for structure in self.structures)
        yield self.ward
        for professionals in self.staff.values():
            for professional in professionals:
                yield professional.shared
                yield professional.role


def build_directory(
    chance: Random, population: Population, department: Department, number: int, links: Links
) -> Directory:
    """Builds the directory of the département of a number; `chance` is its own."""
    structures: list[Structure] = []
    staff: dict[str, list[Professional]] = {}
    for purpose, kind, callings in _STAFF:
        structure = build_structure(chance, kind, department, (number, len(structures) + 1), links)
        structures.append(structure)
        for calling in callings:
            serial = f"{number:03d}{sum(map(len, staff.values())):03d}"
            person = build_professional(chance, calling, population, serial, structure, links)
            staff.setdefault(purpose, []).append(person)
    ward = build_ward(chance, staff["hospital"][0].structure, links)
    return Directory(tuple(structures), ward, ward.reference(links, ward.resource["name"]), staff)
