"""What a space indexes and exposes, and how expressions resolve."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from fhir_dmp.json_text import JsonObject
from fhir_dmp.loader import load_registry
from fhir_dmp.search.path import Equals, Key, RefersTo, resolve_paths, split_union
from fhir_dmp.search.space import INDEXED, SearchSpace, systems_of
from tests.strategies.search import make_space

REGISTRY = load_registry()
IS_SUBJECT = "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-isSubject"
WIDE = make_space(sorted(REGISTRY.resource_types))


def test_every_parameter_of_r4_with_an_expression_leads_somewhere() -> None:
    lost = {
        (name, code)
        for name in REGISTRY.resource_types
        for code, parameter in REGISTRY.search_parameters(name).items()
        if parameter.type in INDEXED and parameter.expression and code not in WIDE.parameters(name)
    }
    assert lost == set()


def test_only_three_expressions_are_left_to_fhirpath() -> None:
    left = {text for name in REGISTRY.resource_types for item in WIDE.indexed(name) for text in item.paths.residue}
    assert left == {
        "Bundle.entry[0].resource",
        "Patient.deceased.exists() and Patient.deceased != false",
        f"QuestionnaireResponse.item.where(hasExtension('{IS_SUBJECT}')).answer.value.ofType(Reference)",
    }


@pytest.mark.parametrize(
    ("resource_type", "date", "code", "patient", "aliases"),
    [
        ("Patient", "birthdate", "", "", set()),
        ("Observation", "date", "code", "patient", {"patient", "subject"}),
        ("DocumentReference", "date", "type", "patient", {"patient", "subject"}),
        ("Immunization", "date", "vaccine-code", "patient", {"patient"}),
        ("MedicationRequest", "authoredon", "code", "patient", {"patient", "subject"}),
        ("Condition", "recorded-date", "code", "patient", {"patient", "subject"}),
        ("Encounter", "date", "type", "patient", {"patient", "subject"}),
        ("Appointment", "date", "", "patient", set()),
        ("AppointmentResponse", "", "", "patient", {"patient", "actor"}),
        ("Coverage", "", "type", "patient", {"patient", "beneficiary"}),
        ("SupplyRequest", "date", "", "subject", {"subject"}),
        ("Practitioner", "", "", "", set()),
        ("Organization", "", "type", "", set()),
    ],
)
def test_types_have_the_main_parameters_of_the_table(
    resource_type: str, date: str, code: str, patient: str, aliases: set[str]
) -> None:
    main = WIDE.main(resource_type)
    assert (main.date, main.code, main.patient) == (date, code, patient)
    assert main.patient_aliases == aliases


def test_main_dates_are_dates_of_which_a_resource_has_one() -> None:
    for name in REGISTRY.resource_types:
        code = WIDE.main(name).date
        if code:
            parameter = WIDE.parameters(name)[code]
            assert (parameter.type, parameter.is_single) == ("date", True), name


@pytest.mark.parametrize(
    ("resource_type", "code", "targets"),
    [
        ("Observation", "patient", ("Patient",)),
        ("Observation", "subject", ("Device", "Group", "Location", "Patient")),
        ("AllergyIntolerance", "patient", ("Patient",)),
        ("QuestionnaireResponse", "questionnaire", ("Questionnaire",)),
        ("Observation", "code", ()),
    ],
)
def test_references_lead_where_the_element_says(resource_type: str, code: str, targets: tuple[str, ...]) -> None:
    assert WIDE.parameters(resource_type)[code].targets == targets


def make(**exposed: list[str]) -> SearchSpace:
    return SearchSpace(REGISTRY, exposed, base_url="http://x", zone=ZoneInfo("Europe/Paris"))


def test_only_exposed_parameters_are_known_but_what_is_main_is_indexed() -> None:
    space = make(Observation=["status"])
    assert set(space.parameters("Observation")) == {"status", "_id", "_lastUpdated"}
    assert {item.code for item in space.indexed("Observation")} == {
        "status", "_id", "_lastUpdated", "date", "code", "patient",
    }  # fmt: skip
    assert space.parameters("Patient") == {}


def test_parameters_without_a_path_are_not_exposed_but_for_those_that_need_none() -> None:
    space = make(Observation=["_text", "_content", "_filter", "_query", "nonsense"], Location=["near"])
    assert set(space.parameters("Observation")) == {"_id", "_lastUpdated", "_text", "_content", "_filter"}
    assert set(space.parameters("Location")) == {"_id", "_lastUpdated", "near"}


def test_common_parameters_have_one_definition() -> None:
    space = make(
        Patient=["_tag", "identifier", "birthdate"], Person=["_tag", "identifier", "birthdate"], Group=["_tag"]
    )
    assert set(space.common_parameters(("Patient", "Person"))) == {"_id", "_lastUpdated", "_tag", "birthdate"}
    assert set(space.common_parameters(())) == {"_id", "_lastUpdated", "_tag"}


def test_words_are_asked_for_wherever_one_of_the_types_has_them() -> None:
    space = make(Patient=["_tag", "_content"], Group=["_tag"], Location=["_content"])
    for types in (), ("Group", "Patient"), ("Location", "Group"):
        assert "_content" in space.common_parameters(types)
    assert "_content" not in space.common_parameters(("Group",))


def test_the_system_of_a_value_set_is_known_where_it_has_one_only() -> None:
    include = {"system": "http://s"}
    value_sets: list[JsonObject] = [
        {"url": "one", "compose": {"include": [include, include]}},
        {"url": "two", "compose": {"include": [include, {"system": "http://t"}]}},
        {"url": "other", "compose": {"include": [{**include, "valueSet": ["http://v"]}]}},
        {"url": "none"},
    ]
    assert systems_of(value_sets) == {"one": "http://s"}


@pytest.mark.parametrize(
    ("expression", "branches"),
    [
        ("A.b | C.d", ["A.b", "C.d"]),
        ("(A.b | A.c).d | E.f", ["(A.b | A.c).d", "E.f"]),
        ("A.where(b='|') | C.d", ["A.where(b='|')", "C.d"]),
        ("", []),
    ],
)
def test_unions_are_split_at_their_outermost_bars(expression: str, branches: list[str]) -> None:
    assert split_union(expression) == branches


@pytest.mark.parametrize(
    ("resource_type", "expression", "steps"),
    [
        ("Patient", "Patient.name.family", [(Key("name", True), Key("family", False))]),
        ("Patient", "Resource.meta.tag", [(Key("meta", False), Key("tag", True))]),
        ("Patient", "Person.name", []),
        ("InsurancePlan", "name | alias", [(Key("name", False),), (Key("alias", True),)]),
        (
            "Patient",
            "Patient.telecom.where(system='phone').value",
            [(Key("telecom", True), Equals("system", "phone"), Key("value", False))],
        ),
        (
            "Observation",
            "Observation.subject.where(resolve() is Patient)",
            [(Key("subject", False), RefersTo("Patient"))],
        ),
        ("Observation", "(Observation.value as Quantity)", [(Key("valueQuantity", False),)]),
        ("Observation", "Observation.value.ofType(string)", [(Key("valueString", False),)]),
        (
            "Observation",
            "Observation.component.value.as(boolean)",
            [(Key("component", True), Key("valueBoolean", False))],
        ),
        (
            "Patient",
            "Patient.extension('http://x').value.as(code)",
            [(Key("extension", True), Equals("url", "http://x"), Key("valueCode", False))],
        ),
    ],
)
def test_expressions_resolve_to_routes(resource_type: str, expression: str, steps: list[tuple[object, ...]]) -> None:
    paths = resolve_paths(expression, resource_type, REGISTRY)
    assert [route.steps for route in paths.routes] == steps
    assert paths.residue == ()


@pytest.mark.parametrize(
    "expression", ["Patient.name.first()", "Patient.name[0]", "Patient.name.where(use = 'a' or use = 'b')"]
)
def test_what_is_no_path_is_left_to_fhirpath(expression: str) -> None:
    assert resolve_paths(expression, "Patient", REGISTRY).residue == (expression,)
