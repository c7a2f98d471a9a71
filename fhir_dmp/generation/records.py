"""Records one after another: each patient with a generator of its own, so that more patients only add to fewer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from random import Random

from fhir_dmp.generation.background import add_device, add_episode, add_family_history, add_opening
from fhir_dmp.generation.chance import draw_count, draw_id, draw_one, happens
from fhir_dmp.generation.conditions import add_allergies, add_diseases
from fhir_dmp.generation.consents import add_consents
from fhir_dmp.generation.directory import Directory, build_directory
from fhir_dmp.generation.encounters import (
    add_consultation,
    add_day_stay,
    add_emergency,
    add_specialist_visit,
    add_stay,
)
from fhir_dmp.generation.identity import BirthRegister
from fhir_dmp.generation.links import Links, Shared
from fhir_dmp.generation.paris import add_months
from fhir_dmp.generation.patient import add_coverage, add_patient
from fhir_dmp.generation.person import Person, draw_person
from fhir_dmp.generation.record import Record
from fhir_dmp.generation.reimbursements import add_reimbursement, add_reimbursement_history
from fhir_dmp.generation.relatives import add_care_team, add_relatives
from fhir_dmp.generation.results import add_imaging, add_laboratory_visit
from fhir_dmp.generation.structures import Structure, build_payer
from fhir_dmp.generation.summary import add_directives, add_summary
from fhir_dmp.generation.tables import Department, Tables
from fhir_dmp.generation.vaccinations import add_vaccinations
from fhir_dmp.generation.vital_signs import add_smoking_status
from fhir_dmp.json_text import JsonObject

MakeChance = Callable[[str], Random]
"""Returns the generator of a name: always the same for the same name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to generate: how many patients, from which seed, with how many years of care up to which day."""

    patients: int
    seed: int
    until: date
    years: int
    links: Links


@dataclass(frozen=True, slots=True)
class Batch:
    """What comes next: the resources of one patient, or those of the directory that his record is the first to need."""

    shared: tuple[Shared, ...] = ()
    resources: tuple[JsonObject, ...] = ()


def generate(plan: Plan, tables: Tables, make_chance: MakeChance) -> Iterator[Batch]:
    """Yields the batches of a plan; the memory that it takes does not grow with the number of patients."""
    departments = tables.population.departments
    numbers = {department.code: number for number, department in enumerate(departments)}
    register = BirthRegister(_communes(tables), plan.seed)
    directories: dict[str, Directory] = {}
    payer = build_payer(make_chance("directory"), plan.links)
    yield Batch(shared=(payer.shared,))
    for index in range(plan.patients):
        chance = make_chance(f"{plan.seed}/{index}")
        person = draw_person(chance, tables.population, plan.until)
        home = person.home
        if home.code not in directories:
            own = make_chance(f"directory/{home.code}")
            directories[home.code] = build_directory(own, tables.population, home, numbers[home.code], plan.links)
            yield Batch(shared=tuple(directories[home.code].entries()))
        record = _open(plan, tables, chance, person, directories[home.code], payer)
        _identify(record, register)
        _fill(record)
        yield Batch(resources=tuple(record.resources))


def _open(plan: Plan, tables: Tables, chance: Random, person: Person, directory: Directory, payer: Structure) -> Record:
    """Returns the record of a person, empty as yet."""
    return Record(
        chance=chance,
        tables=tables,
        person=person,
        directory=directory,
        physician=draw_one(chance, directory.staff["practice"]),
        payer=payer,
        start=add_months(plan.until, -12 * plan.years),
        until=plan.until,
        links=plan.links,
        patient_id=draw_id(chance),
    )


def _communes(tables: Tables) -> list[str]:
    homes: tuple[Department, ...] = tables.population.departments
    return [*(home.commune for home in homes), *(country.code for country in tables.population.abroad)]


def _identify(record: Record, register: BirthRegister) -> None:
    """Gives the record a matricule, unless its identity is still provisional."""
    person = record.person
    if not happens(record.chance, record.share("consents", "provisional")):
        record.matricule = register.register(person.birth, person.birth_place.code, is_male=person.is_male)


def _fill(record: Record) -> None:
    add_patient(record)
    add_relatives(record)
    add_coverage(record)
    add_opening(record)
    add_diseases(record)
    add_allergies(record)
    add_care_team(record)
    add_episode(record)
    add_family_history(record)
    add_device(record)
    add_smoking_status(record)
    add_vaccinations(record)
    _add_care(record)
    add_reimbursement_history(record)
    add_summary(record)
    add_directives(record)
    add_consents(record)


def _add_care(record: Record) -> None:
    """Adds the acts of the years of care, each as often as people of this age have it."""
    acts: tuple[tuple[str, Callable[[Record, date], None]], ...] = (
        ("consultations", add_consultation),
        ("specialists", add_specialist_visit),
        ("laboratory", _add_laboratory),
        ("imaging", _add_imaging),
        ("emergencies", add_emergency),
        ("stays", add_stay),
        ("day_stays", add_day_stay),
    )
    for table, add in acts:
        for _ in range(draw_count(record.chance, record.rate(table) * record.years)):
            add(record, record.draw_day())


def _add_laboratory(record: Record, day: date) -> None:
    add_laboratory_visit(record, day)
    add_reimbursement(record, "laboratory", day, record.directory.staff["laboratory"][0])


def _add_imaging(record: Record, day: date) -> None:
    add_imaging(record, day)
    add_reimbursement(record, "imaging", day, record.directory.staff["imaging"][0])
