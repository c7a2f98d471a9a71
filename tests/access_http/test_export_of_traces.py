"""AuditEvent/$dmp-export: the traces that the requester may see, in the form of the French trace profile."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.audit.code import EXPORT_PROFILE
from fhir_dmp.conformance.validate import validate_resource
from tests.access_http.house import Headers, House, Record
from tests.audit.trail import rules

Json = Any


@pytest.fixture
async def record(house: House) -> Record:
    """One in which somebody has looked for and read something, and was refused something."""
    record = await house.make_record()
    for target in (record.open, record.masked):
        await house.get(f"DocumentReference/{target}", house.petit(organization="750000002"))
    await house.get(f"DocumentReference?patient={record.patient}", house.petit())
    return record


async def export(record: Record, who: Headers, more: str = "") -> Json:
    target = f"AuditEvent/$dmp-export?patient={record.patient}&date=ge2024-01-01&_sort=date{more}"
    answer = await record.house.get(target, who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _events(bundle: Json) -> list[Json]:
    return [row["resource"] for row in bundle.get("entry", ())]


async def test_each_trace_meets_the_export_profile(record: Record) -> None:
    events = _events(await export(record, record.house.guarded.tokens.patient(record.patient)))
    assert len(events) >= 3
    for event in events:
        assert event["meta"]["profile"] == [EXPORT_PROFILE]
        assert len(event["agent"]) == 2
        report = validate_resource(event, rules().schemas, rules().profiles, [EXPORT_PROFILE])
        assert [issue.message for issue in report.issues if issue.severity == "error"] == []
    assert "4" in {event["outcome"] for event in events}


async def test_an_auditor_and_the_medecin_traitant_export_and_other_professionals_do_not(record: Record) -> None:
    house = record.house
    for who in (house.guarded.tokens.auditor(), house.someone("martin")):
        assert len(_events(await export(record, who))) >= 3
    for who in (house.petit(), house.someone("inconnu"), house.guarded.tokens.patient("somebody")):
        assert _events(await export(record, who)) == []


async def test_pages_follow_one_another(record: Record) -> None:
    who = record.house.guarded.tokens.auditor()
    bundle = await export(record, who, "&_count=1")
    seen = [row["id"] for row in _events(bundle)]
    for _ in range(2):  # not to the end: each page is traced itself, and so there is always one more
        link = next(row["url"] for row in bundle["link"] if row["relation"] == "next")
        assert "/AuditEvent/$dmp-export?" in link
        bundle = (await record.house.guarded.client.get(link, headers=who)).json()
        seen += [row["id"] for row in _events(bundle)]
    assert len(set(seen)) == 3


@pytest.mark.parametrize("query", ["patient=x", "date=ge2024&_elements=id", "date=ge2024&_summary=true", "date=no"])
async def test_what_is_not_bounded_or_not_whole_is_refused(record: Record, query: str) -> None:
    answer = await record.house.get(f"AuditEvent/$dmp-export?{query}", record.house.guarded.tokens.auditor())
    assert answer.status_code == 400


async def test_an_export_is_traced_itself(record: Record) -> None:
    await export(record, record.house.guarded.tokens.patient(record.patient))
    found = await record.house.behind.client.get(f"AuditEvent?patient={record.patient}&subtype=operation")
    assert found.json()["total"] == 1
