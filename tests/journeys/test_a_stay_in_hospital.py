"""The CHU feeds the record of a patient who stayed there (reference/articles.md, 1): once each, and corrected."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from fhir_dmp.ins.matricule import TEST
from fhir_dmp.record.document_type import OWN_TYPE
from fhir_dmp.search.sensitivity import CONFIDENTIALITY, VISIBILITY
from tests.journeys.cast import done
from tests.journeys.feeding import CHU, deposited, encode, open_fed, replacing, report
from tests.journeys.story import FINESS, Story, faults

Json = Any


async def test_the_report_is_there_once_however_often_it_is_sent(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    document = report(story, patient, "1")
    answers = await asyncio.gather(*(chu.post("DocumentReference", document) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 201], [answer.text for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    again = await chu.post("DocumentReference", document)
    assert again.status_code == 200
    assert again.headers["location"].endswith(f"{answers[0].json()['id']}/_history/1")
    assert len(await patient.finds(f"DocumentReference?subject=Patient/{patient.id}")) == 1


async def test_another_content_of_that_name_and_another_name_of_that_content_are_refused(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    document = report(story, patient, "1")
    await deposited(chu, document)
    other = {**document, "content": [{"attachment": {"contentType": "text/plain", "data": encode("autre")}}]}
    answer = await chu.post("DocumentReference", other)
    assert (answer.status_code, faults(answer)) == (
        409, ["document-name-taken DocumentReference.masterIdentifier"],
    )  # fmt: skip
    (event,) = await story.trace(patient=f"Patient/{patient.id}", outcome="4")
    assert event["agent"][-1]["who"]["identifier"]["value"] == CHU, "who tried is in the trace"
    twin = {**report(story, patient, "2"), "content": document["content"]}
    answer = await chu.post("DocumentReference", twin)
    assert (answer.status_code, faults(answer)) == (409, ["document-duplicate DocumentReference.content"])
    assert len(await patient.finds(f"DocumentReference?subject=Patient/{patient.id}")) == 1


async def test_whoever_may_not_see_a_document_is_not_told_that_it_is_there(story: Story) -> None:
    chu, other, patient = story.hospital(), story.hospital("990000028"), await open_fed(story)
    document = report(story, patient, "1")
    await deposited(chu, document)
    assert (await other.post("DocumentReference", document)).status_code == 201


async def test_a_corrected_report_makes_the_first_obsolete(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    first = await deposited(chu, report(story, patient, "1"))
    corrected = report(story, patient, "2", **replacing(first))
    second = await deposited(chu, corrected)
    assert (await patient.sees(first))["status"] == "superseded"
    assert (await patient.sees(second))["status"] == "current"
    assert (await chu.post("DocumentReference", corrected)).status_code == 200, "sent once more, it is the same"

    # replaced once is replaced: the next correction is one of the correction
    late = await chu.post("DocumentReference", report(story, patient, "3", **replacing(first)))
    assert (late.status_code, faults(late)) == (
        409, ["document-replaced-before DocumentReference.relatesTo[0].target"],
    )  # fmt: skip


async def test_what_is_replaced_may_be_named_by_a_version_or_by_its_identifier(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    first = await deposited(chu, report(story, patient, "1"))
    second = await deposited(chu, report(story, patient, "2", **replacing(f"{first}/_history/1")))
    named = {"identifier": (await chu.sees(second))["masterIdentifier"]}
    relation = [{"code": "replaces", "target": named}]
    third = await deposited(chu, report(story, patient, "3", relatesTo=relation))
    assert [(await patient.sees(url))["status"] for url in (first, second, third)] == [
        "superseded", "superseded", "current",
    ]  # fmt: skip
    unknown = {"identifier": {**named["identifier"], "value": "urn:oid:1.2.250.1.999.0"}}
    answer = await chu.post(
        "DocumentReference", report(story, patient, "4", relatesTo=[{**relation[0], "target": unknown}])
    )
    assert (answer.status_code, faults(answer)) == (
        422, ["document-replaced-unknown DocumentReference.relatesTo[0].target"],
    )  # fmt: skip


@pytest.mark.parametrize("target", [{"display": "le précédent"}, {"identifier": {"system": "urn:x"}}])
async def test_what_replaces_something_and_does_not_say_what_is_refused(story: Story, target: Json) -> None:
    """It would be stored beside what it replaces, both current."""
    chu, patient = story.hospital(), await open_fed(story)
    await deposited(chu, report(story, patient, "1"))
    relation = [{"code": "replaces", "target": target}]
    answer = await chu.post("DocumentReference", report(story, patient, "2", relatesTo=relation))
    assert (answer.status_code, faults(answer)) == (
        422, ["document-replaced-unknown DocumentReference.relatesTo[0].target"],
    )  # fmt: skip
    assert len(await patient.finds(f"DocumentReference?subject=Patient/{patient.id}")) == 1


async def test_a_correction_in_a_transaction_is_all_or_nothing(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    first = await deposited(chu, report(story, patient, "1"))

    def bundle(*documents: Json) -> Json:
        request = {"method": "POST", "url": "DocumentReference"}
        return {"resourceType": "Bundle", "type": "transaction",
                "entry": [{"resource": document, "request": request} for document in documents]}  # fmt: skip

    wrong = report(story, patient, "3", **replacing("DocumentReference/never-was"))
    answer = await chu.post("", bundle(report(story, patient, "2", **replacing(first)), wrong))
    assert answer.status_code == 422, answer.text
    assert faults(answer) == ["document-replaced-unknown Bundle.entry[1].resource.relatesTo[0].target"]
    assert (await patient.sees(first))["status"] == "current"
    twice = bundle(*(report(story, patient, name, **replacing(first)) for name in "45"))
    assert (await chu.post("", twice)).status_code == 400
    assert len(await patient.finds(f"DocumentReference?subject=Patient/{patient.id}")) == 1
    answer = await chu.post("", bundle(report(story, patient, "2", **replacing(first))))
    assert answer.status_code == 200, answer.text
    assert (await patient.sees(first))["status"] == "superseded"


async def test_what_another_wrote_is_replaced_by_nobody_else(story: Story) -> None:
    chu, other, patient = story.hospital(), story.hospital("990000028"), await open_fed(story)
    first = await deposited(chu, report(story, patient, "1"))
    hidden = await other.post("DocumentReference", report(story, patient, "2", **replacing(first)))
    absent = await other.post("DocumentReference", report(story, patient, "3", **replacing("DocumentReference/no")))
    assert hidden.status_code == absent.status_code == 422
    assert hidden.json() == absent.json()
    assert faults(hidden) == ["document-replaced-unknown DocumentReference.relatesTo[0].target"]
    own = [{"reference": f"Patient/{patient.id}"}]
    of_patient = {"coding": [{"system": OWN_TYPE, "code": "DOCPAT03"}]}
    mine = await patient.post(
        "DocumentReference",
        report(story, patient, "4", **{**replacing(first), "author": own, "type": of_patient}),
    )
    assert mine.status_code == 403, mine.text
    assert (await patient.sees(first))["meta"]["versionId"] == "1"


async def test_what_the_patient_masked_stays_masked_when_it_is_corrected(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    first = await deposited(chu, report(story, patient, "1"))
    masked = await patient.sees(first)
    masked["securityLabel"].append({"coding": [{"system": VISIBILITY, "code": "MASQUE_PS"}]})
    assert (await patient.put(first, masked)).status_code == 200
    answer = await chu.post("DocumentReference", report(story, patient, "2", **replacing(first)))
    assert (answer.status_code, faults(answer)) == (422, ["document-shows-more DocumentReference.securityLabel"])
    await deposited(chu, report(story, patient, "2", "MASQUE_PS", **replacing(first)))
    assert (await patient.sees(first))["status"] == "superseded"


@pytest.mark.parametrize(("code", "name"), [("34112-3", "11"), ("LOCAL-1", "10")])
async def test_a_class_that_is_not_the_types_is_refused(story: Story, code: str, name: str) -> None:
    patient = await open_fed(story)
    document = report(story, patient, "1")
    document["type"]["coding"][0]["code"], document["category"][0]["coding"][0]["code"] = code, name
    answer = await story.hospital().post("DocumentReference", document)
    assert answer.status_code == 422
    assert "document-class DocumentReference.category[0]" in faults(answer)


HOSTILE = {
    "a program": {"contentType": "application/pdf", "data": base64.b64encode(b"MZ\x90\x00\x03" + b"\0" * 60).decode()},
    "a script as a text": {"contentType": "text/plain", "data": encode("#!/bin/sh\nrm -rf /")},
    "a page that runs": {"contentType": "text/html", "data": encode("<script>alert(1)</script>")},
    "no pdf": {"contentType": "application/pdf", "data": encode("Compte rendu")},
    "no text": {"contentType": "text/plain", "data": base64.b64encode(b"\x00\x01\x02\x03").decode()},
    "no XML": {"contentType": "application/xml", "data": encode("Compte rendu")},
    "no type": {"contentType": "../../etc/passwd", "data": encode("x")},
}
NAMES = ["../../etc/cron.d/x", "..\\x.pdf", "C:\\x.pdf", "compte-rendu.pdf.exe", "rendu\u202efdp.exe", "a\u0007.pdf"]


@pytest.mark.parametrize("attachment", HOSTILE.values(), ids=HOSTILE)
async def test_a_content_that_is_not_what_it_says_is_refused(story: Story, attachment: Json) -> None:
    patient = await open_fed(story)
    document = report(story, patient, "1", content=[{"attachment": attachment}])
    answer = await story.hospital().post("DocumentReference", document)
    assert answer.status_code in {400, 422}
    assert any("DocumentReference.content[0].attachment.contentType" in fault for fault in faults(answer))
    assert await patient.finds(f"DocumentReference?subject=Patient/{patient.id}") == []


@pytest.mark.parametrize("title", NAMES)
async def test_a_hostile_name_of_a_file_is_refused(story: Story, title: str) -> None:
    patient = await open_fed(story)
    attachment = {"contentType": "text/plain", "data": encode("Compte rendu"), "title": title}
    answer = await story.hospital().post(
        "DocumentReference", report(story, patient, "1", content=[{"attachment": attachment}])
    )
    assert answer.status_code in {400, 422}
    assert any("DocumentReference.content[0].attachment.title" in fault for fault in faults(answer))


async def test_a_title_may_have_what_french_titles_have(story: Story) -> None:
    patient = await open_fed(story)
    title = "CR d'hospitalisation du 12/03/2025, Cœur & poumons (n° 3).pdf"
    attachment = {"contentType": "text/plain", "data": encode("Rien à signaler."), "title": title}
    await deposited(story.hospital(), report(story, patient, "1", content=[{"attachment": attachment}]))


@pytest.mark.parametrize("labels", [None, [{"coding": [{"system": CONFIDENTIALITY, "code": "L"}]}]])
async def test_who_sees_a_report_is_said_when_it_is_deposited(story: Story, labels: Json) -> None:
    patient = await open_fed(story)
    document = report(story, patient, "1")
    del document["securityLabel"]
    document |= {"securityLabel": labels} if labels else {}
    answer = await story.hospital().post("DocumentReference", document)
    assert answer.status_code == 422
    assert "document-visibility DocumentReference.securityLabel" in faults(answer)


SEEN = {
    "by both": ((), True, True),
    "masked to professionals": (("MASQUE_PS",), False, True),
    "held back from the patient": (("INVISIBLE_PATIENT",), True, False),
}


@pytest.mark.parametrize("way", ["create", "transaction"])
@pytest.mark.parametrize("name", SEEN)
async def test_what_a_deposit_says_of_who_sees_it_is_answered_and_holds(story: Story, name: str, way: str) -> None:
    labels, for_professionals, for_patient = SEEN[name]
    chu, patient, physician = story.hospital(), await open_fed(story), story.physician()
    await done(patient, f"Patient/{patient.id}/$dmp-authorize", professional=physician.by_number)
    document = report(story, patient, "1", *labels)
    if way == "create":
        answer = await chu.post("DocumentReference", document)
        stored = answer.json()
    else:
        entry = {"resource": document, "request": {"method": "POST", "url": "DocumentReference"}}
        answer = await chu.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        stored = await chu.sees("/".join(answer.json()["entry"][0]["response"]["location"].split("/")[-4:-2]))
    said = {row["coding"][0]["code"] for row in stored["securityLabel"]}
    assert said == {"N", *labels}, "masked or not, visible or not: the confidentiality, and the labels that are there"
    place = f"DocumentReference/{stored['id']}"
    for reader, is_shown in ((physician, for_professionals), (patient, for_patient)):
        await (reader.sees(place) if is_shown else reader.sees_nothing(place))


async def test_a_deposit_that_nobody_would_see_is_refused_with_its_labels(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    both = report(story, patient, "1", "MASQUE_PS", "INVISIBLE_PATIENT")
    answer = await chu.post("DocumentReference", both)
    assert (answer.status_code, faults(answer)) == (422, ["labels-contradict DocumentReference.securityLabel"])
    held = report(story, patient, "1", "INVISIBLE_PATIENT")
    place = await deposited(chu, held)
    stored = await chu.sees(place)
    answer = await chu.put(place, {**stored, "securityLabel": both["securityLabel"]})
    assert faults(answer) == ["labels-contradict DocumentReference.securityLabel"]


@pytest.mark.parametrize("way", ["create", "transaction", "update", "meta"])
async def test_what_the_patient_would_see_at_once_is_not_taken_as_held_back_from_him(story: Story, way: str) -> None:
    """By its date it is open to him: whoever relies on the label is told so, by whatever way he sets it."""
    chu, patient = story.hospital(), await open_fed(story)
    old = {"date": "2025-11-01T08:00:00Z"}
    held, shown = report(story, patient, "1", "INVISIBLE_PATIENT", **old), report(story, patient, "1", **old)
    label = {"system": VISIBILITY, "code": "INVISIBLE_PATIENT"}
    place = await deposited(chu, shown) if way in {"update", "meta"} else ""
    at = ""
    match way:
        case "create":
            answer = await chu.post("DocumentReference", held)
        case "transaction":
            entry = {"resource": held, "request": {"method": "POST", "url": "DocumentReference"}}
            answer = await chu.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
            at = "Bundle.entry[0]"
        case "update":
            answer = await chu.put(place, {**await chu.sees(place), "securityLabel": held["securityLabel"]})
        case _:
            given = {"name": "meta", "valueMeta": {"security": [label]}}
            answer = await chu.post(f"{place}/$meta-add", {"resourceType": "Parameters", "parameter": [given]})
    element = f"{at}.resource.securityLabel" if at else "DocumentReference.securityLabel"
    assert (answer.status_code, faults(answer)) == (409, [f"hold-back-over {element}"])
    count = len(await patient.finds(f"DocumentReference?patient={patient.id}&security-label=INVISIBLE_PATIENT"))
    assert count == 0


@pytest.mark.parametrize("attachment", [
    {"contentType": "application/pdf", "url": "data:text/html;base64,PHNjcmlwdD4="}, {"url": "javascript:alert(1)"},
], ids=lambda attachment: attachment["url"][:4])  # fmt: skip
async def test_a_content_does_not_come_in_by_its_url(story: Story, attachment: Json) -> None:
    """Nobody would compare it with its type, nor scan it."""
    chu, patient = story.hospital(), await open_fed(story)
    answer = await chu.post("DocumentReference", report(story, patient, "1", content=[{"attachment": attachment}]))
    assert (answer.status_code, faults(answer)) == (422, ["content-url DocumentReference.content[0].attachment.url"])


@pytest.mark.parametrize("label", [{"text": "MASQUE_PS"}, {"coding": [{"system": VISIBILITY, "display": "Masqué"}]}])
async def test_a_label_that_is_no_code_is_not_taken_as_if_it_hid(story: Story, label: Json) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    document = report(story, patient, "1")
    document["securityLabel"].append(label)
    answer = await chu.post("DocumentReference", document)
    assert (answer.status_code, faults(answer)) == (422, ["document-visibility DocumentReference.securityLabel[1]"])


RECORDLESS: dict[str, Json] = {
    "no subject": None,
    "an identifier that finds nobody": {"identifier": {"system": TEST, "value": "299059912300137"}},
    "an identifier of a record that is open to him": {"identifier": "mine"},
    "an identifier of a record that is closed": {"identifier": "closed"},
    "a text": {"display": "Mme Lefebvre"},
    "somebody who is no patient": {"reference": "Practitioner/petit"},
    "a Patient inside": {"reference": "#patient"},
}


@pytest.mark.parametrize("way", ["create", "transaction"])
@pytest.mark.parametrize("name", RECORDLESS)
async def test_a_document_that_names_no_record_is_told_so(story: Story, name: str, way: str) -> None:
    """Whatever an identifier finds: the answer is the same, so it tells nothing of who is here."""
    chu, patient, gone = story.hospital(), await open_fed(story), await open_fed(story)
    await done(gone, f"Patient/{gone.id}/$dmp-close")
    document = report(story, patient, "1", contained=[{"resourceType": "Patient", "id": "patient"}])
    subject = RECORDLESS[name]
    if subject and isinstance(subject.get("identifier"), str):
        whose = patient if subject["identifier"] == "mine" else gone
        subject = {"identifier": (await whose.sees(f"Patient/{whose.id}"))["identifier"][0]}
    if subject:
        document["subject"] = subject
    else:
        del document["subject"]
    if "#patient" not in str(subject):
        del document["contained"]
    entry = {"resource": document, "request": {"method": "POST", "url": "DocumentReference"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    answer = await chu.post("", bundle) if way == "transaction" else await chu.post("DocumentReference", document)
    at = "Bundle.entry[0].resource" if way == "transaction" else "DocumentReference"
    assert (answer.status_code, faults(answer)) == (422, [f"record-needed {at}.subject"])
    told = answer.json()["issue"][0]["details"]["text"]
    assert told.startswith("It names no record: DocumentReference.subject has to refer to the Patient")


@pytest.mark.parametrize(("resource", "at"), [
    ({"resourceType": "Observation", "status": "final", "code": {"text": "x"}}, "Observation.subject"),
    ({"resourceType": "Immunization", "status": "completed", "vaccineCode": {"text": "x"}, "occurrenceString": "2026",
      "patient": {"display": "x"}}, "Immunization.patient"),
], ids=lambda row: row["resourceType"] if isinstance(row, dict) else row)  # fmt: skip
async def test_so_is_anything_else_that_is_fed(story: Story, resource: Json, at: str) -> None:
    answer = await story.hospital().post(resource["resourceType"], resource)
    assert (answer.status_code, faults(answer)) == (422, [f"record-needed {at}"])


async def test_a_provenance_of_a_document_names_the_patient_beside_it(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    place = await deposited(chu, report(story, patient, "1"))
    provenance: Json = {
        "resourceType": "Provenance",
        "target": [{"reference": place}],
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"identifier": {"system": FINESS, "value": CHU}}}],
    }
    entry = {"resource": provenance, "request": {"method": "POST", "url": "Provenance"}}
    answer = await chu.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert (answer.status_code, faults(answer)) == (422, ["record-needed Bundle.entry[0].resource.target"])
    provenance["target"].append({"reference": f"Patient/{patient.id}"})
    answer = await chu.post("Provenance", provenance)
    assert answer.status_code == 201, answer.text


async def test_who_may_not_write_is_told_no_more_than_that(story: Story) -> None:
    document = report(story, story.patient("none"), "1")
    del document["subject"]
    for actor in (story.auditor(), story.physician(scope="user/*.rs"), story.fund()):
        answer = await actor.post("DocumentReference", document)
        assert (answer.status_code, faults(answer)[0].split()[0]) == (403, "not-allowed")
