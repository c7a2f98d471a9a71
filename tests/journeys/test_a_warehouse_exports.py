"""A population is exported: by its rights, file by file, as they are when a file is fetched. Bulk Data Access STU2."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fhir_dmp.authentication.statement import Statement
from fhir_dmp.issuer.grant import of_professional
from fhir_dmp.jobs import divide as dividing
from fhir_dmp.jobs.worker import WORKS, run_due
from fhir_dmp.json_text import write_json
from fhir_dmp.operations import bulk_status
from fhir_dmp.operations.bulk_kickoff import KEPT
from fhir_dmp.store.job_port import JobKind, Jobs, Lease
from fhir_dmp.store.mongo.jobs import LEASE, MongoJobs
from tests.journeys.story import Actor, Story, parameters, reference_of

Json = Any
ASYNC = {"prefer": "respond-async", "accept": "application/fhir+json"}
NOTES = 5


async def _ask(actor: Actor, method: str, url: str, headers: Mapping[str, str] = ASYNC) -> httpx.Response:
    return await actor.client.request(method, url, headers={**actor.sign(), **headers})


async def _open(story: Story, physician: Actor) -> Actor:
    """A record with some notes of the physician whom the patient let in."""
    asked = parameters(patient=story.new_identity(), consent=True, authorized=physician.by_number)
    patient = story.patient(reference_of(await physician.post("Patient/$dmp-open", asked)))
    for number in range(NOTES):
        note = {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": f"note {number}"},
            "subject": {"reference": f"Patient/{patient.id}"},
        }
        assert (await story.server().post("Observation", note)).status_code == 201
    return patient


async def _begin(actor: Actor, url: str) -> str:
    answer = await _ask(actor, "GET", url)
    assert answer.status_code == 202, answer.text
    return answer.headers["content-location"]


async def _manifest(story: Story, actor: Actor, status: str) -> Json:
    waiting = await _ask(actor, "GET", status)
    assert waiting.status_code == 202
    assert waiting.headers["x-progress"]
    assert int(waiting.headers["retry-after"]) > 0
    await story.work()
    answer = await _ask(actor, "GET", status)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["expires"]
    return answer.json()


async def _fetch(actor: Actor, url: str) -> list[Json]:
    answer = await _ask(actor, "GET", url, {"accept": "application/fhir+ndjson"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/fhir+ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def _fetch_all(actor: Actor, manifest: Json) -> list[Json]:
    found = []
    for row in manifest["output"]:
        resources = await _fetch(actor, row["url"])
        assert {resource["resourceType"] for resource in resources} <= {row["type"]}
        found += resources
    return found


def _notes(resources: list[Json], patient: Actor) -> list[str]:
    about = f"Patient/{patient.id}"
    return sorted(
        row["code"]["text"]
        for row in resources
        if row["resourceType"] == "Observation" and row["subject"]["reference"] == about
    )


async def test_a_professional_exports_the_records_that_are_open_to_him(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dividing, "SIZE", 2)
    physician, pharmacist = story.physician(), story.pharmacist()
    patient, other = await _open(story, physician), await _open(story, pharmacist)
    status = await _begin(physician, "Patient/$export?_type=Observation,Patient")
    manifest = await _manifest(story, physician, status)
    assert manifest["requiresAccessToken"] is True
    assert manifest["request"].endswith("Patient/$export?_type=Observation,Patient")
    files = [await _fetch(physician, row["url"]) for row in manifest["output"]]
    found = [resource for rows in files for resource in rows]
    assert _notes(found, patient) == [f"note {number}" for number in range(NOTES)]
    assert _notes(found, other) == []
    assert len({(row["resourceType"], row["id"]) for row in found}) == len(found)
    holding = [rows for rows in files if any(patient.id in json.dumps(row) for row in rows)]
    assert len(holding) > 1
    assert await _traced_files(story, patient) == len(holding)
    assert await _traced_files(story, other) == 0


async def _traced_files(story: Story, patient: Actor) -> int:
    """How many files with this patient's data the trace of his record has, each by the professional."""
    traced = await story.trace(patient=patient.id, action="E")
    by = [row for row in traced if "$dmp-bulk-file" in json.dumps(row)]
    assert all("99900000022" in json.dumps(row["agent"]) for row in by)
    return len(by)


