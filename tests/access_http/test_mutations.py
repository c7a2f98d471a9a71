"""Each hop at which the restriction enters is needed: without it, at that one place, an answer tells what is hidden.

A mutant takes the restriction away at one hop; the comparison of test_non_interference.py then has to find a leak.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pymongo import MongoClient

import fhir_dmp
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.store.mongo import history as history_filters
from fhir_dmp.store.mongo import judge as judge_module
from fhir_dmp.store.mongo import reader as reader_module
from fhir_dmp.store.mongo.document import HISTORY_PROJECTION
from fhir_dmp.store.mongo.reader import MongoReader
from fhir_dmp.store.port import HistoryQuery
from tests.access_http.pair import Leak, Pair, open_pair

SEEDS = int(os.environ.get("FHIR_DMP_MUTANT_SEEDS", "120"))
REQUESTS = 24
_NONE = Restriction.none()


@pytest.fixture(scope="module")
async def pair(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pair]:
    async with open_pair(mongodb_uri, mongodb_client, tmp_path_factory.mktemp("mutants")) as opened:
        yield opened


class Mutant(NamedTuple):
    """One hop without restriction: where, what stands there instead, and the channels that lead over it."""

    owner: Any
    name: str
    instead: Any
    channels: tuple[str, ...]


def _unrestricted(method: Callable[..., Any]) -> Callable[..., Any]:
    """The reading method of the store, whatever restriction it is given."""

    async def run(self: MongoReader, *given: Any) -> Any:
        shown = [_NONE if isinstance(value, Restriction) else value for value in given]
        return await method(self, *shown)

    return run


async def _open(context: Any, request: Any, interaction: str, *_: Any, **__: Any) -> Restriction:
    """A gate that stands open."""
    check_exposed(context, request, interaction)
    return _NONE


async def _match_any(reader: Any, query: Any, _: Restriction) -> Any:
    from fhir_dmp.interactions.conditional import match_one  # noqa: PLC0415  the one that is not a mutant

    return await match_one(reader, query, _NONE)


async def _version_of_hidden(self: MongoReader, identity: Any, version_id: int, restriction: Restriction) -> Any:
    """Shows an older version by its own facts, whatever became of the resource."""
    newest = (await self.read_latest((identity,), restriction)).get(identity)
    if newest and newest.version_id == version_id:
        return newest
    shown = history_filters.build_history_filter(HistoryQuery(1, identity), restriction.clause, "r", paged=False)
    key = {"$and": [{"_id": f"{identity}/{version_id}"}, shown]}
    rows = await self._find(self._versions, key, HISTORY_PROJECTION)
    return rows[0] if rows else None


async def _version_by_newest(self: MongoReader, identity: Any, version_id: int, restriction: Restriction) -> Any:
    """Shows every version of what is shown now."""
    newest = (await self.read_latest((identity,), restriction)).get(identity)
    return await MUTANT_READ_VERSION(self, identity, version_id, _NONE) if newest else None


async def _read_each_of_all(self: MongoReader, identities: Any, _: Any) -> Any:
    return await MUTANT_READ_EACH(self, identities, lambda _: _NONE)


async def _open_each(context: Any, request: Any, interaction: str) -> Any:
    """A gate that stands open to whatever is asked for by its id."""
    check_exposed(context, request, interaction)
    return lambda _: _NONE


STORE = vars(MongoReader)
MUTANT_READ_EACH = MongoReader.read_each
MUTANT_READ_VERSION = MongoReader.read_version
_WRITES = ("update", "patch", "delete", "bundle")


def _gate(module: str, *channels: str) -> Mutant:
    return Mutant(importlib.import_module(module), "open_gate", _open, channels)


MUTANTS: dict[str, Mutant] = {
    "the store's read": Mutant(MongoReader, "read", _unrestricted(MongoReader.read), ("read", "vread")),
    "the store's read of each under its record's restriction": Mutant(
        MongoReader, "read_each", _read_each_of_all, ("read",)
    ),
    "the predicate of what was read": Mutant(judge_module, "build_predicate", lambda _: bool, ("read",)),
    "the store's newest versions": Mutant(
        MongoReader, "read_latest", _unrestricted(MongoReader.read_latest), ("read", "update", "delete")
    ),
    "deletions among the newest versions": Mutant(
        reader_module, "build_deletion_filter", lambda _: {"su": None}, ("read", "history", "delete")
    ),
    "a version, by its own facts": Mutant(MongoReader, "read_version", _version_by_newest, ("vread",)),
    "a version, by the newest one's facts": Mutant(MongoReader, "read_version", _version_of_hidden, ("vread",)),
    "the store's search": Mutant(MongoReader, "search", _unrestricted(MongoReader.search), ("search",)),
    "the store's count": Mutant(MongoReader, "count", _unrestricted(MongoReader.count), ("search",)),
    "a history's current versions": Mutant(
        MongoReader, "_current_part", _unrestricted(STORE["_current_part"]), ("history",)
    ),
    "a history's past versions": Mutant(MongoReader, "_past_part", _unrestricted(STORE["_past_part"]), ("history",)),
    "a history's past versions, by the newest one's facts": Mutant(
        history_filters, "_still_shown", lambda _: [], ("history",)
    ),
    "a history's total": Mutant(MongoReader, "count_history", _unrestricted(MongoReader.count_history), ("history",)),
    "the gate of read and vread": _gate("fhir_dmp.interactions.read", "read", "vread"),
    "the gate of read, once it is known whose record it is": Mutant(
        importlib.import_module("fhir_dmp.interactions.read"), "open_each", _open_each, ("read",)
    ),
    "the gate of search": _gate("fhir_dmp.interactions.search", "search", "search_system"),
    "the gate of history": _gate("fhir_dmp.interactions.history", "history"),
    "the gate of update": _gate("fhir_dmp.interactions.update", "update", "update_matching"),
    "the gate of patch": _gate("fhir_dmp.interactions.patch", "patch"),
    "the gate of delete": _gate("fhir_dmp.interactions.delete", "delete"),
    "the gate of conditional create": _gate("fhir_dmp.interactions.create", "create"),
    "the gate of a transaction's entries": _gate("fhir_dmp.interactions.transaction", "bundle"),
    "the gate of conditional references": _gate("fhir_dmp.interactions.resolution", "bundle"),
    "the gate of operations on what is stored": _gate("fhir_dmp.operations.stored", "operation", "record_operation"),
    "the gate of chains": _gate("fhir_dmp.interactions.joins", "chained"),
    "the gate of reverse chains and Lists": _gate("fhir_dmp.interactions.joins", "reversed"),
    "the gate of compartments": _gate("fhir_dmp.interactions.search", "compartment"),
    "the gate of includes": _gate("fhir_dmp.interactions.joins", "included"),
    "the store's ids, of a chain": Mutant(MongoReader, "find_ids", _unrestricted(MongoReader.find_ids), ("chained",)),
    "the store's ids, of a reverse chain": Mutant(
        MongoReader, "find_ids", _unrestricted(MongoReader.find_ids), ("reversed",)
    ),
    "the gate of records as a whole": _gate("fhir_dmp.operations.patient_record", "record_operation"),
    "the gate of the most recent observations": _gate("fhir_dmp.operations.lastn", "record_operation"),
    "the gate of the documents of a patient": _gate("fhir_dmp.operations.docref", "record_operation"),
    "the gate of labels": _gate("fhir_dmp.operations.meta", "record_operation", "label_operation"),
    **{
        f"the match of criteria in {name}": Mutant(
            importlib.import_module(f"fhir_dmp.interactions.{name}"), "match_one", _match_any, (channel,)
        )
        for name, channel in (
            ("create", "create"), ("update", "update_matching"), ("patch", "patch"), ("delete", "delete"),
            ("transaction", "bundle"),
        )
    },
}  # fmt: skip

ELSEWHERE = {
    "fhir_dmp.seed": "the server itself, before it answers anybody",
    "fhir_dmp.jobs.erase": "the server itself, which tells nobody whom it erases",
    "fhir_dmp.interactions.gate": "the gate itself",
    "fhir_dmp.interactions.redaction": "test_leak_channels.py, rows 20 and 21: what points at hidden things",
    "fhir_dmp.interactions.notices": "the server itself, which tells nobody; test_notices.py: who sees what it wrote",
    "fhir_dmp.interactions.feeding": "test_feeding.py: a feeder is told one code, and nobody else anything",
    "fhir_dmp.interactions.value_sets": "value sets are in nobody's record: everyone reads them",
    "fhir_dmp.operations.everything": "test_record_operations.py: of the records that it finds the gate is asked again",
    "fhir_dmp.operations.match": "test_match.py: a stranger learns nothing of Patients, which are never removed",
    "fhir_dmp.operations.explain_access": "tests/operations: the patient and who acts for him explain his own record",
    "fhir_dmp.operations.authorised": "the directory is in nobody's record: everyone reads it",
    "fhir_dmp.operations.record_act": "test_refused_acts.py: read as the server, for the holder and the fund",
    "fhir_dmp.operations.same_person": "test_refused_acts.py: one answer for all that the fund alone is told",
    "fhir_dmp.operations.merge": "tests/journeys: the fund's, which is told no more than that it was done",
    "fhir_dmp.operations.party": "the directory is in nobody's record: everyone reads it",
    "fhir_dmp.operations.choice": "test_refused_choices.py: absent for all who do not decide",
    "fhir_dmp.operations.dmp_label": "test_refused_choices.py: a document is read as the requester sees it",
    "fhir_dmp.operations.predecessors": "tests/journeys: what a document replaced is read as the requester sees it",
    "fhir_dmp.operations.dmp_access_log": "test_refused_choices.py: absent for all who do not see the trace",
    "fhir_dmp.bulk.selection": "tests/journeys/test_a_warehouse_exports.py: each page is decided when it is fetched",
    "fhir_dmp.interactions.attachments": "test_binary.py: only what the writer sees is compared",
    "fhir_dmp.interactions.belonging": "test_what_is_submitted_together.py: what is hidden is as what never was",
    "fhir_dmp.interactions.depositing": "tests/journeys/test_a_stay_in_hospital.py: what is hidden is stored beside",
    "fhir_dmp.interactions.submitting": "test_a_submission_is_sent_again.py: what is hidden is as what is not here",
    "fhir_dmp.interactions.groups": "test_a_warehouse_exports.py: a Group is shown where every member's record is open",
    "fhir_dmp.interactions.holding_back": "the server itself, about the past of what its author sees",
    "fhir_dmp.interactions.representation": "the server itself; test_a_patient_deposits.py: contacts represent nobody",
    "fhir_dmp.interactions.publish": "a create or a transaction of the requester's, each with a gate of its own",
    "fhir_dmp.delivery.collect": "the server itself, which tells nobody: what is sent is decided in sight.py",
    "fhir_dmp.delivery.sight": "tests/delivery: what is hidden when it would be sent is not, and is not counted",
    "fhir_dmp.delivery.subscriptions": "the server itself, which reads what subscribers asked for",
    "fhir_dmp.operations.dmp_resend": "tests/delivery/test_resend.py: the subscriber his own, an administrator any",
    "fhir_dmp.operations.subscription_status": "tests/delivery/test_topics.py: his own, and what of it he sees now",
    "fhir_dmp.interactions.reimbursing": "test_24_months_of_reimbursements.py: what the insurance sees is its own",
    "fhir_dmp.jobs.leave": "the server itself, which tells nobody",
    "fhir_dmp.jobs.unsubscribe": "the server itself, which tells nobody",
    "fhir_dmp.jobs.move": "the server itself, which tells nobody",
    "fhir_dmp.jobs.notify": "the server itself; test_the_patient_is_told_of_an_update.py: nothing of what is held back",
    "fhir_dmp.interactions.validity": "test_leak_channels.py: a reference to what is hidden is one to what is absent",
}
"""Where else the gate is used, and what proves it."""


@pytest.mark.parametrize("name", MUTANTS)
async def test_without_the_restriction_at_one_hop_a_leak_is_found(
    name: str, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = MUTANTS[name]
    monkeypatch.setattr(mutant.owner, mutant.name, mutant.instead)
    for seed in range(SEEDS):
        try:
            await pair.compare(seed, REQUESTS, mutant.channels)
        except Leak:
            return
    pytest.fail(f"nothing tells that {name} is not restricted")


def test_every_module_that_asks_the_gate_is_on_the_list() -> None:
    package = Path(fhir_dmp.__file__).parent
    asking = {
        ".".join(("fhir_dmp", *path.relative_to(package).with_suffix("").parts))
        for path in package.rglob("*.py")
        if re.search(r"\bopen_gate\b", path.read_text(encoding="utf8"))
    }
    named = {mutant.owner.__name__ for mutant in MUTANTS.values() if mutant.name == "open_gate"}
    assert asking == named | ELSEWHERE.keys()


def test_every_reading_method_of_the_store_is_on_the_list() -> None:
    named = {mutant.name for mutant in MUTANTS.values() if mutant.owner is MongoReader}
    reading = {"read", "read_each", "read_latest", "read_version", "search", "count", "count_history", "find_ids"}
    assert reading <= named
