"""The CHU sends a submission (ITI-65) once more: nothing is there twice, or cited by nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Any

import pytest

from fhir_dmp.interactions import binary as holding
from tests.journeys.feeding import open_fed, report
from tests.journeys.story import Actor, Story, faults

Json = Any


def submission(story: Story, patient: Actor, content: bytes, *, has_hash: bool = True, criteria: str = "") -> Json:
    """A document and its content, as two entries."""
    attachment: Json = {"contentType": "application/pdf", "url": "urn:uuid:6b1f0c5e-0a52-4d2c-8f3e-0d6c7a1b2c3d"}
    if has_hash:
        digest = hashlib.sha1(content, usedforsecurity=False).digest()
        attachment |= {"size": len(content), "hash": base64.b64encode(digest).decode()}
    document = report(story, patient, "1", content=[{"attachment": attachment}])
    binary = {"resourceType": "Binary", "contentType": "application/pdf", "data": base64.b64encode(content).decode()}
    asked = {"method": "POST", "url": "DocumentReference"} | ({"ifNoneExist": criteria} if criteria else {})
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": "urn:uuid:0e8c1a52-5d1c-4b36-9a53-1d9a7a1f2b11", "resource": document, "request": asked},
            {"fullUrl": attachment["url"], "resource": binary, "request": {"method": "POST", "url": "Binary"}},
        ],
    }


def answered(answer: Any) -> list[tuple[str, str]]:
    """The status of each entry, and where it says that its resource is."""
    assert answer.status_code == 200, answer.text
    return [(row["response"]["status"][:3], row["response"]["location"]) for row in answer.json()["entry"]]


def binaries(story: Story) -> int:
    return story.behind.count(ty="Binary")


@pytest.mark.parametrize("is_apart", [True, False])
@pytest.mark.parametrize("has_hash", [True, False])
async def test_the_content_of_a_document_that_is_here_is_not_stored_again(
    story: Story, monkeypatch: pytest.MonkeyPatch, *, is_apart: bool, has_hash: bool
) -> None:
    if is_apart:
        monkeypatch.setattr(holding, "_MAX_TEXT", 100)
    chu, patient = story.hospital(), await open_fed(story)
    sent = submission(story, patient, b"%PDF-1.7 " + patient.id.encode() * 10, has_hash=has_hash)
    kept = story.behind.count("content.files")
    (_, document), (_, binary) = answered(await chu.post("", sent))
    assert story.behind.count("content.files") == kept + is_apart
    before = binaries(story)
    again = answered(await chu.post("", sent))
    assert again == [("200", document), ("200", binary)]
    assert binaries(story) == before
    assert (await chu.get(binary.partition("/_history")[0].partition("/fhir/")[2])).status_code == 200


async def test_one_that_is_sent_several_times_at_once_is_stored_once(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    sent, before = submission(story, patient, b"%PDF-1.7 at once"), binaries(story)
    answers = [answered(answer) for answer in await asyncio.gather(*(chu.post("", sent) for _ in range(4)))]
    assert sorted(row[0][0] for row in answers) == ["200", "200", "200", "201"]
    assert len({location for row in answers for _, location in row}) == 2
    assert binaries(story) == before + 1


async def test_a_document_that_its_criteria_find_brings_no_content_twice(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    named = report(story, patient, "1")["masterIdentifier"]
    criteria = f"subject=Patient/{patient.id}&identifier={named['system']}|{named['value']}"
    sent = submission(story, patient, b"%PDF-1.7 by criteria", criteria=criteria)
    first = answered(await chu.post("", sent))
    before = binaries(story)
    assert answered(await chu.post("", sent)) == [("200", location) for _, location in first]
    assert binaries(story) == before


async def test_another_content_under_that_name_is_refused_although_no_hash_tells(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    await chu.post("", submission(story, patient, b"%PDF-1.7 one", has_hash=False))
    before = binaries(story)
    answer = await chu.post("", submission(story, patient, b"%PDF-1.7 two", has_hash=False))
    assert (answer.status_code, faults(answer)) == (
        409, ["document-name-taken Bundle.entry[0].resource.masterIdentifier"],
    )  # fmt: skip
    assert binaries(story) == before


async def test_a_content_that_something_new_cites_as_well_is_stored(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    sent = submission(story, patient, b"%PDF-1.7 shared")
    await chu.post("", sent)
    before = binaries(story)
    cited = sent["entry"][0]["resource"]["content"]
    other = report(
        story,
        patient,
        "2",
        content=[{"attachment": {"contentType": "application/pdf", "url": cited[0]["attachment"]["url"]}}],
    )
    sent["entry"].append({"resource": other, "request": {"method": "POST", "url": "DocumentReference"}})
    assert [status for status, _ in answered(await chu.post("", sent))] == ["200", "201", "201"]
    assert binaries(story) == before + 1