@pytest.mark.parametrize("when", ["before it is divided", "before the manifest", "before the file"])
async def test_a_consent_that_is_withdrawn_counts_at_once(story: Story, when: str) -> None:
    physician = story.physician()
    patient, other = await _open(story, physician), await _open(story, physician)
    status = await _begin(physician, "Patient/$export?_type=Observation")

    async def withdraw(now: str) -> None:
        if now == when:
            asked = parameters(professional=physician.by_number)
            answer = await patient.post(f"Patient/{patient.id}/$dmp-block", asked)
            assert answer.status_code == 200, answer.text

    await withdraw("before it is divided")
    await story.work()
    await withdraw("before the manifest")
    manifest = (await _ask(physician, "GET", status)).json()
    await withdraw("before the file")
    found = await _fetch_all(physician, manifest)
    assert _notes(found, patient) == []
    assert len(_notes(found, other)) == NOTES
    assert await _traced_files(story, patient) == 0


async def test_each_gets_what_he_may_see_and_no_more(story: Story) -> None:
    physician = story.physician()
    patient, other = await _open(story, physician), await _open(story, physician)
    status = await _begin(patient, "Patient/$export?_type=Observation")
    found = await _fetch_all(patient, await _manifest(story, patient, status))
    assert len(_notes(found, patient)) == NOTES
    assert _notes(found, other) == []
    auditor = story.auditor()
    status = await _begin(auditor, "$export?_type=AuditEvent,Observation")
    found = await _fetch_all(auditor, await _manifest(story, auditor, status))
    assert {row["resourceType"] for row in found} == {"AuditEvent"}
    hospital = story.hospital()
    status = await _begin(hospital, "Patient/$export?_type=Observation")
    found = await _fetch_all(hospital, await _manifest(story, hospital, status))
    assert _notes(found, patient) == _notes(found, other) == []


async def test_whoever_did_not_ask_is_answered_as_if_there_were_none(story: Story) -> None:
    physician = story.physician()
    patient = await _open(story, physician)
    status = await _begin(physician, "Patient/$export?_type=Observation")
    manifest = await _manifest(story, physician, status)
    himself = Statement("rpps:99900000022", rpps="99900000022", professions=("10",), purposes=("TREAT",))
    elsewhere = story.guarded.tokens.sign(of_professional(himself, "another program", ("user/*.cruds",)))
    by_program = Actor(physician.client, lambda: elsewhere)
    stranger, by_patient = story.physician("99900000055"), story.patient(patient.id)
    assert (await _ask(by_program, "GET", f"Patient/{patient.id}")).status_code == 200
    for actor in (by_program, stranger, by_patient, story.fund(), story.hospital(), story.auditor()):
        for method, url in (("GET", status), ("DELETE", status), ("GET", manifest["output"][0]["url"])):
            assert (await _ask(actor, method, url)).status_code == 404
    anyone = Actor(physician.client, dict)
    assert (await _ask(anyone, "GET", manifest["output"][0]["url"])).status_code == 401
    assert len(await _fetch_all(physician, manifest)) >= NOTES


async def test_an_export_is_over_after_its_day(story: Story) -> None:
    physician = story.physician()
    await _open(story, physician)
    status = await _begin(physician, "Patient/$export?_type=Patient")
    manifest = await _manifest(story, physician, status)
    story.clock.now += KEPT - 1
    assert (await _ask(physician, "GET", status)).status_code == 200
    story.clock.now += 1
    for url in (status, manifest["output"][0]["url"]):
        assert (await _ask(physician, "GET", url)).status_code == 404
    (row,) = story.behind.database["export"].find({"_id": status.partition("=")[2]})
    assert row["gone"] is not None
    indexes = {
        index["name"]: index.get("expireAfterSeconds") for index in story.behind.database["export"].list_indexes()
    }
    assert indexes["gone"] == 0


