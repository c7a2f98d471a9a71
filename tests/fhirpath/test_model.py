"""Types as FHIRPath sees them: children, ancestors, type specifiers."""

from __future__ import annotations

import pytest

from fhir_dmp.fhirpath.model import Model, model_of
from fhir_dmp.loader import load_registry


@pytest.fixture
def model() -> Model:
    return model_of(load_registry())


@pytest.mark.parametrize(
    ("type_name", "element", "keys"),
    [
        ("Patient", "name", ["name"]),
        ("Patient", "deceased", ["deceasedBoolean", "deceasedDateTime"]),
        ("Observation.component", "referenceRange", ["referenceRange"]),
        ("string", "extension", ["extension"]),
        ("string", "value", []),
        ("Quantity", "value", ["value"]),
        ("Unicorn", "horn", []),
    ],
)
def test_children(model: Model, type_name: str, element: str, keys: list[str]) -> None:
    assert [child.key for child in model.children(type_name).get(element, ())] == keys


def test_an_element_that_refers_to_another_has_its_type(model: Model) -> None:
    assert model.keys("Observation.component")["referenceRange"].type_name == "Observation.referenceRange"
    assert model.keys("Questionnaire.item")["item"].type_name == "Questionnaire.item"


@pytest.mark.parametrize(
    ("type_name", "ancestors"),
    [
        ("Patient", {"Patient", "DomainResource", "Resource"}),
        ("Age", {"Age", "Quantity", "Element"}),
        ("code", {"code", "string", "Element"}),
        ("Patient.contact", {"Patient.contact", "BackboneElement", "Element"}),
        ("Timing.repeat", {"Timing.repeat", "Element"}),
        ("Unicorn", {"Unicorn"}),
        ("Patient.unicorn", {"Patient.unicorn"}),
        ("Unicorn.horn", {"Unicorn.horn"}),
    ],
)
def test_ancestors(model: Model, type_name: str, ancestors: set[str]) -> None:
    assert model.ancestors(type_name) == ancestors


@pytest.mark.parametrize(
    ("namespace", "name", "covered", "selected"),
    [
        ("", "string", {"string", "code"}, {"string"}),
        ("FHIR", "Quantity", {"Quantity", "Age"}, {"Quantity", "Age"}),
        ("", "Quantity", {"Quantity", "Age", "System.Quantity"}, {"Quantity", "Age", "System.Quantity"}),
        ("System", "String", {"System.String"}, {"System.String"}),
        ("System", "Any", {"System.String"}, {"System.String"}),
        ("", "Element", {"string", "HumanName"}, {"string", "HumanName"}),
    ],
)
def test_type_specifiers(model: Model, namespace: str, name: str, covered: set[str], selected: set[str]) -> None:
    test = model.type_test(namespace, name)
    assert test is not None
    assert all(test.covers(type_name) for type_name in covered)
    assert all(test.selects(type_name) for type_name in selected)
    assert test.covers("Patient") == (name == "Any")
    assert {type_name for type_name in covered if test.selects(type_name)} == selected


def test_unknown_types_have_no_test(model: Model) -> None:
    assert model.type_test("", "Unicorn") is None
    assert model.type_test("FHIR", "Boolean") is None


def test_a_resource_says_its_type(model: Model) -> None:
    assert model.resource_type({"resourceType": "Patient"}, "Resource") == "Patient"
    assert model.resource_type({"resourceType": "Unicorn"}, "Resource") == "Resource"
    assert model.resource_type({"resourceType": ["Patient"]}, "Resource") == "Resource"
    assert model.resource_type("Patient", "Resource") == "Resource"
