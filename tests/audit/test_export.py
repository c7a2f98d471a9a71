"""Exported traces conform to the French trace profile as published; stored events have more agents than it takes."""

from __future__ import annotations

from functools import cache

import pytest

from fhir_dmp.audit.access import Access
from fhir_dmp.audit.event import build_events
from fhir_dmp.audit.export import build_export
from fhir_dmp.conformance.rules import Rules
from fhir_dmp.conformance.validate import validate_resource
from fhir_dmp.json_text import JsonObject
from fhir_dmp.loader import load_registry
from fhir_dmp.packages.archive import read_archive
from fhir_dmp.packages.definitions import Definitions
from fhir_dmp.validation.compiler import Schemas
from tests.audit.trail import HOSPITAL, RECORDER, access
from tests.profiles.shipped import SHARED

TDE = "https://interop.esante.gouv.fr/ig/fhir/tde/StructureDefinition/tde-auditevent"


@cache
def _published() -> Rules:
    file = SHARED / "packages" / "ans.fhir.fr.tde-2.0.0.tgz"
    if not file.is_file():
        pytest.skip(f"{file.name} is not in {file.parent}")
    return Definitions([read_archive(file)], Schemas(load_registry())).build_rules()


def errors(resource: JsonObject) -> list[str]:
    rules = _published()
    assert rules.profiles.profile(TDE) is not None
    report = validate_resource(resource, rules.schemas, rules.profiles, [TDE])
    return [f"{row.expression} {row.message}" for row in report.issues if row.severity == "error"]


@pytest.mark.parametrize("done", [access(), access(HOSPITAL, "create"), access(interaction="search-type")])
def test_export_conforms_to_the_published_profile(done: Access) -> None:
    for event in build_events(done, RECORDER):
        assert errors(build_export(event)) == []


def test_stored_event_has_more_agents_than_the_published_profile_takes() -> None:
    assert errors(build_events(access(), RECORDER)[0]) == [
        "AuditEvent AuditEvent: expected at most 2 of 'agent', found 4"
    ]


def test_organization_that_is_no_agent_any_more_is_an_entity() -> None:
    export = build_export(build_events(access(), RECORDER)[0])
    assert [agent["type"]["coding"][0]["code"] for agent in export["agent"]] == ["IRCP", "110152"]
    assert export["entity"][-1]["what"]["identifier"]["value"] == "750000018"
