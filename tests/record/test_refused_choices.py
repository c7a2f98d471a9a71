"""What is refused to who decides about a record changes nothing and is traced: cases/record/refused-choices.yaml."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import yaml

from tests.journeys.cast import deposit, done, open_record
from tests.journeys.story import RPPS, Actor, Story, faults, parameters
from tests.record.numbers import CASES

Json = Any
REFUSED = yaml.safe_load((CASES / "refused-choices.yaml").read_text(encoding="utf8"))
ABSENT = "DocumentReference/never"


@dataclass(frozen=True, slots=True)
class House:
    """A record with everyone whom the cases name, and its documents by the names that the cases have for them."""

    patient: Actor
    actors: dict[str, Callable[[], Actor]]
    documents: dict[str, str]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["name"])
async def test_a_refused_choice_changes_nothing_and_is_traced(case: Json, story: Story) -> None:
    house = await _prepare(story, case)
    actor, url = house.actors[case["as"]](), _place(house, case)
    before = _state(story)
    answer = await actor.post(f"{url}/$dmp-{case['act']}", _body(house, case))
    assert (answer.status_code, faults(answer)) == (case["status"], case["faults"])
    assert _state(story)[:2] == before[:2]
    assert _state(story)[2] > before[2]


def _state(story: Story) -> tuple[int, int, int]:
    """How much is stored, now and in the past, and how many traces."""
    here = story.behind.count(ty={"$ne": "AuditEvent"})
    return here, story.behind.count("history"), story.behind.count(ty="AuditEvent")


async def _prepare(story: Story, case: Json) -> House:
    """Makes the record of the case."""
    patient, author = await open_record(story), story.nurse()
    here, named = f"Patient/{patient.id}", {"professional": story.physician().by_number}
    await done(patient, f"{here}/$dmp-authorize", **named)
    await done(patient, f"{here}/$dmp-block", professional=story.nurse("99900000077").by_number)
    await done(patient, f"{here}/$dmp-attending", professional=story.physician("99900000055").by_number)
    documents = await _deposit(story, patient, author) if "at" in case else {}
    if case.get("state") == "closed":
        await done(patient, f"{here}/$dmp-close")
    actors: dict[str, Callable[[], Actor]] = {
        "patient": lambda: patient,
        "other": lambda: story.patient("another"),
        "representative": lambda: story.representative(patient.id),
        "helper": lambda: story.helper(patient.id),
        "auditor": story.auditor,
        "fund": story.fund,
        "hospital": story.hospital,
        "physician": story.physician,
        "stranger": lambda: story.physician("99900000066"),
        "attending": lambda: story.physician("99900000055"),
        "blocked": lambda: story.nurse("99900000077"),
        "pharmacist": story.pharmacist,
        "nurse": story.nurse,
        "author": lambda: author,
    }
    return House(patient, actors, documents)


async def _deposit(story: Story, patient: Actor, author: Actor) -> dict[str, str]:
    masked = await deposit(story, author, patient)
    await done(patient, f"{masked}/$dmp-mask")
    # nobody deposits what is held back no more; a load of records from elsewhere may bring it
    loaded = replace(story.server(), rpps=author.rpps)
    return {
        "document": await deposit(story, author, patient),
        "masked": masked,
        "held": await deposit(story, author, patient, "INVISIBLE_PATIENT"),
        "late": await deposit(story, author, patient, days_ago=62),
        "over": await deposit(story, loaded, patient, "INVISIBLE_PATIENT", days_ago=62),
    }


def _place(house: House, case: Json) -> str:
    place = case.get("at", "patient")
    if place == "patient":
        return f"Patient/{house.patient.id}"
    return house.documents.get(place, "DocumentReference")


def _body(house: House, case: Json) -> Json:
    given: dict[str, Json] = {}
    who = case.get("who")
    if who in house.actors:
        given["professional"] = house.actors[who]().by_number
    elif who:
        given["professional"] = {"reference": who} if "/" in who else {"identifier": {"system": RPPS, "value": who}}
    if "period" in case:
        given["period"] = {"valuePeriod": case["period"]}
    if case.get("at") == "documents":
        given["document"] = [{"reference": text} for text in (house.documents["document"], "DocumentReference/never")]
    given |= {name: case[name] for name in ("consent", "replace") if name in case}
    return parameters(**given)


async def test_hidden_and_absent_get_the_same_answer(story: Story) -> None:
    house = await _prepare(story, {"at": "documents"})
    consent = parameters(consent=True)
    for actor, name, acts in (
        (story.physician(), "masked", ("mask", "unmask", "hold-back", "announce", "hide-from-representatives")),
        (house.patient, "held", ("mask", "announce", "hide-from-representatives", "show-to-representatives")),
    ):
        hidden = house.documents[name]
        for act in acts:
            for url, body in (
                (f"{hidden}/$dmp-{act}", consent),
                (f"DocumentReference/$dmp-{act}", parameters(document={"reference": hidden})),
            ):
                here = await actor.post(url, body)
                gone = await actor.post(
                    url.replace(hidden, ABSENT), json.loads(json.dumps(body).replace(hidden, ABSENT))
                )
                assert here.status_code == gone.status_code == 404
                assert here.text.replace(hidden, ABSENT) == gone.text
    blocked = story.nurse("99900000077")
    for act in ("authorize", "unblock", "attending", "access-log"):
        named = parameters(consent=True, professional=blocked.by_number) if act != "access-log" else parameters()
        here = await blocked.post(f"Patient/{house.patient.id}/$dmp-{act}", named)
        gone = await blocked.post(f"Patient/never/$dmp-{act}", named)
        assert here.status_code == gone.status_code == 404
        assert here.text.replace(house.patient.id, "never") == gone.text


async def test_a_token_decides_and_tells_only_what_its_scope_allows(story: Story) -> None:
    patient = await open_record(story)
    here = f"Patient/{patient.id}"
    named = parameters(professional=story.nurse().by_number)
    for scope in ("patient/Observation.cruds", "patient/*.rs"):
        narrow = story.patient(patient.id, scope=scope)
        for act in ("authorize", "block", "unblock", "attending", "name-administrator"):
            assert (await narrow.post(f"{here}/$dmp-{act}", named)).status_code == 403, (scope, act)
    blind = story.patient(patient.id, scope="patient/Patient.cruds")
    assert (await blind.get(f"{here}/$dmp-emergency-settings")).status_code == 403
    log = await blind.get(f"{here}/$dmp-access-log")
    assert log.status_code == 403 or "access" not in log.text.partition("parameter")[2]
    await story.patient(patient.id, scope="patient/*.rs").sees(f"{here}/$dmp-emergency-settings")
