"""Acts that are refused change nothing, say what is wrong and are traced: tests/cases/record/refused-acts.yaml."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.journeys.story import Actor, Story, faults, parameters, reference_of
from tests.record.numbers import CASES, build_provisional

Json = Any
REFUSED = yaml.safe_load((CASES / "refused-acts.yaml").read_text(encoding="utf8"))


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["name"])
async def test_refused_act_changes_nothing_and_is_traced(case: Json, story: Story) -> None:
    person = story.new_identity()
    patient_id = await _prepare(story, person, case.get("state", "open"))
    actor, url = _choose(story, case["as"], patient_id), case["act"]
    url = f"Patient/{patient_id}{url}" if url.startswith("/") else f"Patient/{url}"
    before = _state(story)
    answer = await actor.post(url, _body(story, case, person))
    assert (answer.status_code, faults(answer)) == (case["status"], case["faults"])
    assert _state(story)[:2] == before[:2]
    assert _state(story)[2] > before[2]


def _state(story: Story) -> tuple[int, int, int]:
    """How much is stored, now and in the past, and how many traces."""
    here = story.behind.count(ty={"$ne": "AuditEvent"})
    return here, story.behind.count("history"), story.behind.count(ty="AuditEvent")


async def _prepare(story: Story, person: Json, state: str) -> str:
    """Makes the record of the case; its state is that of the record."""
    fund = story.fund()
    known = person
    if state == "provisional":
        known = build_provisional(name=person["name"])
    answer = await fund.post("Patient/$dmp-open", parameters(consent=True, patient=known))
    assert answer.status_code == 200, answer.text
    patient_id = reference_of(answer)
    if state in {"closed", "dead"}:
        given = {"reason": "death", "deceased": "2025-12-24"} if state == "dead" else {}
        assert (await fund.post(f"Patient/{patient_id}/$dmp-close", parameters(**given))).status_code == 200
    return patient_id


def _choose(story: Story, name: str, patient_id: str) -> Actor:
    actors: dict[str, Callable[[], Actor]] = {
        "physician": story.physician,
        "pharmacist": story.pharmacist,
        "nurse": story.nurse,
        "hospital": story.hospital,
        "fund": story.fund,
        "patient": lambda: story.patient(patient_id),
        "other": lambda: story.patient("another"),
        "representative": lambda: story.representative(patient_id),
    }
    return actors[name]()


def _body(story: Story, case: Json, person: Json) -> Json:
    if case["act"] == "/$dmp-open":
        return parameters(consent=True)
    if case["act"].startswith("/"):
        return parameters(**case.get("parameters", {}))
    changed = dict(case.get("identity", {}))
    patient = (
        build_provisional() if case.get("provisional") else {**(person if case.get("same") else story.new_identity())}
    )
    if matricule := changed.pop("matricule", None):
        patient["identifier"] = [{**patient["identifier"][0], "value": matricule}]
    if adds := case.get("adds"):
        named = {"identifier": {"system": "https://rpps.esante.gouv.fr", "value": "99900000022"}}
        patient["extension"] = [*patient["extension"], {"url": adds, "valueReference": named}]
    given: dict[str, Json] = {"consent": case.get("consent", True), "patient": {**patient, **changed}}
    if "authorized" in case:
        given["authorized"] = {"identifier": {"system": "https://rpps.esante.gouv.fr", "value": case["authorized"]}}
    return parameters(**given, **({"channel": case["channel"]} if "channel" in case else {}))
