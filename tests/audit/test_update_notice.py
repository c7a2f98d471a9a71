"""When the patient is told of an update that he does not see: within two weeks of any deposit."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.audit.update_notice import notice_due
from fhir_dmp.search.security import a_month_after

DAY = 24 * 3_600_000
FIRST, LAST = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1000 for year in (2015, 2045))


@given(st.integers(FIRST, LAST), st.integers(0, 40 * DAY))
def test_he_is_told_in_time_whenever_it_was_deposited(deposited: int, later: int) -> None:
    opens = a_month_after(deposited)
    assert deposited + 9 * DAY <= notice_due(opens, deposited) <= deposited + 13 * DAY
    assert notice_due(opens, deposited + later) >= deposited + later
