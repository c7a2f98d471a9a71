"""A patient deposits documents, advance directives and whom to call, and takes them back (articles.md, 2 and 3)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from fhir_dmp.access.contact import RELATION, ROLE
from fhir_dmp.instant import write_instant
from fhir_dmp.issuer.grant import of_proxy
from fhir_dmp.record.document_type import CLASS, OWN_TYPE
from fhir_dmp.search.sensitivity import LOINC, VISIBILITY
from tests.journeys.cast import done, made, open_record
from tests.journeys.feeding import encode, replacing
from tests.journeys.story import Actor, Story, faults

Json = Any
MASKED = [{"coding": [{"system": VISIBILITY, "code": "MASQUE_PS"}]}]


def own_document(story: Story, patient: Actor, code: str, name: str, text: str, **changed: Json) -> Json:
    """A document of the patient's, of a type and class of the DMP."""
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"coding": [{"system": OWN_TYPE, "code": code}]},
        "category": [{"coding": [{"system": CLASS, "code": name}]}],
        "subject": {"reference": f"Patient/{patient.id}"},
        "date": write_instant(story.clock.now),
        "author": [{"reference": f"Patient/{patient.id}"}],
        "content": [{"attachment": {"contentType": "text/plain", "data": encode(text)}}],
        **changed,
    }


def contact(patient: Actor, *roles: str, **changed: Json) -> Json:
    """Somebody to call, with the roles that he has."""
    return {
        "resourceType": "RelatedPerson",
        "active": True,
        "patient": {"reference": f"Patient/{patient.id}"},
        "relationship": [
            *({"coding": [{"system": ROLE, "code": role}]} for role in roles),
            {"coding": [{"system": RELATION, "code": "MTH"}]},
        ],
        "name": [{"family": "Durand", "given": ["Odette"]}],
        "telecom": [{"system": "phone", "value": "0601020304"}],
        **changed,
    }


async def test_advance_directives_are_deposited_read_corrected_and_withdrawn(story: Story) -> None:
    patient, physician, dentist = await open_record(story), story.physician(), story.dentist()
    for professional in (physician, dentist):
        await done(patient, f"Patient/{patient.id}/$dmp-authorize", professional=professional.by_number)
    first = await made(patient, own_document(story, patient, "EXPPAT_3", "90", "Pas d'acharnement."))
    assert (await physician.sees(first))["type"]["coding"][0]["code"] == "EXPPAT_3"
    await dentist.sees_nothing(first)

    second = own_document(story, patient, "EXPPAT_3", "90", "Ni acharnement, ni réanimation.", **replacing(first))
    corrected = await made(patient, second)
    found = await physician.finds(f"DocumentReference?patient={patient.id}&type={OWN_TYPE}|EXPPAT_3&status=current")
    assert [row["id"] for row in found] == [corrected.partition("/")[2]]
    gone = await patient.client.delete(corrected, headers=patient.sign())
    assert gone.status_code == 204
    for actor in (patient, physician):
        assert (await actor.get(corrected)).status_code in {404, 410}


@pytest.mark.parametrize(
    ("code", "name"), [("EXPPAT_1", "90"), ("EXPPAT_2", "90"), ("DOCPAT03", "10"), ("DOCPAT09", "95")]
)
async def test_what_a_patient_deposits_is_seen_unless_he_masks_it(story: Story, code: str, name: str) -> None:
    patient, physician = await open_record(story), story.physician()
    await done(patient, f"Patient/{patient.id}/$dmp-authorize", professional=physician.by_number)
    shown = await made(patient, own_document(story, patient, code, name, "Je suis donneur d'organes."))
    masked = await made(patient, own_document(story, patient, code, name, "Pour moi seul.", securityLabel=MASKED))
    await physician.sees(shown)
    await physician.sees_nothing(masked)
    await done(patient, f"{shown}/$dmp-mask")
    await done(patient, f"{masked}/$dmp-unmask")
    await physician.sees(masked)
    await physician.sees_nothing(shown)


