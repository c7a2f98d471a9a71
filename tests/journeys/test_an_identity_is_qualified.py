"""A person who came without papers gets a record, and later the matricule that a document and the INSi proved."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.journeys.story import Story, faults, parameters, reference_of, told
from tests.record.numbers import build_birth_place, build_provisional

Json = Any


async def _open_provisional(story: Story, proven: Json) -> str:
    names = [{**name, "use": "usual"} for name in proven["name"][1:]]
    unproven = build_provisional(name=names)
    answer = await story.fund().post("Patient/$dmp-open", parameters(consent=True, patient=unproven))
    assert answer.status_code == 200, answer.text
    return reference_of(answer)


async def test_the_fund_qualifies_the_identity_and_the_record_is_found_by_its_numbers(story: Story) -> None:
    proven, fund = story.new_identity(), story.fund()
    patient = story.patient(await _open_provisional(story, proven))
    assert "identifier" not in await patient.sees(f"Patient/{patient.id}")

    answer = await fund.post(f"Patient/{patient.id}/$dmp-qualify", parameters(patient=proven))
    assert answer.status_code == 200, answer.text
    assert told(answer)["status"] == "qualified"
    record = await patient.sees(f"Patient/{patient.id}")
    assert [row["type"]["coding"][0]["code"] for row in record["identifier"]] == ["INS-NIR-TEST", "INS-C"]
    assert record["meta"]["profile"] == ["https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-ins"]

    # once more, nothing changes; and an opening for this matricule finds the record
    assert (await fund.post(f"Patient/{patient.id}/$dmp-qualify", parameters(patient=proven))).json() == answer.json()
    opened = await story.pharmacist().post("Patient/$dmp-open", parameters(consent=True, patient=proven))
    assert reference_of(opened) == patient.id
    assert (await patient.sees(f"Patient/{patient.id}"))["meta"]["versionId"] == record["meta"]["versionId"]


async def test_an_identity_is_not_qualified_by_anothers_traits_nor_twice(story: Story) -> None:
    proven, other, fund = story.new_identity(), story.new_identity(), story.fund()
    url = f"Patient/{await _open_provisional(story, proven)}/$dmp-qualify"
    wrong = await fund.post(url, parameters(patient=other))
    assert (wrong.status_code, faults(wrong)) == (422, ["traits-contradict Parameters.parameter[0].resource"])
    assert (await story.physician().post(url, parameters(patient=proven))).status_code == 403
    assert (await fund.post(url, parameters(patient=proven))).status_code == 200
    replaced = await fund.post(url, parameters(patient=other))
    assert (replaced.status_code, faults(replaced)[0].partition(" ")[0]) == (422, "identity-qualified")


@pytest.mark.parametrize("trait", ["given", "place", "birth"])
async def test_other_traits_of_a_qualified_identity_are_refused_under_its_matricule_too(
    story: Story, trait: str
) -> None:
    proven, fund = story.new_identity(), story.fund()
    url = f"Patient/{await _open_provisional(story, proven)}/$dmp-qualify"
    assert (await fund.post(url, parameters(patient=proven))).status_code == 200
    named = [{**proven["name"][0], "given": ["MARIE"]}, proven["name"][1]]
    changes: dict[str, dict[str, Any]] = {
        "given": {"name": named},
        "place": {"extension": [proven["extension"][0], build_birth_place("75056")]},
        "birth": {"birthDate": "1955-08-13"},
    }
    other = deepcopy({**proven, **changes[trait]})
    for extension in other["name"][0]["extension"] if trait == "given" else ():
        extension["valueString"] = "MARIE"
    refused = await fund.post(url, parameters(patient=other))
    assert (refused.status_code, faults(refused)) == (422, ["identity-qualified Parameters.parameter[0].resource"])


async def test_a_matricule_that_another_patient_has_is_for_a_merge(story: Story) -> None:
    proven, fund = story.new_identity(), story.fund()
    provisional = await _open_provisional(story, proven)
    distinct = parameters(consent=True, patient=proven, distinct=True)
    assert (await story.pharmacist().post("Patient/$dmp-open", distinct)).status_code == 200
    answer = await fund.post(f"Patient/{provisional}/$dmp-qualify", parameters(patient=proven))
    assert (answer.status_code, faults(answer)) == (
        409,
        ["identity-doubtful Parameters.parameter[0].resource.identifier"],
    )