async def test_of_another_there_is_no_export(story: Story) -> None:
    physician, nurse = story.physician(), story.nurse()
    await _open(story, physician)
    status = await _begin(physician, "Patient/$export?_type=Patient")
    manifest = await _manifest(story, physician, status)
    for method, url in (("GET", status), ("DELETE", status), ("GET", manifest["output"][0]["url"])):
        answer = await _ask(nurse, method, url)
        absent = await _ask(nurse, method, url.replace(status.partition("=")[2], "never-was"))
        assert answer.status_code == absent.status_code == 404
        assert answer.text == absent.text
    assert (await _ask(physician, "DELETE", status)).status_code == 202
    assert (await _ask(physician, "GET", status)).status_code == 404
    assert (await _ask(physician, "GET", manifest["output"][0]["url"])).status_code == 404


async def test_what_is_withdrawn_in_between_is_not_sent(story: Story) -> None:
    physician = story.physician()
    patient = await _open(story, physician)
    status = await _begin(physician, "Patient/$export?_type=Observation")
    manifest = await _manifest(story, physician, status)
    assert _notes(await _fetch_all(physician, manifest), patient) != []
    answer = await patient.post(f"Patient/{patient.id}/$dmp-close", parameters())
    assert answer.status_code == 200, answer.text
    assert _notes(await _fetch_all(physician, manifest), patient) == []


async def test_a_crash_amid_dividing_leaves_the_rest_to_the_next_worker(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dividing, "SIZE", 2)
    physician = story.physician()
    patient = await _open(story, physician)
    status = await _begin(physician, "Patient/$export?_type=Observation,Patient")
    jobs = MongoJobs(story.behind_store.database)

    async def crash(context: Any, jobs: Jobs, lease: Lease) -> bool:
        assert await jobs.keep(lease, context.now())
        export = await context.exports.find(lease.job.subject)
        await dividing._step(context, export)  # noqa: SLF001  one step, and then no more
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await run_due(story.context, jobs, {**WORKS, JobKind.EXPORT: crash})
    waiting = await _ask(physician, "GET", status)
    assert waiting.headers["x-progress"] == "0 of 2 types", "no files: of what nobody opened nothing is told"
    story.clock.now += LEASE
    manifest = await _manifest(story, physician, status)
    found = await _fetch_all(physician, manifest)
    assert len(_notes(found, patient)) == NOTES
    assert len({(row["resourceType"], row["id"]) for row in found}) == len(found)


async def test_since_and_filters_narrow_an_export(story: Story) -> None:
    physician = story.physician()
    patient = await _open(story, physician)
    about = f"patient={patient.id}&_type=Observation"
    for query, expected in (
        ("_since=2050-01-01T00:00:00Z", 0),
        ("_since=2020-01-01T00:00:00Z", NOTES),
        ("_typeFilter=Observation%3Fstatus%3Dcancelled", 0),
        ("_typeFilter=Observation%3Fstatus%3Dcancelled,Observation%3Fstatus%3Dfinal", NOTES),
    ):
        status = await _begin(physician, f"Patient/$export?{about}&{query}")
        found = await _fetch_all(physician, await _manifest(story, physician, status))
        assert len(found) == expected, query


async def test_a_group_is_exported_where_every_member_permits(story: Story) -> None:
    physician, pharmacist = story.physician(), story.pharmacist()
    first, second = await _open(story, physician), await _open(story, physician)
    stranger = await _open(story, pharmacist)
    for members, is_open in (((first, second), True), ((first, stranger), False)):
        group = {
            "resourceType": "Group",
            "type": "person",
            "actual": True,
            "member": [{"entity": {"reference": f"Patient/{member.id}"}} for member in members],
        }
        made = (await story.fund().post("Group", group)).json()
        url = f"Group/{made['id']}"
        if is_open:
            assert (await physician.get(url)).status_code == 200
            status = await _begin(physician, f"{url}/$export")
            found = await _fetch_all(physician, await _manifest(story, physician, status))
            assert all(len(_notes(found, member)) == NOTES for member in members)
        else:
            await physician.sees_nothing(url)
            assert (await _ask(physician, "GET", f"{url}/$export")).status_code == 404


