"""Who a record belongs to and who is around it: open, médecin traitant, minority; and whom a requester is."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fhir_dmp.access.closure import build_closure
from fhir_dmp.access.consent import Reading
from fhir_dmp.access.record import build_record
from fhir_dmp.search.security import a_month_after
from tests.strategies.access import DIRECTORY, NOW, READING, patient, reference, requester

Json = Any

DMP = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition"


def closing(*dates: str) -> Json:
    inner = [{"url": "dateFermeture", "valueDateTime": text} for text in dates]
    return {"extension": [{"url": f"{DMP}/dmp-fermeture", "extension": inner}]}


@pytest.mark.parametrize(
    ("members", "is_open"),
    [
        ({}, True),
        ({"active": False}, False),
        ({"active": None}, False),
        ({"deceasedBoolean": True}, False),
        ({"deceasedBoolean": False}, True),
        ({"deceasedDateTime": "2024-05-01"}, False),
        ({"deceasedDateTime": "unknown"}, False),
        (closing("2024-05-01"), False),
        (closing("2024-07-01"), True),
        (closing(), False),
    ],
)
def test_when_a_record_is_open(members: Json, *, is_open: bool) -> None:
    assert build_record({**patient(), **members}, [], READING).is_open(NOW) == is_open


def test_the_extension_of_the_medecin_traitant_goes_before_the_general_practitioner() -> None:
    named = {"url": f"{DMP}/dmp-medecin-traitant", "valueReference": reference("Practitioner/site")}
    assert build_record({**patient(), "extension": [named]}, [], READING).attending == {"Practitioner/site"}
    assert build_record(patient(), [], READING).attending == {"Practitioner/martin"}


@pytest.mark.parametrize(
    ("birth", "is_minor"), [("2006-06-01", False), ("2006-06-02", True), ("2006", False), (None, False)]
)
def test_a_minor_is_represented_until_his_eighteenth_birthday(birth: Json, *, is_minor: bool) -> None:
    assert build_record({**patient(), "birthDate": birth}, [], READING).is_represented(NOW) == is_minor


@pytest.mark.parametrize(
    ("birth", "comes_of_age"),
    [
        ("2008-03-01", "2026-03-01T00:00:00+01:00"),
        ("2008-02-29", "2026-03-01T00:00:00+01:00"),
        ("2008-07-15", "2026-07-15T00:00:00+02:00"),
        ("2008-03-30", "2026-03-30T00:00:00+02:00"),
        ("2007-03-26", "2025-03-26T00:00:00+01:00"),
        ("2008-03", "2026-03-01T00:00:00+01:00"),
        ("2008", "2026-01-01T00:00:00+01:00"),
    ],
)
def test_who_comes_of_age_is_represented_no_more_once_that_day_begins_in_france(birth: str, comes_of_age: str) -> None:
    paris = Reading(READING.base_url, ZoneInfo("Europe/Paris"))
    state = build_record({**patient(), "birthDate": birth}, [], paris)
    day = int(datetime.fromisoformat(comes_of_age).timestamp()) * 1000
    assert [state.is_represented(at) for at in (day - 1, day)] == [True, False]


def test_an_organization_above_counts_and_one_beside_does_not() -> None:
    who = requester({"rpps": "10000000005", "organization": "750000002"})
    closure = build_closure(who, DIRECTORY, NOW, READING)
    assert {"Organization/site", "Organization/chu", "https://finess.esante.gouv.fr|750000001"} <= closure.organizations
    assert "Organization/ville" not in closure.organizations
    assert closure.own == {"https://rpps.esante.gouv.fr|10000000005", "Practitioner/site", "PractitionerRole/site-role"}


def test_organizations_that_contain_each_other_end() -> None:
    rows = [
        {
            "resourceType": "Organization",
            "id": name,
            "identifier": [{"system": "https://finess.esante.gouv.fr", "value": name}],
            "partOf": reference(f"Organization/{other}"),
        }
        for name, other in (("a", "b"), ("b", "a"))
    ]
    closure = build_closure(requester({"rpps": "1", "organization": "a"}), rows, NOW, READING)
    assert {"Organization/a", "Organization/b"} <= closure.organizations


@pytest.mark.parametrize("change", [{"status": "inactive"}, {"period": {"end": "2024-01-01"}}, {"active": False}])
def test_a_care_team_that_no_longer_works_is_none(change: Json) -> None:
    rows = [{**row, **change} if row["resourceType"] == "CareTeam" else row for row in DIRECTORY]
    assert build_closure(requester({"rpps": "10000000006"}), rows, NOW, READING).groups == frozenset()
    assert build_closure(requester({"rpps": "10000000006"}), DIRECTORY, NOW, READING).groups == {"CareTeam/equipe"}


END_OF_2024 = 1_735_686_000_000
SITE = {"rpps": "10000000005", "organization": "750000002"}
OF_ROLE = {"PractitionerRole/site-role", "CareTeam/equipe"}


@pytest.mark.parametrize(
    "change", [{"period": {"end": "2024-05-31"}}, {"period": {"start": "2024-06-02"}}, {"active": False}]
)
def test_a_role_whose_time_is_over_is_known_and_lets_nobody_in(change: Json) -> None:
    rows = [{**row, **change} if row["resourceType"] == "PractitionerRole" else row for row in DIRECTORY]
    before, after = (build_closure(requester(SITE), found, NOW, READING) for found in (DIRECTORY, rows))
    assert before.over == frozenset()
    assert before.party >= OF_ROLE
    assert after.party == before.party
    assert after.over == OF_ROLE


def test_a_team_that_knows_him_otherwise_too_still_lets_him_in() -> None:
    changes: dict[str, Json] = {
        "PractitionerRole": {"period": {"end": "2024-05-31"}},
        "CareTeam": {"participant": [{"member": reference("Practitioner/site")}]},
    }
    rows = [{**row, **changes.get(row["resourceType"], {})} for row in DIRECTORY]
    assert build_closure(requester(SITE), rows, NOW, READING).over == {"PractitionerRole/site-role"}


def test_a_closure_holds_until_the_next_time_begins_or_ends() -> None:
    end = 1_717_279_200_000
    for period, until in (({"end": "2024-06-01"}, end), ({"start": "2024-06-02"}, end), ({"end": "2024"}, END_OF_2024)):
        rows = [{**row, "period": period} if row["resourceType"] == "PractitionerRole" else row for row in DIRECTORY]
        closure = build_closure(requester(SITE), rows, NOW, READING)
        assert closure.until == until
        assert build_closure(requester(SITE), rows, until, READING).over != closure.over


@pytest.mark.parametrize(
    ("at", "after"),
    [
        (1_706_659_200_000, 1_709_164_800_000),
        (1_717_236_000_000, 1_719_828_000_000),
        (1_702_598_400_000, 1_705_276_800_000),
    ],
)
def test_a_month_later_is_the_same_day_or_the_last_one(at: int, after: int) -> None:
    assert a_month_after(at) == after
