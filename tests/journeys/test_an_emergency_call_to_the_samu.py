"""During a call to the SAMU the regulating physician reads the record at once (reference/articles.md, 3)."""

from __future__ import annotations

from tests.journeys.cast import deposit, done, open_record
from tests.journeys.story import Actor, Story


def regulator(story: Story) -> Actor:
    """The physician who regulates the calls."""
    return story.physician(purposes=("ETREAT",), is_regulator=True)


async def test_the_regulator_reads_at_once_and_the_patient_is_told(story: Story) -> None:
    patient, nurse = await open_record(story), story.nurse()
    document, masked = await deposit(story, nurse, patient), await deposit(story, nurse, patient)
    await done(patient, f"{masked}/$dmp-mask")
    await regulator(story).sees(document)
    await regulator(story).sees_nothing(masked)

    # he is told of it, and finds it in the log by its mode
    (notice,) = await patient.finds(f"Communication?patient={patient.id}")
    assert "régulation du Samu" in notice["payload"][0]["contentString"]
    log = await patient.sees(f"Patient/{patient.id}/$dmp-access-log?mode=centre_15")
    lines = [row["part"][0]["valueString"] for row in log["parameter"]]
    assert lines
    assert all("en urgence (régulation du Samu)" in line for line in lines), lines


async def test_what_the_patient_settled_beforehand_holds_in_the_emergency(story: Story) -> None:
    patient, nurse = await open_record(story), story.nurse()
    settings = f"Patient/{patient.id}/$dmp-emergency-settings"
    masked = await deposit(story, nurse, patient)
    await done(patient, f"{masked}/$dmp-mask")
    breaker = story.physician(purposes=("BTG",), reason="Inconscient")
    for one in (regulator(story), breaker):
        await one.sees_nothing(masked)

    # what is masked is opened to both; set once more, nothing is written
    opened = await done(patient, settings, **{"masked-documents": True})
    assert opened == {"regulation": True, "break-glass": True, "masked-documents": True}
    stored = story.behind.count()
    assert await done(patient, settings, **{"masked-documents": True}) == opened
    assert story.behind.count(ty={"$ne": "AuditEvent"}) <= stored
    for one in (regulator(story), breaker):
        await one.sees(masked)

    # the SAMU may, nobody else breaks the glass
    await done(patient, settings, **{"break-glass": False})
    await regulator(story).sees(masked)
    await breaker.sees_nothing(masked)
    await done(patient, settings, regulation=False, **{"masked-documents": False})
    await regulator(story).sees_nothing(f"Patient/{patient.id}")
    told = {row["name"]: row["valueBoolean"] for row in (await patient.sees(settings))["parameter"]}
    assert told == {"regulation": False, "break-glass": False, "masked-documents": False}

    # and back: what the law opens needs no Consent
    await done(patient, settings, regulation=True, **{"break-glass": True})
    await regulator(story).sees(f"Patient/{patient.id}")
    statuses = [row["status"] for row in await patient.finds(f"Consent?patient={patient.id}")]
    assert set(statuses) == {"inactive"}
