"""What is told in numbers: which département, which months and weeks, and how that looks as a table and a picture."""

from __future__ import annotations

from datetime import date, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.statistics.chart import Panel, draw, gather, nice_step
from fhir_dmp.statistics.department import department_of
from fhir_dmp.statistics.figures import Fed, Figures, Opened, Opening
from fhir_dmp.statistics.periods import months_in, weeks_in, whole_months, whole_weeks
from fhir_dmp.statistics.table import write_table

DAYS = st.dates(date(1970, 1, 1), date(2100, 1, 1))


@pytest.mark.parametrize(
    ("address", "department"),
    [
        ({"postalCode": "76000"}, "76"),
        ({"postalCode": "01000", "country": "FR"}, "01"),
        ({"postalCode": "20000", "country": "FRA"}, "2A"),
        ({"postalCode": "20137"}, "2A"),
        ({"postalCode": "20200", "country": "France"}, "2B"),
        ({"postalCode": "20620"}, "2B"),
        ({"postalCode": "97139"}, "971"),
        ({"postalCode": "98800"}, "988"),
        ({"postalCode": "76000", "country": "DE"}, ""),
        ({"postalCode": "76000", "use": "old"}, ""),
        ({"postalCode": "7600"}, ""),
        ({"postalCode": "00100"}, ""),
        ({"postalCode": "٧٦٠٠٠"}, ""),
        ({"city": "Rouen"}, ""),
    ],
)
def test_a_departement_is_read_from_a_postal_code(address: dict[str, str], department: str) -> None:
    assert department_of({"address": [address]}) == department
    assert department_of({"address": [{"city": "x"}, address, {"postalCode": "31000"}]}) == (department or "31")
    assert not department_of({})


@given(DAYS, st.integers(0, 800), DAYS)
def test_whole_months_and_weeks_are_within_the_days_asked_for_and_over(first: date, days: int, today: date) -> None:
    last = first + timedelta(days=days)
    for whole, inside in ((whole_months, months_in), (whole_weeks, weeks_in)):
        period = whole(first, last, today)
        starts = inside(period)
        assert period.first >= first
        assert starts == sorted(set(starts))
        if starts:
            assert period.first == starts[0]
            assert period.after <= min(last + timedelta(days=1), today)
            longer = inside(whole(first - timedelta(days=40), last + timedelta(days=40), today))
            assert set(starts) <= set(longer), "the same cells, whatever days are asked for"


def test_a_month_is_whole_from_its_first_day_to_its_last() -> None:
    today = date(2026, 5, 4)
    months = months_in(whole_months(date(2026, 1, 1), date(2026, 5, 31), today))
    assert months == [date(2026, month, 1) for month in range(1, 5)]
    assert months_in(whole_months(date(2026, 1, 2), date(2026, 3, 30), today)) == [date(2026, 2, 1)]
    weeks = weeks_in(whole_weeks(date(2026, 4, 13), date(2026, 5, 3), today))
    assert weeks == [date(2026, 4, 13), date(2026, 4, 20), date(2026, 4, 27)]
    assert weeks_in(whole_weeks(date(2026, 4, 14), date(2026, 5, 2), today)) == [date(2026, 4, 20)]


FIGURES = Figures(
    [Opened(Opening(date(2026, 1, 1), "76", "pharmacy"), 12)], [Fed(date(2026, 1, 5), "10", 1_200)]
)  # fmt: skip


def test_a_table_has_a_line_for_each_number() -> None:
    assert write_table(FIGURES).decode().split("\r\n") == [
        "figure,period,department,channel,class,count",
        "records-opened,2026-01-01,76,pharmacy,,12",
        "documents-fed,2026-01-05,,,10,1200",
        "",
    ]


def test_a_picture_has_a_column_for_each_number_as_high_as_it_is() -> None:
    weeks = [date(2026, 1, 5) + timedelta(weeks=place) for place in range(60)]
    rows = [("Compte rendu & <autres>", weeks[0], 100), ("Imagerie", weeks[0], 50), ("Imagerie", weeks[1], 25)]
    picture = ET.fromstring(draw([Panel("Documents", weeks, gather([*rows, rows[0]])), Panel("Rien", [], {})], "Note"))
    bars = {row[0].text: float(row.get("height", 0)) for row in picture.iter() if len(row) and row.tag.endswith("rect")}
    assert list(bars) == [
        "2026-01-05, Compte rendu & <autres> : 200", "2026-01-05, Imagerie : 50", "2026-01-12, Imagerie : 25",
    ]  # fmt: skip
    high, middle, low = bars.values()
    assert high / middle == pytest.approx(4, abs=0.1)
    assert middle / low == pytest.approx(2, abs=0.1)
    texts = [row.text for row in picture.iter() if row.tag.endswith("text")]
    assert {"Documents", "Rien", "Note", "Compte rendu & <autres>", "05/01/26"} <= set(texts)
    assert sum((text or "").count("/") == 2 for text in texts) <= 13


@given(st.integers(0, 10**9))
def test_a_scale_holds_the_largest_number_and_is_no_longer_than_it_has_to_be(largest: int) -> None:
    step = nice_step(largest)
    assert step * 4 >= largest
    assert step == 1 or step * 4 <= largest * 2
