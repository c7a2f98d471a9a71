"""The CHU's software sends CDA documents as it always has: each is a document of the record, like any other deposit.

https://fhir-dmp.fr/OperationDefinition/dmp-cda, docs/decisions/0038.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha1
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_dmp.ins.matricule import TEST
from fhir_dmp.instant import write_instant
from fhir_dmp.search.sensitivity import VISIBILITY
from tests.journeys.feeding import open_fed
from tests.journeys.story import Actor, Story, faults
from tests.rest.server import FHIR_XML

Json = Any
DOCUMENTS = Path(__file__).parents[1] / "cda/documents"
CDA = "DocumentReference/$dmp-cda"
HL7 = "application/hl7-cda+xml"
INS, NAME = b'extension="255089912300117"', b'<id root="1.2.250.1.999.1.1"/>'
_names = count(1)


async def ins_of(patient: Actor) -> str:
    """The matricule of a patient."""
    resource = await patient.sees(f"Patient/{patient.id}")
    return next(str(row["value"]) for row in resource["identifier"] if row["system"] == TEST)


async def letter(patient: Actor, *, replaces: bytes = b"", **changed: bytes) -> bytes:
    """A letter about a patient, with a name of its own; `changed` are parts that stand instead of others."""
    name = b'<id root="1.2.250.1.999.2" extension="%d"/>' % next(_names)
    text = (DOCUMENTS / "level1.xml").read_bytes()
    text = text.replace(INS, f'extension="{await ins_of(patient)}"'.encode()).replace(NAME, name)
    related = b'<relatedDocument typeCode="RPLC"><parentDocument>%s</parentDocument></relatedDocument>' % replaces
    text = text.replace(b"  <componentOf>", related + b"<componentOf>") if replaces else text
    for old, new in changed.items():
        text = text.replace(old.encode(), new)
    return text


def name_in(document: bytes) -> bytes:
    """The element that names a document."""
    start = document.index(b'<id root="1.2.250.1.999.2"')
    return document[start : document.index(b"/>", start) + 2]


async def send(actor: Actor, body: bytes, url: str = CDA, media_type: str = HL7, **headers: str) -> httpx.Response:
    return await actor.client.post(url, content=body, headers={**actor.sign(), "content-type": media_type, **headers})


async def test_a_cda_document_becomes_a_document_of_the_record(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    body = await letter(patient)
    answer = await send(chu, body)
    assert answer.status_code == 201, answer.text
    document = answer.json()
    assert answer.headers["location"].endswith(f"DocumentReference/{document['id']}/_history/1")
    assert document["subject"] == {"reference": f"Patient/{patient.id}"}
    attachment = document["content"][0]["attachment"]
    assert attachment["size"] == len(body)
    assert b64decode(attachment["hash"]) == sha1(body).digest()
    content = await patient.get(attachment["url"])
    assert (content.content, content.headers["content-type"]) == (body, "text/xml")
    found = await patient.finds(
        f"DocumentReference?patient={patient.id}&type=http://loinc.org|11490-0&category=10&creation=2026-06-12&date=2026-01-01"
        "&period=2026-06&facility=SA01&setting=ETABLISSEMENT&event=IMP&security-label=N&language=fr-FR"
        "&format=urn:ihe:iti:xds-sd:pdf:2008&contenttype=text/xml&related:identifier=DEM-9"
    )
    assert [row["id"] for row in found] == [document["id"]]


async def test_the_author_in_its_header_sees_and_replaces_it_and_a_stranger_does_not(story: Story) -> None:
    author, stranger, patient = story.physician(), story.physician("99900000055"), await open_fed(story)
    body = await letter(patient)
    refused = await send(stranger, body)
    assert refused.status_code == 403, "a professional names himself"
    first = await send(author, body)
    assert first.status_code == 201, first.text
    await author.sees(f"DocumentReference/{first.json()['id']}")
    await stranger.sees_nothing(f"DocumentReference/{first.json()['id']}")
    corrected = await letter(patient, replaces=name_in(body), **{"Lettre de liaison<": b"Lettre corrig\xc3\xa9e<"})
    second = await send(author, corrected)
    assert second.status_code == 201, second.text
    assert second.json()["relatesTo"][0]["target"]["reference"] == f"DocumentReference/{first.json()['id']}"
    assert (await patient.sees(f"DocumentReference/{first.json()['id']}"))["status"] == "superseded"
    assert (await send(author, corrected)).status_code == 200, "sent once more, it is the same"


async def test_a_document_is_there_once_however_often_it_is_sent(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    body = await letter(patient)
    first = await send(chu, body)
    binaries = story.behind.count(ty="Binary")
    again = await send(chu, body)
    assert (first.status_code, again.status_code) == (201, 200), again.text
    assert again.json()["id"] == first.json()["id"]
    assert story.behind.count(ty="Binary") == binaries, "nor is its content stored twice"
    other = await send(chu, body.replace(b"<title>Lettre", b"<title>Autre lettre"))
    assert (other.status_code, faults(other)) == (409, ["document-name-taken DocumentReference.masterIdentifier"])


async def test_what_a_document_replaces_has_to_be_here(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    answer = await send(chu, await letter(patient, replaces=b'<id root="1.2.250.1.999.404"/>'))
    assert (answer.status_code, faults(answer)) == (
        422, ["document-replaced-unknown DocumentReference.relatesTo[0].target"],
    )  # fmt: skip
    assert not await patient.finds(f"DocumentReference?patient={patient.id}")


async def test_a_closed_record_and_an_unknown_matricule_are_one_answer(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    body = await letter(patient)
    await patient.post(f"Patient/{patient.id}/$dmp-close", {"resourceType": "Parameters", "id": "none"})
    known, ins = await send(chu, body), (await ins_of(patient)).encode()
    unknown = await send(chu, body.replace(ins, b"299059912300137"))
    assert known.status_code == unknown.status_code == 412
    assert known.text.replace(ins.decode(), "*") == unknown.text.replace("299059912300137", "*")


async def test_an_insurer_and_who_may_not_write_deposit_none(story: Story) -> None:
    patient = await open_fed(story)
    body = await letter(patient)
    assert (await send(story.auditor(), body)).status_code == 403
    reader = story.physician(scope="user/*.rs")
    assert (await send(reader, body)).status_code == 403


async def test_the_depositor_says_who_sees_it_beside_its_confidentiality(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    answer = await send(chu, await letter(patient), f"{CDA}?visibility=INVISIBLE_PATIENT")
    assert answer.status_code == 201, answer.text
    labels = [row["coding"][0] for row in answer.json()["securityLabel"]]
    assert labels[1] == {"system": VISIBILITY, "code": "INVISIBLE_PATIENT"}
    await patient.sees_nothing(f"DocumentReference/{answer.json()['id']}")
    wrong = await send(chu, await letter(patient), f"{CDA}?visibility=N")
    assert (wrong.status_code, faults(wrong)) == (400, ["parameter-value http.visibility"])


async def test_an_old_document_that_comes_today_is_held_back_for_a_month_from_today(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    written = b'<effectiveTime value="20240612173000+0200"/>'
    body = await letter(patient, **{'<effectiveTime value="20260612173000+0200"/>': written})
    assert written in body
    now = story.clock.now
    answer = await send(chu, body, f"{CDA}?visibility=INVISIBLE_PATIENT")
    assert answer.status_code == 201, answer.text
    document = answer.json()
    assert document["date"] == write_instant(now)
    assert document["content"][0]["attachment"]["creation"] == "2024-06-12T17:30:00+02:00"
    place = f"DocumentReference/{document['id']}"
    await patient.sees_nothing(place)
    await story.pass_days(3)
    again = await send(chu, body, f"{CDA}?visibility=INVISIBLE_PATIENT")
    assert (again.status_code, again.json()["id"]) == (200, document["id"]), "sent later, it is the same"
    assert again.json()["date"] == write_instant(now), "and came when it came first"
    await story.pass_days(29)
    await patient.sees(place)


@pytest.mark.parametrize("media_type", [HL7, "text/xml", "application/xml; charset=utf-8"])
async def test_a_body_of_general_xml_is_the_document(story: Story, media_type: str) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    body = await letter(patient)
    answer = await send(chu, body, media_type=media_type, accept=FHIR_XML)
    assert answer.status_code == 201, answer.text
    assert answer.text.startswith('<DocumentReference xmlns="http://hl7.org/fhir">')


async def test_a_binary_and_parameters_with_one_are_taken_also_in_a_batch(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)

    async def binary() -> Json:
        data = b64encode(await letter(patient)).decode()
        return {"resourceType": "Binary", "contentType": "text/xml", "data": data}

    rows = [{"name": "document", "resource": await binary()}, {"name": "visibility", "valueCode": "MASQUE_PS"}]
    for body in (await binary(), {"resourceType": "Parameters", "parameter": rows}):
        assert (await chu.post(CDA, body)).status_code == 201
    request = {"method": "POST", "url": CDA}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": await binary(), "request": request}]}
    (entry,) = (await chu.post("", bundle)).json()["entry"]
    assert entry["response"]["status"].startswith("201"), entry
    assert (await chu.post(CDA, {"resourceType": "Binary"})).status_code == 400
    assert (await chu.post(CDA, {**await binary(), "data": "%%%"})).status_code == 400


async def test_what_is_embedded_is_looked_at_too(story: Story) -> None:
    chu, patient = story.hospital("990000077"), await open_fed(story)
    program = b64encode(b"MZ" + bytes(range(64))).decode()
    body = await letter(patient)
    start, end = body.index(b'"B64">') + 6, body.index(b"</text>")
    answer = await send(chu, body[:start] + program.encode() + body[end:])
    expression = "ClinicalDocument.component.nonXMLBody.text.contentType"
    assert (answer.status_code, faults(answer)) == (422, [f"content-type {expression}"])
    (event,) = await story.trace(outcome="4", **{"agent:identifier": "990000077"})
    assert event["agent"][-1]["who"]["identifier"]["value"] == "990000077", "who tried is in the trace"


async def test_a_malformed_one_is_refused_with_its_place(story: Story) -> None:
    chu, patient = story.hospital(), await open_fed(story)
    body = await letter(patient)
    cut = await send(chu, body.replace(b"</author>", b"</auteur>"))
    assert (cut.status_code, faults(cut)) == (400, ["cda-malformed"])
    assert "line 44, column 5: mismatched tag" in cut.json()["issue"][0]["diagnostics"]
    headless = await send(chu, body.replace(b"legalAuthenticator", b"authenticator"))
    assert (headless.status_code, faults(headless)) == (
        422, ["cda-header ClinicalDocument.legalAuthenticator.assignedEntity"],
    )  # fmt: skip
    assert "line 2, column 1" in headless.json()["issue"][0]["diagnostics"]
    assert (await send(chu, body, media_type="text/plain")).status_code == 415
    assert not await patient.finds(f"DocumentReference?patient={patient.id}")
