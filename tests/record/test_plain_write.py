"""What of a Patient is written by operations alone: tests/cases/record/plain-writes.yaml, and over HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.record.closing import close_patient
from fhir_dmp.record.lifecycle import Closing
from fhir_dmp.record.plain_write import find_bypasses
from tests.journeys.cast import done, open_record
from tests.journeys.story import Story, faults
from tests.record.numbers import CASES, build_identity, build_provisional, build_reliability

Json = Any
WRITES = yaml.safe_load((CASES / "plain-writes.yaml").read_text(encoding="utf8"))
CLOSING = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition/dmp-fermeture"


def _stored(of: str) -> Json:
    match of:
        case "none":
            return None
        case "provisional":
            return build_provisional(active=True)
        case "closed":
            return close_patient(build_identity(active=True), Closing.REQUEST, "", 0)
    return build_identity(active=True)


def _written(case: Json, stored: Json) -> Json:
    if case.get("delete"):
        return None
    patient = stored or (build_provisional() if case.get("provisional") else build_identity())
    if case.get("becomes") == "qualified":
        patient = build_identity(active=True)
    elif case.get("becomes") == "numbered":
        patient = {**patient, "identifier": build_identity()["identifier"]}
    if "status" in case:
        patient = {**patient, "extension": [build_reliability(case["status"])]}
    if "renames" in case:
        patient = {**patient, "name": [patient["name"][0], {"use": "usual", "family": case["renames"]}]}
    if case.get("without") == "closing":
        patient = {**patient, "extension": [row for row in patient["extension"] if row["url"] != CLOSING]}
    if "adds" in case:
        added = {"url": case["adds"], "valueReference": {"reference": "Practitioner/1"}}
        patient = {**patient, "extension": [*patient["extension"], added]}
    return {name: value for name, value in {**patient, **case.get("set", {})}.items() if value is not None}


@pytest.mark.parametrize("case", WRITES, ids=lambda case: case["name"])
def test_what_an_operation_does_is_refused_and_the_operation_named(case: Json) -> None:
    stored = _stored(case["of"])
    found = []
    for issue in find_bypasses(stored, _written(case, stored)):
        named = re.search(r"by (\$\S+?(?: or \$\S+?)?), not", issue.message)
        found.append(" ".join(filter(None, (issue.code, named and named[1], issue.expression))))
    assert found == case["faults"]


PATIENTS = st.builds(
    lambda make, changed: make(**changed),
    st.sampled_from([build_identity, build_provisional]),
    st.fixed_dictionaries(
        {},
        optional={
            "active": st.booleans(),
            "gender": st.sampled_from(["male", "female"]),
            "birthDate": st.sampled_from(["1955-08-12", "1955-08-13"]),
            "deceasedBoolean": st.booleans(),
            "identifier": st.just(build_identity()["identifier"]),
            "telecom": st.just([{"system": "phone", "value": "1"}]),
        },
    ),
)


@given(PATIENTS)
def test_whatever_is_stored_may_be_written_as_it_is(patient: Json) -> None:
    assert find_bypasses(patient, patient) == ()


@given(PATIENTS, PATIENTS)
def test_what_passes_opens_closes_and_qualifies_nobody(before: Json, after: Json) -> None:
    if find_bypasses(before, after):
        return
    assert before.get("active") is after.get("active") or True not in {before.get("active"), after.get("active")}
    assert (before.get("deceasedBoolean") is True) == (after.get("deceasedBoolean") is True)
    assert not find_bypasses(after, before) or "PROV" in str(after) + str(before)


async def test_an_administrator_goes_around_no_operation(story: Story) -> None:
    fund, patient = story.fund(), await open_record(story)
    here = f"Patient/{patient.id}"
    stored = await story.server().sees(here)
    before = story.behind.count("history")
    closed = await fund.put(here, {**stored, "active": False})
    assert (closed.status_code, faults(closed)) == (422, ["record-by-operation Patient.active"])
    entry = {"resource": {**stored, "active": False}, "request": {"method": "PUT", "url": here}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    answer = await fund.post("", bundle)
    assert (answer.status_code, faults(answer)) == (
        422, ["record-by-operation Bundle.entry[0].resource.active"],
    )  # fmt: skip
    gone = await fund.client.delete(here, headers=fund.sign())
    assert (gone.status_code, faults(gone)) == (422, ["record-by-operation Patient"])
    new = await fund.post("Patient", {**story.new_identity(), "active": True})
    assert new.status_code == 422
    assert story.behind.count("history") == before, "nothing was written"
    moved = await fund.put(here, {**stored, "address": [{"city": "Amiens"}]})
    assert moved.status_code == 200, moved.text
    await done(fund, f"{here}/$dmp-close")
    reopened = await fund.put(here, {**(await story.server().sees(here)), "active": True})
    assert faults(reopened) == ["record-by-operation Patient.active"]
