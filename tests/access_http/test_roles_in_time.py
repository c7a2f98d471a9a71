"""A role opens what names it for its time, to the millisecond; what denies by it, and what it wrote, stays his."""

from __future__ import annotations

from typing import Any

import pytest

from tests.access_http.house import Headers, House, Record, document
from tests.strategies.access import FINESS, NOW, reference

Json = Any
END = NOW + 3_000
"""Sooner than a directory is read anew."""
INSIDE = {"start": "2024-01-01", "end": "2024-06-01T10:00:02Z"}
"""The last second of which ends at END."""


async def work(house: House, **role: Json) -> tuple[Record, str, Headers]:
    """A record, a role in a structure of its own, so that nothing is kept of it, and who has it."""
    record = await house.make_record()
    name, site, number = f"{record.patient}-role", f"{record.patient}-site", f"751000{record.patient[1:]}"
    await house.put({"resourceType": "Organization", "id": site, "identifier": [{"system": FINESS, "value": number}]})
    links = {"practitioner": reference("Practitioner/inconnu"), "organization": reference(f"Organization/{site}")}
    await house.put({"resourceType": "PractitionerRole", "id": name, **links, **role})
    return record, f"PractitionerRole/{name}", house.someone("inconnu", organization=number)


async def status(record: Record, who: Headers, name: str = "") -> int:
    answer = await record.house.get(f"DocumentReference/{name or record.open}", who)
    found = await record.house.get(f"DocumentReference?_id={name or record.open}&patient={record.patient}", who)
    assert bool(found.json().get("entry")) == (answer.status_code == 200)
    return answer.status_code


@pytest.fixture(autouse=True)
def _at_its_time(house: House) -> None:
    house.clock.now = NOW


@pytest.mark.parametrize("period", [INSIDE, {"start": "2024-06-01T10:00:03Z"}])
async def test_a_role_opens_from_its_beginning_to_its_end_and_not_a_moment_longer(house: House, period: Json) -> None:
    record, role, who = await work(house, period=period)
    await record.permit(actor=[role])
    statuses = []
    for at in (NOW, END - 1, END):
        house.clock.now = at
        statuses.append(await status(record, who))
    assert statuses == ([200, 200, 404] if "end" in period else [404, 404, 200])


async def test_a_role_that_is_not_active_opens_nothing(house: House) -> None:
    record, role, who = await work(house, active=False)
    await record.permit(actor=[role])
    assert await status(record, who) == 404


@pytest.mark.parametrize("changed", [{"period": {"end": "2024-05-01"}}, {"active": False}])
async def test_a_denial_and_what_he_wrote_stay(house: House, changed: Json) -> None:
    record, role, who = await work(house, **changed)
    own = f"{record.patient}-own"
    await house.put(document(own, record.patient, author=role))
    await record.permit(actor=["Practitioner/inconnu"])
    assert (await status(record, who), await status(record, who, own)) == (200, 200)
    await record.permit("denial", type="deny", actor=[role])
    assert (await status(record, who), await status(record, who, own)) == (404, 200)


async def test_a_role_is_a_medecin_traitants_for_its_time(house: House) -> None:
    record, role, who = await work(house, period=INSIDE)
    patient = (await house.behind.client.get(f"Patient/{record.patient}")).json()
    await house.put({**patient, "generalPractitioner": [reference(role)]})
    assert await status(record, who, record.masked) == 200
    house.clock.now = END
    assert await status(record, who, record.masked) == 404
