"""$dmp-statistics: how many records were opened, how many documents came. OperationDefinition/dmp-statistics.

For administrators and auditors. Each number is of one cell: month, département and channel, or week and class. Cells
with fewer than LEAST are not told, no number spans several cells, and none is of a time that is not over: what is told
once cannot be taken from what is told again (docs/decisions/0041-statistics.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

from fhir_dmp.access.reason import Reason, Rule
from fhir_dmp.access.requester import Kind
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.refusal import AccessRefused
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.care_dates import read_span
from fhir_dmp.operations.dmp_open import today
from fhir_dmp.operations.names import build_coding, name_codes
from fhir_dmp.operations.parameters import Inputs, answer_parameters, read_inputs
from fhir_dmp.operations.record_act import refuse_act
from fhir_dmp.outcome import Category, error
from fhir_dmp.record.consents import CHANNELS
from fhir_dmp.record.document_type import CLASS, CLASSES
from fhir_dmp.statistics import chart, table
from fhir_dmp.statistics.department import DEPARTMENT
from fhir_dmp.statistics.figures import LEAST, Figures
from fhir_dmp.statistics.periods import Period, a_year_before, months_in, weeks_in, whole_months, whole_weeks

DEFINITION = "https://fhir-dmp.fr/OperationDefinition/dmp-statistics"
MOST_DAYS = 2 * 366
"""How long a time is counted at once."""
_ADMITTED = frozenset({Kind.ADMINISTRATOR, Kind.AUDITOR, Kind.SYSTEM})
_NOTE = f"Les effectifs de moins de {LEAST} ne sont pas comptés."
_NO_CLASS, _NO_DEPARTMENT = "Sans classe", "unknown"


async def dmp_statistics(context: Context, request: Request) -> Result:
    """Returns the numbers as Parameters, as a table or as a picture; forbidden for everyone else."""
    check_exposed(context, request, "operation")
    if request.requester.kind not in _ADMITTED:
        raise refuse_act() from AccessRefused(Reason(Rule.NOT_FOR_THIS_KIND))
    first, last = _read_days(context, read_inputs(context, request, ("from", "to")))
    now = today(context)
    months, weeks = whole_months(first, last, now), whole_weeks(first, last, now)
    counted = context.store.statistics
    opened = await counted.opened(months, LEAST)
    figures = Figures(opened, await counted.fed(weeks, context.zone, CLASSES, LEAST))
    match request.wanted:
        case table.MEDIA_TYPE:
            return _answer_as(f"{table.MEDIA_TYPE}; charset=utf-8", table.write_table(figures))
        case chart.MEDIA_TYPE:
            return _answer_as(chart.MEDIA_TYPE, _draw(context, figures, months, weeks))
    period = {"start": first.isoformat(), "end": last.isoformat()}
    head: list[JsonObject] = [
        {"name": "period", "valuePeriod": period},
        {"name": "least", "valueUnsignedInt": LEAST},
    ]
    return answer_parameters([*head, *_tell_opened(context, figures), *_tell_fed(context, figures)])


def _answer_as(media_type: str, body: bytes) -> Result:
    return Result(Status.OK, body=body, media_type=media_type, headers=[("x-content-type-options", "nosniff")])


def _read_days(context: Context, inputs: Inputs) -> tuple[date, date]:
    """The first and the last day asked for; without them the last twelve months and what is over of this one."""
    now = today(context)
    start, end = read_span(context, inputs, "from"), read_span(context, inputs, "to")
    first = _day(context, start[0]) if start else a_year_before(now)
    last = _day(context, end[1] - 1) if end else now
    if not 0 <= (last - first).days < MOST_DAYS:
        message = f"from has to be before to, by {MOST_DAYS} days at most."
        raise error(Category.INVALID_PARAMETER, "parameter-value", message, "http.from")
    return first, last


def _day(context: Context, at: Milliseconds) -> date:
    """The day of an instant, from 1970 to today: there is nothing to count elsewhere."""
    within = min(max(at, 0), context.now())
    return datetime.fromtimestamp(within / 1000, UTC).astimezone(context.zone).date()


def _tell_opened(context: Context, figures: Figures) -> Iterator[JsonObject]:
    channels = name_codes(context, CHANNELS)
    for row in figures.opened:
        cell = row.opening
        department = {"system": DEPARTMENT, "code": cell.department} if cell.department else {"code": _NO_DEPARTMENT}
        parts: list[JsonObject] = [
            {"name": "month", "valueDate": f"{cell.month:%Y-%m}"},
            {"name": "department", "valueCoding": department},
            {"name": "channel", "valueCoding": build_coding(CHANNELS, cell.channel, channels)},
            {"name": "count", "valueUnsignedInt": row.count},
        ]
        yield {"name": "records-opened", "part": parts}


def _tell_fed(context: Context, figures: Figures) -> Iterator[JsonObject]:
    classes = name_codes(context, CLASS)
    for row in figures.fed:
        coding = build_coding(CLASS, row.document_class, classes) if row.document_class else {"display": _NO_CLASS}
        parts: list[JsonObject] = [
            {"name": "week", "valueDate": row.week.isoformat()},
            {"name": "class", "valueCoding": coding},
            {"name": "count", "valueUnsignedInt": row.count},
        ]
        yield {"name": "documents-fed", "part": parts}


def _draw(context: Context, figures: Figures, months: Period, weeks: Period) -> bytes:
    channels, classes = name_codes(context, CHANNELS), name_codes(context, CLASS)
    opened = [(channels.get(row.opening.channel, ""), row.opening.month, row.count) for row in figures.opened]
    fed = [(classes.get(row.document_class, _NO_CLASS), row.week, row.count) for row in figures.fed]
    panels = [
        chart.Panel("Dossiers ouverts par mois et par canal", months_in(months), chart.gather(opened)),
        chart.Panel("Documents déposés par semaine et par classe", weeks_in(weeks), chart.gather(fed)),
    ]
    return chart.draw(panels, _NOTE)
