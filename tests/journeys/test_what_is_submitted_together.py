"""What a submission set or folder holds, and what a document is related to, is of one patient, and is there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.journeys.feeding import deposited, open_fed, report
from tests.journeys.story import Actor, Story, faults

Json = Any
LIST_TYPES = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
MISSING = "urn:uuid:6b1f0c5e-0a52-4d2c-8f3e-000000000000"


def holding(patient: Actor, kind: str, *references: str) -> Json:
    """A List of documents."""
    return {
        "resourceType": "List", "status": "current", "mode": "working",
        "code": {"coding": [{"system": LIST_TYPES, "code": kind}]},
        "subject": {"reference": f"Patient/{patient.id}"},
        "entry": [{"item": {"reference": reference}} for reference in references],
    }  # fmt: skip


def related(story: Story, patient: Actor, code: str, target: str) -> Json:
    return report(story, patient, "2", relatesTo=[{"code": code, "target": {"reference": target}}])


def bundle(*resources: Json) -> Json:
    entries = [
        {
            "fullUrl": f"urn:uuid:6b1f0c5e-0a52-4d2c-8f3e-{place:012}",
            "resource": row,
            "request": {"method": "POST", "url": row["resourceType"]},
        }
        for place, row in enumerate(resources, 1)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def pointing(story: Story, patient: Actor, how: str, target: str) -> tuple[Json, str]:
    """What points at a document, and the element that does."""
    if how in {"submissionset", "folder"}:
        return holding(patient, how, target), "entry[0].item"
    return related(story, patient, how, target), "relatesTo[0].target"


WAYS = ["submissionset", "folder", "appends", "transforms", "signs"]


@pytest.mark.parametrize("is_alone", [True, False])
@pytest.mark.parametrize("how", WAYS)
async def test_another_patients_document_is_not_among_it(story: Story, how: str, *, is_alone: bool) -> None:
    chu, patient, other = story.hospital(), await open_fed(story), await open_fed(story)
    theirs = await deposited(chu, report(story, other, "1"))
    sent, element = pointing(story, patient, how, theirs)
    kind = sent["resourceType"]
    answer = await (chu.post(kind, sent) if is_alone else chu.post("", bundle(sent)))
    at = kind if is_alone else "Bundle.entry[0].resource"
    assert (answer.status_code, faults(answer)) == (422, [f"document-elsewhere {at}.{element}"])
    assert not await patient.finds(f"{kind}?patient={patient.id}")


@pytest.mark.parametrize("how", WAYS)
async def test_nor_one_that_comes_with_it(story: Story, how: str) -> None:
    chu, patient, other = story.hospital(), await open_fed(story), await open_fed(story)
    sent, element = pointing(story, patient, how, "urn:uuid:6b1f0c5e-0a52-4d2c-8f3e-000000000002")
    answer = await chu.post("", bundle(sent, report(story, other, "1")))
    assert (answer.status_code, faults(answer)) == (422, [f"document-elsewhere Bundle.entry[0].resource.{element}"])
    assert not await other.finds(f"DocumentReference?patient={other.id}")


@pytest.mark.parametrize("how", WAYS)
async def test_what_did_not_come_is_not_submitted(story: Story, how: str) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    sent, element = pointing(story, patient, how, MISSING)
    answer = await chu.post("", bundle(sent))
    assert (answer.status_code, faults(answer)) == (422, [f"reference-absent Bundle.entry[0].resource.{element}"])


@pytest.mark.parametrize("how", WAYS)
async def test_what_is_hidden_from_the_sender_is_as_what_never_was(story: Story, how: str) -> None:
    """Whoever it is about: he learns nothing of it by pointing at it."""
    chu, stranger = story.hospital(), story.hospital("990000028")
    patient, other = await open_fed(story), await open_fed(story)
    theirs = await deposited(chu, report(story, other, "1"))
    for target in (theirs, "DocumentReference/never-was"):
        sent, _ = pointing(story, patient, how, target)
        sent |= {"masterIdentifier": {"value": target}} if "content" in sent else {}
        sent |= {"content": report(story, patient, target)["content"]} if "content" in sent else {}
        answer = await stranger.post(sent["resourceType"], sent)
        assert answer.status_code == 201, answer.text


async def test_a_folder_holds_what_comes_and_what_is_here(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    here = await deposited(chu, report(story, patient, "1"))
    folder = holding(patient, "folder", here, "urn:uuid:6b1f0c5e-0a52-4d2c-8f3e-000000000002")
    answer = await chu.post("", bundle(folder, related(story, patient, "appends", here)))
    assert answer.status_code == 200, answer.text
