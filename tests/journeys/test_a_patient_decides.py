"""A patient hides a document, blocks a doctor, reads the log and closes the record (reference/articles.md, 1 and 2)."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from fhir_dmp.instant import write_instant
from tests.journeys.cast import deposit, done, made, open_record
from tests.journeys.story import DAY, RPPS, Actor, Story, faults, parameters


async def test_a_patient_hides_a_document_blocks_a_doctor_reads_the_log_and_closes_the_record(story: Story) -> None:
    patient, physician, nurse = await open_record(story), story.physician(), story.nurse()
    here = f"Patient/{patient.id}"
    document = await deposit(story, nurse, patient)
    await physician.sees_nothing(document)
    for professional in (physician, nurse):
        await done(patient, f"{here}/$dmp-authorize", professional=professional.by_number)
    await physician.sees(document)

    # hidden: the physician finds nothing any more, the author and the patient do
    await done(patient, f"{document}/$dmp-mask")
    await physician.sees_nothing(document)
    assert await physician.finds(f"DocumentReference?patient={patient.id}") == []
    await nurse.sees(document)
    await patient.sees(document)

    # blocked: nothing at all, not even in an emergency
    await done(patient, f"{here}/$dmp-block", professional=physician.by_number)
    await physician.sees_nothing(here)
    await story.physician(purposes=("BTG",), reason="Inconscient").sees_nothing(here)

    # unblocked he still reads nothing: that takes a new consent
    await done(patient, f"{here}/$dmp-unblock", professional=physician.by_number)
    await physician.sees_nothing(here)

    # the log says it in French
    log = await patient.sees(f"{here}/$dmp-access-log?professional={RPPS}|{physician.rpps}")
    lines = [row["part"][0]["valueString"] for row in log["parameter"] if row["name"] == "access"]
    assert any("a consulté 1 document." in line and physician.rpps in line for line in lines), lines
    assert any("Accès refusé" in line for line in lines), lines

    await done(patient, f"{here}/$dmp-close")
    await nurse.sees_nothing(document)
    refused = await patient.post(f"{here}/$dmp-authorize", parameters(professional=nurse.by_number))
    assert (refused.status_code, faults(refused)) == (409, ["record-closed"])
    await patient.sees(f"{here}/$dmp-access-log")


async def test_a_log_without_a_line_is_a_resource_that_fhir_takes(story: Story) -> None:
    patient = await open_record(story)
    log = await patient.sees(f"Patient/{patient.id}/$dmp-access-log?to=1900")
    assert log == {"resourceType": "Parameters"}


async def test_a_professional_is_named_by_his_rpps_number_alone(story: Story) -> None:
    patient, nurse = await open_record(story), story.nurse()
    await done(patient, f"Patient/{patient.id}/$dmp-authorize", professional=nurse.rpps)
    await nurse.sees(f"Patient/{patient.id}")
    log = await patient.sees(f"Patient/{patient.id}/$dmp-access-log?professional={nurse.rpps}")
    assert [row["name"] for row in log["parameter"]] == ["access"]


async def test_a_choice_made_once_more_changes_nothing(story: Story) -> None:
    patient, physician = await open_record(story), story.physician()
    here, who = f"Patient/{patient.id}", {"professional": story.nurse().by_number}
    document = await deposit(story, story.nurse(), patient)
    acts: list[tuple[str, dict[str, Any]]] = [
        (f"{here}/$dmp-authorize", who),
        (f"{here}/$dmp-block", who),
        (f"{here}/$dmp-unblock", who),
        (f"{here}/$dmp-attending", {"professional": physician.by_number}),
        (f"{here}/$dmp-name-administrator", who),
        (f"{here}/$dmp-remove-administrator", who),
        (f"{document}/$dmp-mask", {}),
        (f"{document}/$dmp-unmask", {}),
        (f"{document}/$dmp-hide-from-representatives", {}),
        (f"{document}/$dmp-show-to-representatives", {}),
    ]
    for url, given in acts:
        stored = [story.behind.count(ty={"$ne": "AuditEvent"}), story.behind.count("history")]
        first = await done(patient, url, **given)
        after = [story.behind.count(ty={"$ne": "AuditEvent"}), story.behind.count("history")]
        assert after != stored, url
        assert await done(patient, url, **given) == first
        assert [story.behind.count(ty={"$ne": "AuditEvent"}), story.behind.count("history")] == after, url


async def test_choices_are_valid_resources_that_plain_fhir_reads(story: Story) -> None:
    patient, nurse = await open_record(story), story.nurse()
    here, server = f"Patient/{patient.id}", story.server()
    period = {"valuePeriod": {"start": "2026-01-01", "end": "2099-12-31"}}
    await done(patient, f"{here}/$dmp-authorize", professional=nurse.by_number, period=period)
    await done(patient, f"{here}/$dmp-block", professional=story.pharmacist().by_number)
    await done(patient, f"{here}/$dmp-emergency-settings", regulation=False, **{"masked-documents": True})
    await done(patient, f"{here}/$dmp-attending", professional=story.physician().by_number)
    await done(patient, f"{here}/$dmp-name-administrator", professional=nurse.by_number)
    found = await server.finds(f"Consent?patient={patient.id}")
    found += [await server.sees(here), *await server.finds(f"Provenance?patient={patient.id}")]
    assert len(found) == 4 + 1 + 6
    for resource in found:
        answer = await server.post(f"{resource['resourceType']}/$validate", resource)
        errors = [row for row in answer.json()["issue"] if row["severity"] in {"error", "fatal"}]
        assert errors == [], resource

    # renewed with another period it is the same Consent
    renewed = {"valuePeriod": {"start": "2026-01-01", "end": "2030-12-31"}}
    again = await done(patient, f"{here}/$dmp-authorize", professional=nurse.by_number, period=renewed)
    assert again["period"] == renewed["valuePeriod"]
    assert len(await server.finds(f"Consent?patient={patient.id}")) == 4


async def test_who_was_to_be_let_in_later_is_let_in_now(story: Story) -> None:
    patient, nurse = await open_record(story), story.nurse()
    here = f"Patient/{patient.id}"
    later = {"valuePeriod": {"start": write_instant(story.clock.now + 365 * DAY)}}
    await done(patient, f"{here}/$dmp-authorize", professional=nurse.by_number, period=later)
    await nurse.sees_nothing(here)
    now = await done(patient, f"{here}/$dmp-authorize", professional=nurse.by_number)
    assert now["period"] == {"start": write_instant(story.clock.now)}
    await nurse.sees(here)
    assert len(await patient.finds(f"Consent?patient={patient.id}&status=active")) == 1


async def test_the_medecin_traitant_sees_what_is_masked_blocks_and_reads_the_log(story: Story) -> None:
    patient, own, other = await open_record(story), story.physician(), story.physician("99900000055")
    here, nurse = f"Patient/{patient.id}", story.nurse()
    document = await deposit(story, nurse, patient)
    await done(patient, f"{document}/$dmp-mask")

    # he declares himself, as the patient asked him to; only then he sees it, and who looked
    await own.sees_nothing(here)
    await done(own, f"{here}/$dmp-attending", professional=own.by_number, consent=True)
    await own.sees(document)
    assert (await own.sees(f"{here}/$dmp-access-log"))["parameter"]
    await done(own, f"{here}/$dmp-block", professional=other.by_number, consent=True)
    await done(own, f"{document}/$dmp-unmask", consent=True)
    await done(own, f"{document}/$dmp-mask", consent=True)

    # another one takes his place only where that is said, and once he is no more blocked
    await done(own, f"{here}/$dmp-unblock", professional=other.by_number, consent=True)
    await done(patient, f"{here}/$dmp-attending", professional=other.by_number, replace=True)
    await other.sees(document)
    await own.sees_nothing(document)
    refused = await own.get(f"{here}/$dmp-access-log")
    assert (refused.status_code, faults(refused)) == (404, ["resource-absent"])


async def test_what_waits_for_an_announcement_opens_by_itself_after_a_month(story: Story) -> None:
    patient, author = await open_record(story), story.nurse()
    first, second = await deposit(story, author, patient), await deposit(story, author, patient)
    both = [{"reference": first}, {"reference": second}]
    await done(author, "DocumentReference/$dmp-hold-back", document=both)
    for document in (first, second):
        await patient.sees_nothing(document)
    assert await patient.finds(f"Provenance?patient={patient.id}&target={first}") == []
    await done(author, f"{first}/$dmp-announce")
    await patient.sees(first)

    # by itself, and then the patient may hide it in turn
    await story.pass_days(32)
    await patient.sees(second)
    await done(patient, f"{second}/$dmp-mask")
    labels = [row["coding"][0]["code"] for row in (await patient.sees(second))["securityLabel"]]
    assert labels == ["N", "MASQUE_PS"]


async def test_a_minor_hides_a_document_from_those_who_represent_him(story: Story) -> None:
    patient, author = await open_record(story, born="2012-08-12"), story.nurse()
    document, parent = await deposit(story, author, patient), story.representative(patient.id)
    await parent.sees(document)
    await done(patient, f"{document}/$dmp-hide-from-representatives")
    await parent.sees_nothing(document)
    assert await parent.finds(f"Provenance?patient={patient.id}&target={document}") == []
    # nor does the log tell him: neither the act, nor the version that it made
    log = (await parent.sees(f"Patient/{patient.id}/$dmp-access-log"))["parameter"]
    entities = [entity for row in log for entity in row["part"][2]["resource"].get("entity", ())]
    asked = [b64decode(entity["query"]).decode() for entity in entities if "query" in entity]
    assert not [text for text in asked if "hide-from-representatives" in text]
    assert f"{document}/_history/2" not in str(log)
    refused = await parent.post(f"{document}/$dmp-show-to-representatives", parameters())
    assert (refused.status_code, faults(refused)) == (404, ["resource-absent"])
    await done(patient, f"{document}/$dmp-show-to-representatives")
    await parent.sees(document)


async def test_an_administrator_who_is_blocked_is_one_no_more_once_that_is_lifted(story: Story) -> None:
    patient, nurse = await open_record(story), story.nurse()
    here, who = f"Patient/{patient.id}", nurse.by_number
    document = await deposit(story, story.physician(), patient, "MASQUE_PS")
    await done(patient, f"{here}/$dmp-name-administrator", professional=who)
    await nurse.sees(document)
    for act in ("block", "unblock"):
        await done(patient, f"{here}/$dmp-{act}", professional=who)
        await nurse.sees_nothing(document)
    await done(patient, f"{here}/$dmp-authorize", professional=who)
    await nurse.sees(here)
    await nurse.sees_nothing(document)


async def test_a_block_ends_and_its_end_lifts_also_what_names_the_professional_by_his_role(story: Story) -> None:
    patient, server = await open_record(story), story.server()
    doctor = story.physician("99900000077", organization="990000077")
    finess = [{"system": "https://finess.esante.gouv.fr", "value": "990000077"}]
    structure = await made(server, {"resourceType": "Organization", "name": "Cabinet", "identifier": finess})
    person = (await server.finds(f"Practitioner?identifier={RPPS}|{doctor.rpps}"))[0]["id"]
    works = {"practitioner": {"reference": f"Practitioner/{person}"}, "organization": {"reference": structure}}
    role = await made(server, {"resourceType": "PractitionerRole", "active": True, **works})
    document = await deposit(story, story.nurse(), patient)

    here, who = f"Patient/{patient.id}", doctor.by_number
    await done(patient, f"{here}/$dmp-authorize", professional=who)
    await _name_by(patient, role)
    await doctor.sees(document)
    await done(patient, f"{here}/$dmp-block", professional=who)
    await done(patient, f"{here}/$dmp-unblock", professional=who)
    await doctor.sees_nothing(document)

    await done(patient, f"{here}/$dmp-block", professional=who)
    await _name_by(patient, role)
    await done(patient, f"{here}/$dmp-unblock", professional=who)
    await done(patient, f"{here}/$dmp-authorize", professional=who)
    await doctor.sees(document)


async def test_who_is_blocked_by_a_role_of_his_alone_is_unblocked_before_he_is_let_in(story: Story) -> None:
    patient, server = await open_record(story), story.server()
    doctor = story.physician("99900000077", organization="990000078")
    finess = [{"system": "https://finess.esante.gouv.fr", "value": "990000078"}]
    structure = await made(server, {"resourceType": "Organization", "name": "Cabinet", "identifier": finess})
    person = (await server.finds(f"Practitioner?identifier={RPPS}|{doctor.rpps}"))[0]["id"]
    works = {"practitioner": {"reference": f"Practitioner/{person}"}, "organization": {"reference": structure}}
    role = await made(server, {"resourceType": "PractitionerRole", "active": True, **works})
    document, here, who = await deposit(story, story.nurse(), patient), f"Patient/{patient.id}", doctor.by_number

    await done(patient, f"{here}/$dmp-block", professional=who)
    await _name_by(patient, role)
    for act in ("authorize", "attending", "name-administrator"):
        answer = await patient.post(f"{here}/$dmp-{act}", parameters(professional=who))
        assert answer.status_code == 409, (act, answer.text)
        assert "professional-blocked" in answer.text
    await done(patient, f"{here}/$dmp-unblock", professional=who)
    await done(patient, f"{here}/$dmp-authorize", professional=who)
    await doctor.sees(document)


async def test_a_consent_for_a_team_counts_for_whom_the_team_names_by_his_number(story: Story) -> None:
    patient, server = await open_record(story), story.server()
    doctor, here = story.physician("99900000066", organization="990000055"), f"Patient/{patient.id}"
    finess = {"system": "https://finess.esante.gouv.fr", "value": "990000055"}
    await made(server, {"resourceType": "Organization", "name": "Maison", "identifier": [finess]})
    teams = [
        await made(server, {"resourceType": "CareTeam", "status": "active", "participant": [{"member": member}]})
        for member in (doctor.by_number, {"identifier": finess})
    ]
    document = await deposit(story, story.nurse(), patient)
    for team in teams:
        await doctor.sees_nothing(document)
        await done(patient, f"{here}/$dmp-authorize", professional=story.dentist().by_number)
        await _name_by(patient, team)
        await doctor.sees(document)
        for consent in await patient.finds(f"Consent?patient={patient.id}&status=active"):
            await patient.put(f"Consent/{consent['id']}", {**consent, "status": "inactive"})


async def test_a_draft_that_blocks_the_medecin_traitant_by_any_name_is_told_to_be_refused(story: Story) -> None:
    patient, physician, server = await open_record(story), story.physician(), story.server()
    here = f"Patient/{patient.id}"
    person = (await server.finds(f"Practitioner?identifier={RPPS}|{physician.rpps}"))[0]["id"]
    works = {"practitioner": {"reference": f"Practitioner/{person}"}}
    role = await made(server, {"resourceType": "PractitionerRole", "active": True, **works})
    await done(patient, f"{here}/$dmp-block", professional=story.nurse().by_number)
    draft = (await patient.finds(f"Consent?patient={patient.id}"))[0]
    draft = {key: value for key, value in draft.items() if key not in {"id", "meta"}}
    await done(patient, f"{here}/$dmp-attending", professional=physician.by_number)
    for named in (physician.by_number, {"reference": f"Practitioner/{person}"}, {"reference": role}):
        draft["provision"]["actor"][0]["reference"] = named
        asked = parameters(professional=physician.rpps, profession="10", consent=draft)
        answer = await patient.post(f"{here}/$dmp-explain-access", asked)
        saving = next(row["part"] for row in answer.json()["parameter"] if row["name"] == "saving")
        assert saving[0]["valueBoolean"] is False, named
        assert saving[1]["valueCoding"]["code"] == "attending-not-blockable", named
        assert (await patient.post("Consent", draft)).status_code == 403


async def _name_by(patient: Actor, reference: str) -> None:
    """Has the Consents in force name somebody otherwise."""
    for consent in await patient.finds(f"Consent?patient={patient.id}&status=active"):
        consent["provision"]["actor"][0]["reference"] = {"reference": reference}
        answer = await patient.put(f"Consent/{consent['id']}", consent)
        assert answer.status_code == 200, answer.text


async def test_the_log_is_paged_and_its_links_are_for_one_reader(story: Story) -> None:
    patient, nurse = await open_record(story), story.nurse()
    await done(patient, f"Patient/{patient.id}/$dmp-authorize", professional=nurse.by_number)
    for _ in range(3):
        await nurse.sees(f"Patient/{patient.id}")
    url = f"Patient/{patient.id}/$dmp-access-log?_count=2&professional={RPPS}|{nurse.rpps}"
    seen: list[str] = []
    while url:
        page = (await patient.sees(url))["parameter"]
        rows = [row["part"][2]["resource"]["id"] for row in page if row["name"] == "access"]
        assert len(rows) <= 2
        seen += rows
        url = next((row["valueUri"].partition("/fhir/")[2] for row in page if row["name"] == "next"), "")
        if url and len(seen) == 2:
            assert (await story.server().get(url)).status_code == 400
    assert len(seen) == len(set(seen)) == 3
    for wrong in ("from=2026-02-01&to=2026-01-01", "from=hier", "mode=nuit", "_count=0", "professional=99999999999"):
        answer = await patient.get(f"Patient/{patient.id}/$dmp-access-log?{wrong}")
        assert answer.status_code in {400, 422}, wrong
