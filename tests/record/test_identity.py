"""Identities that hold together or not: tests/cases/record/identities.yaml."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import yaml

from fhir_dmp.record.identity import find_identity_faults, ins_c_of, require_qualified
from tests.record.numbers import CASES, build_birth_place, build_identity, build_provisional, build_reliability

Json = Any
TODAY = date(2026, 11, 28)
IDENTITIES = yaml.safe_load((CASES / "identities.yaml").read_text(encoding="utf8"))


def _extension(row: Json) -> Json:
    return build_reliability(*row["reliability"]) if "reliability" in row else build_birth_place(row["birthplace"])


def _build(case: Json) -> Json:
    changed = dict(case.get("with", {}))
    if "extension" in changed:
        changed["extension"] = [_extension(row) for row in changed["extension"]]
    return build_provisional(**changed) if case.get("of") == "provisional" else build_identity(**changed)


@pytest.mark.parametrize("case", IDENTITIES, ids=lambda case: case["name"])
def test_faults_of_an_identity_are_told_with_their_element(case: Json) -> None:
    found = find_identity_faults(_build(case), TODAY)
    assert [f"{issue.code} {issue.expression}" for issue in found] == case["faults"]


def test_only_a_qualified_identity_is_qualified() -> None:
    assert require_qualified(build_identity()) == ()
    assert [issue.code for issue in require_qualified(build_provisional())] == ["identity-not-qualified"]
    assert [issue.code for issue in require_qualified(build_identity(birthDate=None))] == ["identity-incomplete"]


def test_computed_number_needs_a_name_a_birth_date_and_a_number() -> None:
    person: Json = {
        "name": [{"given": ["Jean"]}],
        "birthDate": "1950-08-01",
        "identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.13", "value": "150081505104040"}],
    }
    assert ins_c_of(person) == "1541187387477485562488"
    for part in person:
        assert ins_c_of({key: value for key, value in person.items() if key != part}) == ""
    assert ins_c_of({**person, "birthDate": "1950-08"}) == ""
