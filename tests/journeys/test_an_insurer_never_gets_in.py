"""The fund's agents open records; insurers, banks and employers have no access, whatever they ask (articles.md, 2)."""

from __future__ import annotations

from functools import partial

from fhir_dmp.issuer.grant import of_system
from tests.journeys.cast import deposit, done, open_record
from tests.journeys.story import Actor, Story, parameters


def _outsider(story: Story, kind: str) -> Actor:
    grant = of_system(kind, f"{kind}-42", "", ("system/*.cruds",))
    return Actor(story.guarded.client, partial(story.guarded.tokens.sign, grant))


async def test_an_insurer_never_gets_in(story: Story) -> None:
    patient, nurse = await open_record(story), story.nurse()
    document = await deposit(story, nurse, patient)
    here = f"Patient/{patient.id}"
    # the physician of an employer is a physician: also where the patient was made to let him in
    employed = story.physician("99900000066", specialties=("SM25",))
    await done(patient, f"{here}/$dmp-authorize", professional=employed.by_number)
    before = story.behind.count(ty={"$ne": "AuditEvent"})
    for outsider in (_outsider(story, "insurer"), _outsider(story, "bank"), employed):
        for url in (here, document, f"Patient?_id={patient.id}", f"{here}/$everything", f"{here}/$dmp-access-log"):
            answer = await outsider.get(url)
            assert answer.status_code == 403, answer.text
            elsewhere = url.replace(patient.id, "never-was").replace(document, "DocumentReference/never")
            absent = await outsider.get(elsewhere)
            assert (absent.status_code, absent.json()["issue"]) == (403, answer.json()["issue"])
        acts = {
            "Patient/$dmp-open": parameters(consent=True, patient=story.new_identity()),
            f"{here}/$dmp-authorize": parameters(consent=True, professional=employed.by_number),
            f"{here}/$dmp-emergency-settings": parameters(regulation=False),
            f"{document}/$dmp-unmask": parameters(consent=True),
        }
        for url, body in acts.items():
            assert (await outsider.post(url, body)).status_code == 403, url
    assert story.behind.count(ty={"$ne": "AuditEvent"}) == before
