"""Who may write what: tests/cases/access/writes.yaml, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fhir_dmp.access.change import Change, Item
from fhir_dmp.access.contact import ROLE
from fhir_dmp.access.write import decide_write
from tests.strategies.access import (
    FINESS,
    MATRIX,
    READING,
    SYSTEMS,
    coding,
    concept,
    consent,
    facts,
    inquiry,
    provision,
    record,
    reference,
)

Json = Any

TABLE = yaml.safe_load((Path(__file__).parents[1] / "cases" / "access" / "writes.yaml").read_text(encoding="utf8"))
TRAITS = {"closed": "is_closed", "child": "is_child"}
WITHOUT_RECORD = {"Organization", "Medication", "Binary"}
LOINC = "http://loinc.org"


def resource(row: Json) -> Json:
    kind = row.get("resource", "DocumentReference")
    made: Json = {
        "resourceType": kind,
        "id": "p" if kind == "Patient" else "1",
        "meta": {"lastUpdated": "2024-05-30T08:00:00Z"},
    }
    if kind in WITHOUT_RECORD | {"Patient"}:
        return made
    about = reference(row.get("patient", "Patient/p"))
    if kind == "AuditEvent":
        return {**made, "entity": [{"what": about}]}
    if kind == "Consent":
        written = consent("1", {})
        return {**made, **written, "performer": [reference(row["performer"])], "provision": provision(row["provision"])}
    if kind in OTHERS:
        return {**made, **OTHERS[kind](row, about)}
    made |= {"subject": about} if kind == "CareTeam" else document(row, about)
    return made


def procedure(row: Json, about: Json) -> Json:
    meta = {"lastUpdated": "2024-05-30T08:00:00Z", **security_of(row)}
    return {"meta": meta, "subject": about, "performer": [{"actor": reference(row["performer"])}]}


def security_of(row: Json) -> Json:
    security = [{"system": SYSTEMS["vis"], "code": code} for code in row.get("label", "").split()]
    return {"security": security} if security else {}


def contact(row: Json, about: Json) -> Json:
    roles = [concept(ROLE, code) for code in row["roles"]]
    meta = {"lastUpdated": "2024-05-30T08:00:00Z", **security_of(row)}
    return {"meta": meta, "patient": about, "relationship": roles}


def structure(number: str) -> Json:
    return {"identifier": {"system": FINESS, "value": number}}


def benefit(row: Json, about: Json) -> Json:
    made = {"patient": about, "insurer": structure(row["insurer"]), "created": "2024-05-20"}
    made |= {"provider": structure(row["provider"])} if "provider" in row else {}
    return {**made, "meta": {"lastUpdated": "2024-05-30T08:00:00Z", **security_of(row)}}


OTHERS = {"ExplanationOfBenefit": benefit, "RelatedPerson": contact, "Procedure": procedure}


def document(row: Json, about: Json) -> Json:
    labels = row.get("label", "").split()
    codings = [coding(code if "|" in code else f"{'conf' if len(code) == 1 else 'vis'}|{code}") for code in labels]
    made: Json = {
        "subject": about,
        "type": {"coding": [{"system": LOINC, "code": code} for code in row["type"].split()]},
        "date": row.get("date", "2024-05-20T08:00:00Z"),
    }
    if "author" in row:
        made["author"] = [reference(name) if "/" in name else structure(name) for name in row["author"].split()]
    if codings:
        made["securityLabel"] = [{"coding": [row]} for row in codings]
    if "description" in row:
        made["description"] = row["description"]
    if "related" in row:
        made["context"] = {"related": [reference(row["related"])]}
    return made


def item(name: str) -> Item | None:
    if name == "-":
        return None
    made = resource(TABLE["items"][name])
    return Item(made, facts(made))


@pytest.mark.parametrize("row", TABLE["rows"], ids=" · ".join)
def test_the_table_of_writes(row: list[str]) -> None:
    who, before, after, expected, *given = row
    traits = {TRAITS[name]: True for name in given if name in TRAITS}
    consents = [consent(name, TABLE["consents"][name]) for name in given if name not in TRAITS]
    change = Change(item(after), item(before))
    interaction = "create" if before == "-" else "delete" if after == "-" else "update"
    about = change.new or change.previous
    assert about is not None
    state = None if about.facts.resource_type in WITHOUT_RECORD else record(consents, **traits)
    verdict = decide_write(inquiry(TABLE["people"][who], interaction), state, MATRIX, change, READING)
    told = "hidden" if verdict.is_hidden else f"{'+' if verdict.permitted else '-'}{verdict.reason.rule.value}"
    assert told == expected


def test_nobody_but_the_server_writes_a_trace() -> None:
    for name, person in TABLE["people"].items():
        change = Change(item("trace"), None)
        verdict = decide_write(inquiry(person, "create"), record(is_child=True), MATRIX, change, READING)
        assert verdict.permitted == (name == "server"), name
