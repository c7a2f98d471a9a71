"""The window of reimbursements: 24 months after the care, by whole hours, the same to filter, decision and job."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.access.decide import Deny, decide, decide_item
from fhir_dmp.access.reimbursement import leaves_at, next_hour, past_window, start_of_window
from fhir_dmp.access.requester import Kind
from fhir_dmp.search.facts import END, Facts, Mark, Security
from fhir_dmp.search.match import matches
from tests.strategies.access import MATRIX, NOW, facts, inquiry, record

HOUR = 3_600_000
FIRST, LAST = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1000 for year in (2015, 2045))
INSTANTS = st.integers(FIRST, LAST)


def _instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("ended", "leaves"),
    [
        ("2024-05-31T22:00", "2026-05-31T22:00"),
        ("2024-05-31T22:00:00.001", "2026-05-31T23:00"),
        ("2024-02-29T11:00", "2026-03-01T00:00"),
        ("2024-02-28T23:30", "2026-03-01T00:00"),
        ("2026-02-28T23:00", "2028-02-28T23:00"),
        ("2023-12-31T23:00", "2025-12-31T23:00"),
    ],
)
def test_care_leaves_twenty_four_months_after_it_ended(ended: str, leaves: str) -> None:
    assert leaves_at(_instant(ended)) == _instant(leaves)


def _benefit(ended: int) -> Facts:
    return Facts("ExplanationOfBenefit", "1", 0, patient="p", security=Security(rank=3, span=(ended - HOUR, ended)))


@given(INSTANTS, st.integers(-2 * HOUR, 2 * HOUR))
def test_the_filter_hides_from_the_very_instant_that_the_job_is_due(ended: int, around: int) -> None:
    now = leaves_at(ended) + around
    assert matches(past_window(now), _benefit(ended)) == (now >= leaves_at(ended))
    assert (ended <= start_of_window(now)) == (around >= 0)


@given(INSTANTS)
def test_nothing_is_shown_past_the_window_nor_gone_long_before(ended: int) -> None:
    months = datetime.fromtimestamp(leaves_at(ended) / 1000, UTC) - datetime.fromtimestamp(ended / 1000, UTC)
    assert timedelta(days=730) <= months <= timedelta(days=732)
    assert leaves_at(ended) % HOUR == 0


@pytest.mark.parametrize("ended", [END, _instant("9999-12-31T23:00"), _instant("9000-01-01T01:00")])
def test_what_has_no_end_never_leaves(ended: int) -> None:
    assert leaves_at(ended) == END
    assert not matches(past_window(NOW), _benefit(ended))


@given(INSTANTS)
def test_the_window_moves_at_whole_hours_alone(now: int) -> None:
    until = next_hour(now)
    assert now < until <= now + HOUR
    assert start_of_window(now) == start_of_window(until - 1)
    assert start_of_window(now) <= start_of_window(until)


KINDS = [{"kind": kind.value, "patient": "p", "organization": "180035024"} for kind in Kind]
DAYS = st.dates(date(2022, 5, 25), date(2022, 6, 8))


@given(DAYS, st.sampled_from(KINDS), st.booleans())
def test_whoever_asks_the_filter_and_the_decision_agree(day: date, who: dict[str, str], is_document: bool) -> None:
    marks = (Mark("document", "REMB"), Mark("author", "Organization/cnam")) if is_document else ()
    name = "DocumentReference" if is_document else "ExplanationOfBenefit"
    ended = _instant(f"{day}T22:00")
    item = Facts(name, "1", 0, patient="p", security=Security(marks, 3, (ended - HOUR, ended)))
    asked, state = inquiry({**who, "rpps": "10000000001", "profession": "10", "purpose": "TREAT"}), record()
    verdict, decision = decide_item(asked, state, MATRIX, item), decide(asked, [state], MATRIX)
    assert verdict.permitted == (not isinstance(decision, Deny) and matches(decision.restriction.clause, item))
    if leaves_at(ended) <= NOW and who["kind"] != "system":
        assert not verdict.permitted


def test_when_the_care_was_is_what_counts_and_not_when_it_was_paid() -> None:
    made = {"resourceType": "ExplanationOfBenefit", "id": "1", "created": "2024-01-05"}
    days = {"item": [{"servicedDate": "2023-12-30"}, {"servicedPeriod": {"start": "2023-12-27", "end": "2023-12-28"}}]}
    low, high = _instant("2023-12-26T23:00"), _instant("2023-12-30T23:00")
    assert facts({**made, **days}).security.span == (low, high)
    period = {"billablePeriod": {"start": "2023-12-29"}}
    assert facts({**made, **period}).security.span == (_instant("2023-12-28T23:00"), _instant("2023-12-29T23:00"))
    assert facts(made).security.span == (_instant("2024-01-04T23:00"), _instant("2024-01-05T23:00"))
