"""The CHU sends a submission (ITI-65) once more: nothing is there twice, or cited by nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Any

import pytest

from fhir_dmp.interactions import binary as holding
from tests.journeys.feeding import CHU, deposited, open_fed, replacing, report
from tests.journeys.story import FINESS, Actor, Story, faults

Json = Any
IHE = "https://profiles.ihe.net/ITI/MHD/StructureDefinition"
LIST_TYPES = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"


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


@pytest.mark.parametrize("has_hash", [True, False])
async def test_another_content_for_a_document_that_its_criteria_find_is_refused(
    story: Story, *, has_hash: bool
) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    criteria = f"subject=Patient/{patient.id}&status=current"
    one, two = (
        submission(story, patient, content, has_hash=has_hash, criteria=criteria)
        for content in (b"%PDF-1.7 one", b"%PDF-1.7 two")
    )
    answered(await chu.post("", one))
    before = binaries(story)
    answer = await chu.post("", two)
    assert (answer.status_code, faults(answer)) == (409, ["content-uncited Bundle.entry[1]"])
    assert binaries(story) == before
    # what something new cites as well is stored for that
    cited = two["entry"][0]["resource"]["content"]
    row = {
        "resource": report(story, patient, "2", content=cited),
        "request": {"method": "POST", "url": "DocumentReference"},
    }
    two["entry"].append(row)
    assert [status for status, _ in answered(await chu.post("", two))] == ["200", "201", "201"]


async def test_a_content_that_is_in_the_document_itself_is_not_stored_beside_it(story: Story) -> None:
    """The document is here, by its name, with its data within: its Binary would be cited by nothing."""
    chu, patient = story.hospital(), await open_fed(story)
    sent = submission(story, patient, b"%PDF-1.7 within")
    attachment = sent["entry"][0]["resource"]["content"][0]["attachment"]
    within = {name: row for name, row in attachment.items() if name != "url"}
    within["data"] = sent["entry"][1]["resource"]["data"]
    await deposited(chu, report(story, patient, "1", content=[{"attachment": within}]))
    before = binaries(story)
    answer = await chu.post("", sent)
    assert (answer.status_code, faults(answer)) == (409, ["content-uncited Bundle.entry[1]"])
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


async def test_another_binary_under_that_name_is_compared_where_no_hash_tells(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    urls = [await uploaded(chu, content) for content in (b"one", b"one", b"two")]
    named = [
        report(story, patient, "1", content=[{"attachment": {"contentType": "text/plain", "url": url}}]) for url in urls
    ]
    answers = [await chu.post("DocumentReference", document) for document in named]
    assert [answer.status_code for answer in answers] == [201, 200, 409]
    assert faults(answers[2]) == ["document-name-taken DocumentReference.masterIdentifier"]


async def uploaded(actor: Actor, content: bytes) -> str:
    """The reference to a Binary that is sent by itself."""
    binary = {"resourceType": "Binary", "contentType": "text/plain", "data": base64.b64encode(content).decode()}
    answer = await actor.post("Binary", binary)
    assert answer.status_code == 201, answer.text
    return f"Binary/{answer.json()['id']}"


async def test_a_document_that_cites_an_entry_which_did_not_come_is_refused(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    sent, before = submission(story, patient, b"%PDF-1.7 lost"), binaries(story)
    sent["entry"][1]["fullUrl"] = "urn:uuid:6b1f0c5e-0a52-4d2c-8f3e-000000000000"
    answer = await chu.post("", sent)
    assert (answer.status_code, faults(answer)) == (
        422, ["attachment-absent Bundle.entry[0].resource.content[0].attachment.url"],
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


def submission_set(story: Story, patient: Actor, **changed: Json) -> Json:
    """A submission with the List that names it, as MHD and PDSm have it."""
    sent = submission(story, patient, b"%PDF-1.7 of a set")
    url = sent["entry"][0]["fullUrl"]
    submitted = {
        "resourceType": "List",
        "status": "current",
        "mode": "working",
        "code": {"coding": [{"system": LIST_TYPES, "code": "submissionset"}]},
        "extension": [
            {"url": f"{IHE}/ihe-sourceId", "valueIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"}}
        ],
        "identifier": [
            {"use": "usual", "system": "urn:ietf:rfc:3986", "value": f"urn:oid:1.2.250.1.999.{patient.id}"},
        ],
        "subject": sent["entry"][0]["resource"]["subject"],
        "source": sent["entry"][0]["resource"]["author"][0],
        "date": "2026-01-01T00:00:00Z",
        "entry": [{"item": {"reference": url}}],
        **changed,
    }
    sent["entry"].append({"resource": submitted, "request": {"method": "POST", "url": "List"}})
    return sent


def stored(story: Story) -> int:
    return story.behind.count(ty={"$ne": "AuditEvent"})


def lists(story: Story) -> int:
    return story.behind.count(ty="List")


@pytest.mark.parametrize("use", ["usual", "official"])
async def test_its_list_is_there_once(story: Story, use: str) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    named = [{"use": use, "system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{patient.id}"}]
    sent = submission_set(story, patient, identifier=named)
    first = answered(await chu.post("", sent))
    assert [status for status, _ in first] == ["201"] * 3
    before = lists(story)
    # who sends again may say anew when he sent it
    sent["entry"][2]["resource"]["date"] = "2026-01-02T00:00:00Z"
    assert answered(await chu.post("", sent)) == [("200", location) for _, location in first]
    assert lists(story) == before


async def test_a_list_that_is_sent_several_times_at_once_is_stored_once(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    sent, before = submission_set(story, patient), lists(story)
    answers = [answered(answer) for answer in await asyncio.gather(*(chu.post("", sent) for _ in range(4)))]
    assert sorted(row[2][0] for row in answers) == ["200", "200", "200", "201"]
    assert lists(story) == before + 1


async def test_a_list_is_there_once_also_by_itself(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    row = submission_set(story, patient)["entry"][2]["resource"]
    row["entry"] = [{"item": {"reference": await deposited(chu, report(story, patient, "1"))}}]
    answers = [await chu.post("List", row) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    row["entry"] = [{"item": {"reference": await deposited(chu, report(story, patient, "2"))}}]
    answer = await chu.post("List", row)
    assert (answer.status_code, faults(answer)) == (409, ["submission-name-taken List.identifier"])


OTHERS: dict[str, Json] = {
    "of other documents": {"entry": [{"item": {"display": "autre"}}]},
    "of another source": {
        "source": {"identifier": {"system": FINESS, "value": CHU}, "reference": "PractitionerRole/other"}
    },
    "of another system of that source": {
        "extension": [
            {"url": f"{IHE}/ihe-sourceId", "valueIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.4"}}
        ]
    },
}


@pytest.mark.parametrize("changed", OTHERS.values(), ids=OTHERS)
async def test_another_submission_under_that_name_is_refused(story: Story, changed: Json) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    answered(await chu.post("", submission_set(story, patient)))
    before = lists(story), binaries(story)
    answer = await chu.post("", submission_set(story, patient, **changed))
    assert (answer.status_code, faults(answer)) == (
        409, ["submission-name-taken Bundle.entry[2].resource.identifier"],
    )  # fmt: skip
    assert (lists(story), binaries(story)) == before


@pytest.mark.parametrize("criteria", ["identifier={}", "title=never"], ids=["that find it", "that do not"])
async def test_another_submission_under_that_name_is_refused_with_criteria_too(story: Story, criteria: str) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    sent = submission_set(story, patient)
    answered(await chu.post("", sent))
    row = sent["entry"][2]
    asked = criteria.format(row["resource"]["identifier"][0]["value"])
    row["request"]["ifNoneExist"] = f"subject=Patient/{patient.id}&{asked}"
    assert [status for status, _ in answered(await chu.post("", sent))] == ["200"] * 3
    row["resource"]["entry"] = [{"item": {"display": "autre"}}]
    answer = await chu.post("", sent)
    assert (answer.status_code, faults(answer)) == (
        409, ["submission-name-taken Bundle.entry[2].resource.identifier"],
    )  # fmt: skip
    alone = await chu.post(f"List?{row['request']['ifNoneExist']}", row["resource"])
    assert (alone.status_code, faults(alone)) == (409, ["submission-name-taken List.identifier"])
    # a List of another name is what the criteria are for
    row["resource"]["identifier"] = [{**row["resource"]["identifier"][0], "value": f"urn:oid:1.2.{patient.id}"}]
    row["request"]["ifNoneExist"] = f"subject=Patient/{patient.id}"
    assert answered(await chu.post("", sent))[2][0] == "200"


PROVIDED = [
    "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-comprehensive-provide-document-bundle|3.1.1",
    f"{IHE}/IHE.MHD.Minimal.ProvideBundle",
    f"{IHE}/IHE.MHD.Comprehensive.ProvideBundle",
    f"{IHE}/IHE.MHD.UnContained.Comprehensive.ProvideBundle|4.2.3",
]


@pytest.mark.parametrize("profile", PROVIDED)
async def test_what_claims_to_be_a_submission_has_one_set(story: Story, profile: str) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    sent = {**submission_set(story, patient), "meta": {"profile": ["urn:other", profile]}}
    (document, content, submitted), before = sent["entry"], stored(story)
    named = {**submitted["resource"], "identifier": [{"use": "usual", "system": "urn:x", "value": patient.id}]}
    folder = {**submitted["resource"], "code": {"coding": [{"system": LIST_TYPES, "code": "folder"}]}}
    empty = {name: row for name, row in sent.items() if name != "entry"}
    none, two = [document, content], [document, content, submitted, {**submitted, "resource": named}]
    for rows, at in (
        ([], "Bundle.entry"),
        (none, "Bundle.entry"),
        ([*none, {**submitted, "resource": folder}], "Bundle.entry"),
        (two, "Bundle.entry[3].resource.code"),
    ):
        answer = await chu.post("", {**sent, "entry": rows} if rows else empty)
        assert (answer.status_code, faults(answer)) == (422, [f"submission-set {at}"])
    assert stored(story) == before, "nothing of it is stored"
    assert [status for status, _ in answered(await chu.post("", sent))] == ["201"] * 3


async def test_a_transaction_that_claims_nothing_may_have_any_lists(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    sent = submission_set(story, patient)
    answer = await chu.post("", {**sent, "entry": sent["entry"][:2], "meta": {"profile": ["urn:other"]}})
    assert answer.status_code == 200, answer.text


async def test_two_lists_of_one_name_are_not_stored_by_one_bundle(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    sent = submission_set(story, patient)
    sent["entry"].append(sent["entry"][2])
    answer = await chu.post("", sent)
    assert (answer.status_code, faults(answer)[0].split()[0]) == (400, "transaction-duplicate")


@pytest.mark.parametrize("other", ["replaces", "DELETE"])
async def test_a_document_that_is_replaced_and_something_else_is_refused_with_its_place(
    story: Story, other: str
) -> None:
    """Replaced by two of one Bundle, or replaced and deleted: the entry that replaces it is named."""
    chu, patient = story.hospital(), await open_fed(story)
    place = await deposited(chu, report(story, patient, "1"))
    posted = {"method": "POST", "url": "DocumentReference"}
    rows: Json = [
        {"resource": report(story, patient, name, **replacing(place)), "request": posted} for name in ("2", "3")
    ]
    rows = rows if other == "replaces" else [{"request": {"method": "DELETE", "url": place}}, rows[0]]
    answer = await chu.post("", {"resourceType": "Bundle", "type": "transaction", "entry": rows})
    assert (answer.status_code, faults(answer)) == (
        400, ["transaction-duplicate Bundle.entry[1].resource.relatesTo"],
    )  # fmt: skip
    assert (await chu.sees(place))["status"] == "current"


async def test_a_list_that_is_no_submission_is_stored_as_often_as_it_is_sent(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    sent = submission_set(story, patient, code={"coding": [{"system": LIST_TYPES, "code": "folder"}]})
    answered(await chu.post("", sent))
    assert [status for status, _ in answered(await chu.post("", sent))] == ["200", "200", "201"]


@pytest.mark.parametrize("changed", [{}, {"entry": [{"item": {"display": "autre"}}]}], ids=["the same", "another"])
async def test_a_list_that_the_sender_does_not_see_is_as_one_that_is_not_here(story: Story, changed: Json) -> None:
    """Whoever submits under somebody else's name is not told that it is taken: of either he gets a List of his own."""
    chu, clinic, patient = story.hospital(), story.hospital("990000028"), await open_fed(story)
    theirs = [{"identifier": {"system": FINESS, "value": "990000028"}}]
    (_, _, (_, location)) = answered(await chu.post("", submission_set(story, patient)))
    await clinic.sees_nothing(location.partition("/fhir/")[2].partition("/_history")[0])
    sent = submission_set(story, patient, source=theirs[0], **changed)
    sent["entry"][0]["resource"]["author"] = theirs
    assert [status for status, _ in answered(await clinic.post("", sent))] == ["201"] * 3
