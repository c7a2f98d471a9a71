"""A report was corrected: who hides the correction hides the report that it replaced, which says nearly the same."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.operations import predecessors
from fhir_dmp.record.labels import visibility_of
from tests.journeys.cast import done
from tests.journeys.feeding import deposited, open_fed, replacing, report
from tests.journeys.story import Actor, Story, parameters

Json = Any
ACTS = [
    ("mask", "unmask", "MASQUE_PS"),
    ("hold-back", "announce", "INVISIBLE_PATIENT"),
    ("hide-from-representatives", "show-to-representatives", "INVISIBLE_REPRESENTANTS_LEGAUX"),
]


async def corrected(story: Story, patient: Actor, way: str = "reference") -> list[str]:
    """A report, its correction, and the correction of that, the newest first; each names the former in that way."""
    chu = story.hospital()
    places = [await deposited(chu, report(story, patient, "1"))]
    for name in ("2", "3"):
        former = await chu.sees(places[0])
        target = {
            "reference": {"reference": places[0]},
            "version": {"reference": f"{places[0]}/_history/1"},
            "identifier": {"identifier": former["masterIdentifier"]},
        }[way]
        related = {"relatesTo": [{"code": "replaces", "target": target}]}
        places.insert(0, await deposited(chu, report(story, patient, name, **related)))
    return places


async def labels(story: Story, places: list[str]) -> list[frozenset[str]]:
    return [visibility_of(await story.server().sees(place)) for place in places]


def told_of(answer: Any) -> list[str]:
    """The documents that an act answers with."""
    assert answer.status_code == 200, answer.text
    return [row["part"][0]["valueReference"]["reference"] for row in answer.json()["parameter"]]


@pytest.mark.parametrize(("act", "back", "label"), ACTS)
async def test_what_a_document_replaced_is_hidden_and_shown_with_it(
    story: Story, act: str, back: str, label: str
) -> None:
    patient = await open_fed(story)
    places = await corrected(story, patient)
    hiding = story.hospital() if act == "hold-back" else patient
    answer = await hiding.post(f"{places[0]}/$dmp-{act}", parameters())
    assert told_of(answer) == places
    assert await labels(story, places) == [{label}] * 3
    assert told_of(await hiding.post(f"{places[0]}/$dmp-{act}", parameters())) == places, "once more, it is the same"
    showing = story.hospital() if back == "announce" else patient
    assert told_of(await showing.post(f"{places[0]}/$dmp-{back}", parameters())) == places
    assert await labels(story, places) == [frozenset()] * 3


@pytest.mark.parametrize("way", ["reference", "version", "identifier"])
async def test_whoever_may_read_the_record_finds_none_of_them(story: Story, way: str) -> None:
    patient, physician = await open_fed(story), story.physician()
    await done(patient, f"Patient/{patient.id}/$dmp-authorize", professional=physician.by_number)
    places = await corrected(story, patient, way)
    await done(patient, f"{places[0]}/$dmp-mask")
    for place in places:
        await physician.sees_nothing(place)
    provenances = await patient.finds(f"Provenance?patient={patient.id}")
    assert {row["target"][0]["reference"] for row in provenances} >= set(places), "each act is told"


async def test_what_comes_after_a_document_stays_as_it_is(story: Story) -> None:
    patient = await open_fed(story)
    places = await corrected(story, patient)
    assert told_of(await patient.post(f"{places[1]}/$dmp-mask", parameters())) == places[1:]
    assert await labels(story, places) == [frozenset(), {"MASQUE_PS"}, {"MASQUE_PS"}]


async def test_what_the_patient_does_not_see_is_not_told_to_him(story: Story) -> None:
    """The first is held back from him: nothing says that there is one."""
    patient, chu = await open_fed(story), story.hospital()
    first = await deposited(chu, report(story, patient, "1", "INVISIBLE_PATIENT"))
    second = await deposited(chu, report(story, patient, "2", **replacing(first)))
    assert told_of(await patient.post(f"{second}/$dmp-mask", parameters())) == [second]
    assert await labels(story, [second, first]) == [{"MASQUE_PS"}, {"INVISIBLE_PATIENT"}]


async def test_what_is_open_to_the_patient_by_its_date_is_not_held_back_again(story: Story) -> None:
    patient, chu = await open_fed(story), story.hospital()
    old = await deposited(chu, report(story, patient, "1", date="2025-10-01T08:00:00Z"))
    new = await deposited(chu, report(story, patient, "2", **replacing(old)))
    assert told_of(await chu.post(f"{new}/$dmp-hold-back", parameters())) == [new]
    assert await labels(story, [new, old]) == [{"INVISIBLE_PATIENT"}, frozenset()]


async def test_a_chain_is_followed_so_far(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predecessors, "FOLLOWED", 1)
    patient = await open_fed(story)
    places = await corrected(story, patient)
    assert told_of(await patient.post(f"{places[0]}/$dmp-mask", parameters())) == places[:2]


async def test_a_chain_in_a_circle_has_an_end(story: Story) -> None:
    patient = await open_fed(story)
    places = await corrected(story, patient)
    oldest = await story.server().sees(places[-1])
    answer = await story.server().put(places[-1], {**oldest, **replacing(places[0]), "status": "superseded"})
    assert answer.status_code == 200, answer.text
    assert set(told_of(await patient.post(f"{places[1]}/$dmp-mask", parameters()))) >= set(places[1:])