async def test_a_patient_writes_as_no_professional(story: Story) -> None:
    patient = await open_record(story)
    report = own_document(story, patient, "CR", "10", "Tout va bien.")
    report["type"] = {"coding": [{"system": LOINC, "code": "34112-3"}]}
    answer = await patient.post("DocumentReference", report)
    assert (answer.status_code, faults(answer)) == (422, ["document-type DocumentReference.type.coding[0]"])
    wrong = await patient.post("DocumentReference", own_document(story, patient, "EXPPAT_3", "10", "Tout va bien."))
    assert faults(wrong) == ["document-class DocumentReference.category[0]"]
    physician = story.physician()
    of_another = own_document(story, patient, "DOCPAT03", "10", "x", author=[physician.by_number])
    assert (await patient.post("DocumentReference", of_another)).status_code == 403
    assert await patient.finds(f"DocumentReference?patient={patient.id}") == []


async def test_whom_to_call_is_said_changed_masked_and_withdrawn(story: Story) -> None:
    patient, physician, stranger = await open_record(story), story.physician(), story.physician("99900000066")
    await done(patient, f"Patient/{patient.id}/$dmp-authorize", professional=physician.by_number)
    called = await made(patient, contact(patient, "ECON"))
    await made(patient, contact(patient, "QUAL"))
    found = await physician.finds(f"RelatedPerson?patient={patient.id}&relationship={ROLE}|ECON")
    assert [row["telecom"][0]["value"] for row in found] == ["0601020304"]
    await stranger.sees_nothing(called)

    stored = await patient.sees(called)
    stored["telecom"][0]["value"] = "0605040302"
    assert (await patient.put(called, stored)).status_code == 200
    assert (await physician.sees(called))["telecom"][0]["value"] == "0605040302"
    assert (await physician.put(called, stored)).status_code == 403, "nobody else says it"
    stored["meta"]["security"] = [{"system": VISIBILITY, "code": "MASQUE_PS"}]
    assert (await patient.put(called, stored)).status_code == 200
    await physician.sees_nothing(called)
    assert (await patient.client.delete(called, headers=patient.sign())).status_code == 204
    assert len(await patient.finds(f"RelatedPerson?patient={patient.id}")) == 1


async def test_a_contact_whom_a_patient_made_represents_nobody(story: Story) -> None:
    child = await open_record(story, born="2018-03-04")
    document = await made(child, own_document(story, child, "EXPPAT_2", "90", "Mon journal."))
    guardian = await made(story.server(), contact(child, "GUARD"))
    called = await made(child, contact(child, "ECON"))
    gone = await made(child, contact(child, "ECON"))
    assert (await child.client.delete(gone, headers=child.sign())).status_code == 204

    def speaking_as(person: str) -> Actor:
        grant = replace(of_proxy("representative", child.id, "test", ("patient/*.cruds",)), fhir_user=person)
        return Actor(story.guarded.client, partial(story.guarded.tokens.sign, grant), child.id)

    await speaking_as(guardian).sees(document)
    for contradicted in (called, gone):
        impostor = speaking_as(contradicted)
        await impostor.sees_nothing(document)
        assert await impostor.finds(f"DocumentReference?patient={child.id}") == []
        refused = await impostor.post("RelatedPerson", contact(child, "ECON"))
        assert refused.status_code == 403
        closing = await impostor.post(f"Patient/{child.id}/$dmp-close", {"resourceType": "Parameters", "id": "none"})
        assert closing.status_code in {403, 404}, closing.text

    for before, after in ((None, "GUARD"), (called, "GUARD"), (guardian, "ECON")):
        body = contact(child, after) | ({"id": before.partition("/")[2]} if before else {})
        answer = await (child.put(before, body) if before else child.post("RelatedPerson", body))
        assert answer.status_code == 403, (before, after)
    assert (await child.client.delete(guardian, headers=child.sign())).status_code == 403
    await speaking_as(guardian).sees(document)
