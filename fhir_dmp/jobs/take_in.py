"""What was uploaded is taken in, some lines a transaction, which says with them how far it is: each line counts once.

What a transaction refuses is halved until the line at fault is alone; that one is noted, and the others are stored.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from fhir_dmp.access.requester import read_requester
from fhir_dmp.bulk.intake import Row, build_bundle, gather
from fhir_dmp.bulk.lines import read_lines
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.entry import ORDER
from fhir_dmp.interactions.request import Origin, Request
from fhir_dmp.interactions.trace import is_traced, record, record_refused_entry
from fhir_dmp.interactions.transaction import interaction_of, is_writing, parse_entries, perform
from fhir_dmp.json_text import write_json
from fhir_dmp.outcome import Category, FhirError, Issue, build_outcome
from fhir_dmp.store.import_port import Import, Overtaken, Place
from fhir_dmp.store.job_port import Jobs, Lease
from fhir_dmp.store.port import Writer

KEPT: Milliseconds = 24 * 3_600_000
"""How long it can be asked what became of an import that is done."""
TURN: Milliseconds = 20_000
"""How long an import goes on before other jobs have their turn."""
_TRY_LATER = frozenset({Category.UNAVAILABLE, Category.THROTTLED, Category.TIMED_OUT})
"""The errors that no line is the cause of."""
_AT = "Bundle.entry[0]"
_log = logging.getLogger("fhir_dmp.jobs")


async def take_in(context: Context, jobs: Jobs, lease: Lease) -> bool:
    """Takes in what the import of a job uploaded; returns False where it is not done, or another worker's."""
    found = await context.store.imports.find(lease.job.subject)
    if found is None or found.is_done:
        return True
    try:
        is_done = await _take_turn(context, jobs, lease, found)
    except Overtaken:
        return False
    if is_done:
        await context.store.imports.end(found.import_id, context.now() + KEPT)
    return is_done


async def _take_turn(context: Context, jobs: Jobs, lease: Lease, found: Import) -> bool:
    """Takes in lines for as long as its turn is; returns whether all are."""
    until = context.now() + TURN
    async with aclosing(context.store.contents.read(found.key, found.place.offset, found.size)) as parts:
        async for rows in gather(read_lines(parts, found.place.offset, found.place.line)):
            if not await _may_go_on(context, jobs, lease, until):
                return False
            found = replace(found, place=await _take(_Intake(context, found), rows))
    return True


async def _may_go_on(context: Context, jobs: Jobs, lease: Lease, until: Milliseconds) -> bool:
    """Tells whether the job is still this worker's; gives it back once its turn is over."""
    if not await jobs.keep(lease, context.now()):
        return False
    if context.now() >= until:
        await jobs.give_back(lease, context.now())
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Intake:
    """An import where it is now, and what its lines are taken in with."""

    context: Context
    found: Import

    @property
    def request(self) -> Request:
        """A request of whoever asked, of which nothing has been read yet."""
        origin = Origin(f"import-{self.found.import_id}", began=self.context.now())
        return Request(read_requester(self.found.owner), path="$import", origin=origin)

    def at(self, place: Place) -> _Intake:
        """The same, further on."""
        return replace(self, found=replace(self.found, place=place))


async def _take(intake: _Intake, rows: Sequence[Row]) -> Place:
    """Takes in some lines; returns how far the import is then."""
    try:
        return await _store(intake, rows)
    except FhirError as fault:
        if fault.category in _TRY_LATER:
            raise
        if len(rows) == 1:
            return await _refuse(intake, rows[0], fault)
    except Overtaken:
        raise
    except Exception:  # noqa: BLE001  a line that the server cannot bear must not keep the others out
        # of several lines, one is alone with it at last; and the others are stored
        if len(rows) == 1:
            _log.exception("line %d of import %s", rows[0].line.number, intake.found.import_id)
            issue = Issue("fatal", "server-defect", "The server failed. Its log has the reason.")
            return await _refuse(intake, rows[0], FhirError(Category.UNPROCESSABLE, issue))
    middle = len(rows) // 2
    return await _take(intake.at(await _take(intake, rows[:middle])), rows[middle:])


async def _store(intake: _Intake, rows: Sequence[Row]) -> Place:
    """Stores lines and how far the import is then, or nothing."""
    context, found, request = intake.context, intake.found, intake.request
    last, place = rows[-1].line, found.place
    after = Place(last.end, last.number, place.stored + len(rows), place.refused)

    async def advance(writer: Writer) -> None:
        await writer.advance(found, after)

    bundle = build_bundle(rows)
    entries = sorted(parse_entries(context, request, bundle), key=lambda entry: ORDER.index(entry.method))
    done = await perform(context, bundle, entries, advance)
    if is_traced(request):
        await record(context, [(row.interaction, row.entry.request, row.result) for row in done])
    return after


async def _refuse(intake: _Intake, row: Row, fault: FhirError) -> Place:
    """Notes why a line is not stored, for who asked and in the trace; returns how far the import is then."""
    line, place = row.line, intake.found.place
    after = Place(line.end, line.number, place.stored, place.refused + 1)
    await _trace(intake, row, fault)
    issues = [_placed(issue, row) for issue in fault.issues]
    outcome = {**build_outcome(issues, fault.category.issue_type), "id": f"line-{line.number}"}
    await intake.context.store.imports.refuse(intake.found, after, write_json(outcome))
    return after


async def _trace(intake: _Intake, row: Row, fault: FhirError) -> None:
    try:
        (entry,) = parse_entries(intake.context, intake.request, build_bundle([row]))
    except FhirError:
        # what cannot be read is about nobody
        return
    # a resourceType may lead anywhere: `metadata`, or `Patient/23`
    if is_writing(entry):
        await record_refused_entry(intake.context, interaction_of(entry), entry.request, fault)


def _placed(issue: Issue, row: Row) -> Issue:
    """An issue of an entry as one of a line, and of the resource in it."""
    name = row.url.partition("/")[0]
    expression = issue.expression.removeprefix(f"{_AT}.resource").removeprefix(_AT)
    message = f"Line {row.line.number}: {issue.message.replace(f'{_AT}.resource', name)}"
    return replace(issue, message=message, expression=f"{name}{expression}" if name else expression.lstrip("."))
