"""$import: what is uploaded is taken in line by line, with the rights of who asked, once, and after a crash too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from fhir_dmp.bulk.intake import Row
from fhir_dmp.bulk.lines import Line
from fhir_dmp.interactions.transaction import perform
from fhir_dmp.jobs import take_in as taking
from fhir_dmp.jobs.worker import FIRST_RETRY, run_due
from fhir_dmp.outcome import Category, error
from fhir_dmp.store.import_port import Overtaken
from fhir_dmp.store.mongo.jobs import LEASE, MongoJobs
from fhir_dmp.store.mongo.sweep import sweep
from tests.journeys.story import DAY, Actor, Story, parameters, reference_of

Json = Any
NDJSON = "application/fhir+ndjson"
COUNTS = "https://fhir-dmp.fr/bulk-import-counts"


def _note(text: str, **members: Json) -> Json:
    return {"resourceType": "Observation", "status": "final", "code": {"text": text}, **members}


async def _upload(actor: Actor, rows: Iterable[Json], **headers: str) -> httpx.Response:
    body = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    sent = {**actor.sign(), "content-type": NDJSON, "prefer": "respond-async", **headers}
    return await actor.client.post("$import", content=body.encode(), headers=sent)


async def _begin(actor: Actor, rows: Iterable[Json]) -> str:
    answer = await _upload(actor, rows)
    assert answer.status_code == 202, answer.text
    return answer.headers["content-location"]


async def _ask(actor: Actor, url: str, method: str = "GET") -> httpx.Response:
    return await actor.client.request(method, url, headers={**actor.sign(), "accept": "application/json"})


async def _outcomes(actor: Actor, manifest: Json) -> dict[str, Json]:
    """What was refused, by the name of the line; its count is as the manifest says."""
    (file,) = manifest["error"]
    answer = await _ask(actor, file["url"])
    assert answer.headers["content-type"] == NDJSON
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["resourceType"] for row in found] == ["OperationOutcome"] * file["count"]
    return {row["id"]: row["issue"][0] for row in found}


async def _finish(story: Story, actor: Actor, status: str) -> Json:
    await story.work()
    answer = await _ask(actor, status)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_one_bad_line_among_many_is_named_and_no_other_is_lost(story: Story) -> None:
    fund = story.fund()
    rows: list[Json] = [{"resourceType": "Organization", "id": f"many-{number}"} for number in range(250)]
    rows = [{**row, "name": row["id"]} for row in rows]
    rows[56] = {**rows[56], "active": "yes"}
    rows[100:100] = ["", "  "]
    rows.append("{")
    status = await _begin(fund, rows)
    waiting = await _ask(fund, status)
    assert (waiting.status_code, waiting.headers["x-progress"]) == (202, "0 %, 0 lines, 0 refused")
    manifest = await _finish(story, fund, status)
    assert manifest["requiresAccessToken"] is True
    assert manifest["extension"] == {COUNTS: {"stored": 249, "refused": 2}}
    found = await _outcomes(fund, manifest)
    assert found.keys() == {"line-57", "line-253"}
    assert found["line-57"]["expression"] == ["Organization.active"]
    assert found["line-57"]["details"]["text"].startswith("Line 57: ")
    assert found["line-253"]["details"]["coding"][0]["code"] == "json-malformed"
    assert story.behind.count(_id={"$regex": "^Organization/many-"}, v=1) == 249


@pytest.mark.parametrize("crash", ["before", "within", "after"])
async def test_a_crash_leaves_each_line_stored_once(story: Story, monkeypatch: pytest.MonkeyPatch, crash: str) -> None:
    fund = story.fund()
    name = f"crash-{crash}"
    rows = [{"resourceType": "Organization", "name": f"{name}-{number}"} for number in range(250)]
    rows[230] = {**rows[230], "active": "yes"}
    status = await _begin(fund, rows)
    calls = 0

    async def die(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            if crash == "before":
                raise asyncio.CancelledError
            context, bundle, entries, also = arguments

            async def within(writer: Any) -> None:
                await also(writer)
                if crash == "within":
                    raise asyncio.CancelledError

            await perform(context, bundle, entries, within)
            raise asyncio.CancelledError
        return await perform(*arguments)

    monkeypatch.setattr(taking, "perform", die)
    jobs = MongoJobs(story.behind_store.database)
    with pytest.raises(asyncio.CancelledError):
        await run_due(story.context, jobs)
    assert (await _ask(fund, status)).status_code == 202
    assert await run_due(story.context, jobs) == 0, "the job is still the dead worker's"
    story.clock.now += LEASE
    manifest = await _finish(story, fund, status)
    assert manifest["extension"] == {COUNTS: {"stored": 249, "refused": 1}}
    assert (await _outcomes(fund, manifest)).keys() == {"line-231"}
    stored = await story.server().finds(f"Organization?name={name}&_count=500&_elements=name")
    assert sorted(row["name"] for row in stored) == sorted(row["name"] for row in rows if "active" not in row)


async def test_a_worker_that_was_overtaken_writes_nothing(story: Story) -> None:
    fund = story.fund()
    status = await _begin(fund, [{"resourceType": "Organization", "name": "overtaken"}])
    jobs = MongoJobs(story.behind_store.database)
    slow = await jobs.take(story.clock())
    assert slow is not None
    stale = await story.context.store.imports.find(slow.job.subject)
    assert stale is not None
    story.clock.now += LEASE
    assert await story.work() == 1
    rows = [Row(Line(1, stale.size, b'{"resourceType": "Organization", "name": "overtaken"}'), "")]
    with pytest.raises(Overtaken):
        await taking._take(taking._Intake(story.context, stale), rows)  # noqa: SLF001  a worker that did not notice
    assert len(await story.server().finds("Organization?name=overtaken")) == 1
    assert (await _ask(fund, status)).json()["extension"] == {COUNTS: {"stored": 1, "refused": 0}}


async def test_where_the_database_is_away_the_job_is_tried_again(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    fund = story.fund()
    status = await _begin(fund, [{"resourceType": "Organization", "name": "later"}])

    async def fail(*_: Any) -> Any:
        raise error(Category.UNAVAILABLE, "database-unavailable", "away")

    with monkeypatch.context() as patch:
        patch.setattr(taking, "perform", fail)
        await story.work()
    assert (await _ask(fund, status)).headers["x-progress"].endswith("0 refused")
    story.clock.now += FIRST_RETRY
    assert (await _finish(story, fund, status))["error"] == []


async def test_a_defect_of_ours_costs_one_line(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    fund = story.fund()

    async def break_down(context: Any, bundle: Any, *rest: Any) -> Any:
        if any(entry["resource"].get("name") == "defect 3" for entry in bundle["entry"]):
            raise ZeroDivisionError
        return await perform(context, bundle, *rest)

    monkeypatch.setattr(taking, "perform", break_down)
    status = await _begin(fund, [{"resourceType": "Organization", "name": f"defect {n}"} for n in range(5)])
    manifest = await _finish(story, fund, status)
    assert (await _outcomes(fund, manifest))["line-4"]["details"]["coding"][0]["code"] == "server-defect"
    assert manifest["extension"] == {COUNTS: {"stored": 4, "refused": 1}}


@pytest.mark.parametrize(
    "row",
    [
        {"resourceType": "Organization/23"},
        {"resourceType": "metadata"},
        {"resourceType": "$import"},
        {"resourceType": "_history"},
        {"resourceType": "Organization", "id": "$validate"},
        {"resourceType": "Organization", "id": "_history"},
        {"resourceType": "Organization", "id": {}},
    ],
    ids=str,
)
async def test_a_line_that_would_lead_elsewhere_is_refused_and_no_other_is_lost(story: Story, row: Json) -> None:
    fund = story.fund()
    status = await _begin(fund, [row, {"resourceType": "Organization", "name": "beside it"}])
    manifest = await _finish(story, fund, status)
    assert manifest["extension"] == {COUNTS: {"stored": 1, "refused": 1}}
    assert (await _outcomes(fund, manifest)).keys() == {"line-1"}


async def test_others_have_their_turn(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "TURN", 0)
    fund = story.fund()
    status = await _begin(fund, [{"resourceType": "Organization", "name": "turn"}])
    jobs = MongoJobs(story.behind_store.database)
    lease = await jobs.take(story.clock())
    assert lease is not None
    assert not await taking.take_in(story.context, jobs, lease)
    again = await jobs.take(story.clock())
    assert again is not None
    assert (again.job.subject, again.job.attempts) == (lease.job.subject, 0)
    monkeypatch.undo()
    assert await taking.take_in(story.context, jobs, again)
    await jobs.finish(again)
    assert (await _ask(fund, status)).status_code == 200


async def test_a_hospital_brings_what_it_may_and_is_told_of_the_rest(story: Story) -> None:
    physician, hospital = story.physician(), story.hospital()
    asked = parameters(patient=story.new_identity(), consent=True, authorized=physician.by_number)
    patient = reference_of(await physician.post("Patient/$dmp-open", asked))
    about = {"subject": {"reference": f"Patient/{patient}"}}
    rows = [_note("brought", **about), _note("mine", id="mine", **about), {"resourceType": "Consent"}]
    status = await _begin(hospital, rows)
    manifest = await _finish(story, hospital, status)
    assert (await _outcomes(hospital, manifest)).keys() == {"line-2", "line-3"}
    (stored,) = await story.server().finds(f"Observation?patient={patient}")
    assert stored["code"]["text"] == "brought"
    traced = await story.trace(patient=patient, action="C")
    assert any(f"Observation/{stored['id']}" in json.dumps(row) for row in traced)


async def test_of_another_there_is_no_import(story: Story) -> None:
    hospital, other, fund = story.hospital(), story.hospital("990000028"), story.fund()
    status = await _begin(hospital, ["{"])
    manifest = await _finish(story, hospital, status)
    places = [("GET", status), ("DELETE", status), ("GET", manifest["error"][0]["url"])]
    for method, url in places:
        for actor in (other, fund):
            answer = await _ask(actor, url, method)
            absent = await _ask(actor, url.replace(status.partition("=")[2], "never-was"), method)
            assert answer.status_code == absent.status_code == 404
            assert answer.text == absent.text
    assert (await _ask(hospital, status)).status_code == 200
    assert (await _ask(hospital, status, "DELETE")).status_code == 202
    for method, url in places:
        assert (await _ask(hospital, url, method)).status_code == 404
    assert story.behind.count("import.refused", **{"_id.i": status.partition("=")[2]}) == 0


async def test_an_import_that_is_cancelled_takes_nothing_in(story: Story) -> None:
    fund = story.fund()
    status = await _begin(fund, [{"resourceType": "Organization", "name": "cancelled"}])
    assert (await _ask(fund, status, "DELETE")).status_code == 202
    assert await story.work() == 0
    assert await story.server().finds("Organization?name=cancelled") == []


async def test_what_was_uploaded_is_kept_until_it_is_taken_in_and_no_longer(story: Story) -> None:
    fund, database = story.fund(), story.behind_store.database
    await sweep(database, timedelta(days=-1))  # what the imports of other tests have left
    status = await _begin(fund, [{"resourceType": "Organization", "name": "kept"}])
    assert await sweep(database, timedelta(days=-1)) == 0
    await _finish(story, fund, status)
    assert await sweep(database, timedelta(days=-1)) == 1
    (row,) = story.behind.database["import"].find({"_id": status.partition("=")[2]})
    assert row["done"]
    assert any(index.get("expireAfterSeconds") == 0 for index in story.behind.database["import"].list_indexes())
    story.clock.now += DAY
    assert (await _ask(fund, status)).status_code == 404


async def test_who_may_not_import_is_refused_at_once(story: Story) -> None:
    rows = [{"resourceType": "Organization", "name": "refused"}]
    patient = story.patient("somebody")
    for actor in (story.physician(), story.auditor(), patient, story.helper("somebody")):
        assert (await _upload(actor, rows)).status_code == 403
    fund = story.fund()
    assert (await _upload(fund, rows, prefer="handling=strict")).status_code == 400
    assert (await _upload(fund, rows, **{"content-type": "application/fhir+json"})).status_code == 415
    entry = {"resource": rows[0], "request": {"method": "POST", "url": "$import"}}
    within = await fund.post("", {"resourceType": "Bundle", "type": "batch", "entry": [entry]})
    assert not within.json()["entry"][0]["response"]["status"].startswith("2")
    assert await story.work() == 0