async def test_what_cannot_be_exported_is_refused_at_once(story: Story) -> None:
    physician = story.physician()
    assert (await _ask(physician, "GET", "Patient/$export", {})).status_code == 400
    for query in (
        "_outputFormat=csv",
        "_type=Unheard",
        "_since=yesterday",
        "_typeFilter=Observation",
        "_typeFilter=Observation%3F_sort%3Ddate",
        "_typeFilter=Observation%3Funheard%3D1",
        "patient=a/b",
        "unheard=1",
    ):
        answer = await _ask(physician, "GET", f"Patient/$export?{query}")
        assert answer.status_code == 400, query
    sign = story.guarded.tokens.practitioner("99900000022", "10", scope="user/*.cud")
    assert (await _ask(Actor(physician.client, lambda: sign), "GET", "$export")).status_code == 403


async def test_an_export_since_another_has_what_came_after_it_and_no_more(story: Story) -> None:
    physician = story.physician()
    patient = await _open(story, physician)
    story.clock.now += 10_000
    url = "Patient/$export?_type=Observation"
    manifest = await _manifest(story, physician, await _begin(physician, url))
    assert len(_notes(await _fetch_all(physician, manifest), patient)) == NOTES
    story.clock.now += 10_000
    note = {"resourceType": "Observation", "status": "final", "code": {"text": "new"}}
    written = await story.server().post("Observation", {**note, "subject": {"reference": f"Patient/{patient.id}"}})
    assert written.status_code == 201
    assert _notes(await _export_since(story, physician, manifest), patient) == ["new"]


async def test_an_export_since_another_has_also_what_was_being_stored_meanwhile(story: Story) -> None:
    """A resource has its time before its transaction is committed."""
    physician = story.physician()
    patient = await _open(story, physician)
    story.clock.now += 10_000
    database = story.behind_store.database
    kept = await database["resource"].find_one({"ty": "Observation", "pt": patient.id}) or {}
    async with database.client.start_session() as session, await session.start_transaction():
        late = {**kept, "_id": f"{kept['_id']}-late", "lu": story.clock.now - 1}
        await database["resource"].insert_one(late, session=session)
        url = "Patient/$export?_type=Observation"
        manifest = await _manifest(story, physician, await _begin(physician, url))
        found = await _fetch_all(physician, manifest)
    assert len(_notes(found, patient)) == NOTES
    assert [write_json(row) for row in await _export_since(story, physician, manifest)] == [kept["b"]]


async def _export_since(story: Story, physician: Actor, manifest: Json) -> list[Json]:
    since = quote(manifest["transactionTime"])
    status = await _begin(physician, f"Patient/$export?_type=Observation&_since={since}")
    return await _fetch_all(physician, await _manifest(story, physician, status))


async def test_an_emergency_that_exports_is_told_to_the_patient_by_the_manifest_at_the_latest(story: Story) -> None:
    patient = await _open(story, story.physician())
    told = f"Communication?patient={patient.id}"
    urgent = story.pharmacist(purposes=("BTG",), reason="coma")
    status = await _begin(urgent, f"Patient/$export?_type=Observation&patient=Patient/{patient.id}")
    assert (await patient.get(told)).json()["total"] == 0
    manifest = await _manifest(story, urgent, status)
    assert (await patient.get(told)).json()["total"] == 1
    assert len(await _fetch_all(urgent, manifest)) == NOTES


async def test_an_emergency_in_which_a_file_is_fetched_is_told_to_the_patient(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = await _open(story, story.physician())
    urgent = story.pharmacist(purposes=("BTG",), reason="coma")
    status = await _begin(urgent, f"Patient/$export?_type=Observation&patient=Patient/{patient.id}")
    monkeypatch.setattr(bulk_status, "is_emergency", lambda _: False)
    manifest = await _manifest(story, urgent, status)
    assert len(await _fetch_all(urgent, manifest)) == NOTES
    assert (await patient.get(f"Communication?patient={patient.id}")).json()["total"] == 1
