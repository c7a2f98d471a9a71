"""Who helps or represents a patient does so for a time; after it the record is shut, whatever a Consent says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_dmp.issuer.grant import of_proxy
from tests.access_http.house import Headers, House, Record, document
from tests.strategies.access import reference

Json = Any
OVER: dict[str, Json] = {
    "over": {"period": {"end": "2024-05-01"}},
    "not begun": {"period": {"start": "2024-07-01"}},
    "inactive": {"active": False},
}


def speaking_as(house: House, kind: str, record: Record, person: str) -> Headers:
    grant = of_proxy(kind, record.patient, "test", ("patient/*.cruds",))
    return house.guarded.tokens.sign(replace(grant, fhir_user=f"RelatedPerson/{person}"))


async def make_relative(house: House, **patient: Json) -> tuple[Record, Json]:
    """A record whose Consent names somebody near to the patient, and what stands there of him."""
    record = await house.make_record(**patient)
    patient_link = reference(f"Patient/{record.patient}")
    person = {"resourceType": "RelatedPerson", "id": f"{record.patient}-near", "patient": patient_link}
    await house.put(person)
    await record.permit("near", actor=[f"RelatedPerson/{person['id']}"], purpose=["PATRQT"])
    return record, person


async def seen(house: House, record: Record, who: Headers) -> tuple[int, int, int]:
    target = f"DocumentReference/{record.open}"
    found = await house.get(f"DocumentReference?patient={record.patient}", who)
    read, history = [(await house.get(name, who)).status_code for name in (target, f"{target}/_history")]
    return read, history, len(found.json().get("entry", ()))


@pytest.mark.parametrize("kind", ["helper", "representative"])
@pytest.mark.parametrize("name", [*OVER, "deleted"])
async def test_a_relative_whose_time_is_over_reads_nothing(house: House, kind: str, name: str) -> None:
    record, person = await make_relative(house, birthDate="2018-03-04")
    who = speaking_as(house, kind, record, person["id"])
    assert await seen(house, record, who) == (200, 200, 1 if kind == "helper" else 2)
    if name == "deleted":
        gone = await house.behind.client.delete(f"RelatedPerson/{person['id']}")
        assert gone.status_code in {200, 204}
    else:
        await house.put({**person, **OVER[name]})
    assert await seen(house, record, who) == (404, 404, 0)
    await house.put(document(f"{record.patient}-new", record.patient))
    assert (await house.get(f"DocumentReference/{record.patient}-new", who)).status_code == 404
    await house.put(person)
    assert (await seen(house, record, who))[0] == 200, "his time has come again"


async def test_who_never_was_here_as_a_relative_is_believed(house: House) -> None:
    record = await house.make_record()
    who = speaking_as(house, "helper", record, "elsewhere")
    await record.permit("near", actor=["RelatedPerson/elsewhere"], purpose=["PATRQT"])
    assert await seen(house, record, who) == (200, 200, 1)
