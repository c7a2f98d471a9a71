"""The vocabulary of findings: codes are stable, distinct and of known issue types."""

from __future__ import annotations

from fhir_dmp.validation.finding import Finding, FindingCode, Step, quote

CODES = {
    "structure-resource-type", "structure-unknown-property", "structure-required", "structure-cardinality",
    "structure-array", "structure-type", "structure-choice", "structure-empty", "structure-alignment",
    "structure-no-content", "extension-content", "primitive-format", "primitive-range", "narrative-xhtml",
    "reference-format", "reference-target", "reference-contained", "contained-nested", "contained-id",
    "structure-depth", "structure-too-many",
}  # fmt: skip
ISSUE_TYPES = {"structure", "required", "value", "invariant", "not-found", "too-costly"}


def test_codes_are_the_ones_that_clients_know() -> None:
    assert {item.code for item in FindingCode} == CODES
    assert len(FindingCode) == len(CODES)


def test_codes_have_issue_types_of_fhir_and_a_meaning() -> None:
    assert {item.issue_type for item in FindingCode} == ISSUE_TYPES
    assert all(item.meaning.endswith(".") for item in FindingCode)


def test_issue_names_properties_in_its_message_and_elements_in_its_expression() -> None:
    finding = Finding(FindingCode.TYPE, "no", (Step("value", "value"),)).under(Step("valueQuantity", "value")).under(3)
    issue = finding.under(Step("component", "component")).as_issue("Observation")
    assert issue.message == "Observation.component[3].valueQuantity.value: no"
    assert issue.expression == "Observation.component[3].value.value"
    assert (issue.severity, issue.code, issue.issue_type) == ("error", "structure-type", "structure")


def test_quoted_value_is_one_line_of_at_most_eighty_characters() -> None:
    assert quote("a'b") == "'a'b'"
    assert quote("a\nb") == "'a\\nb'"
    assert quote("x" * 80) == f"'{'x' * 80}'"
    assert quote("x" * 81) == f"'{'x' * 79}…'"
    assert quote("\n" * 80) == "'" + "\\n" * 39 + "\\…'"
