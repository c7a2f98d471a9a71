"""One parcel to the server, and what became of each of its entries: https://hl7.org/fhir/R4/http.html#transaction-response.

A parcel goes as a transaction, which is fast; if that is refused and its entries are independent, as a batch, which
tells them apart; and if even that is too much for the server, in halves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from fhir_dmp.commands.connection import Connection, Reply, read_issues
from fhir_dmp.commands.parcel import Entry, Parcel
from fhir_dmp.commands.refused import Refused
from fhir_dmp.commands.report import Refusal, entry_index, read_code
from fhir_dmp.json_text import JsonObject

_NO_CHOICE_OF_IDS = "id-assigned-by-server"
_WORDS = {"POST": "unchanged", "DELETE": "deleted", "GET": "read", "HEAD": "read"}


@dataclass(slots=True)
class Delivery:
    """What became of a parcel: counts by outcome, the keys of what the server acknowledged, where the last of it is."""

    tally: Counter[str] = field(default_factory=Counter)
    refused: list[Refused] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    location: str = ""

    def __add__(self, other: Delivery) -> Delivery:
        return Delivery(
            self.tally + other.tally,
            self.refused + other.refused,
            self.keys + other.keys,
            other.location or self.location,
        )

    @property
    def refusals(self) -> list[Refusal]:
        """Why entries were refused."""
        return [refusal for row in self.refused for refusal in row.refusals]


class Courier:
    """Delivers parcels over a connection; may be used by several threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_plain = False

    def deliver(self, parcel: Parcel) -> Delivery:
        """Sends a parcel; raises CommandError where the server stays away."""
        reply = self._post(parcel, parcel.kind)
        if reply.is_success:
            return _read_answer(parcel.entries, reply)
        if parcel.is_whole or len(parcel.entries) == 1:
            return _refuse(parcel.entries, reply)
        reply = self._post(parcel, "batch")
        if reply.is_success:
            return _read_answer(parcel.entries, reply)
        first, second = parcel.halves()
        return self.deliver(first) + self.deliver(second)

    def _post(self, parcel: Parcel, kind: str) -> Reply:
        """Posts a parcel; with the ids that the server assigns, once it has said that it does."""
        # another thread may hear of it while this parcel is on its way
        was_plain = self._is_plain
        reply = self._connection.post(parcel.build_bundle(kind, plain=was_plain))
        if not was_plain and any(read_code(issue) == _NO_CHOICE_OF_IDS for issue in _all_issues(reply)):
            self._is_plain = True
            reply = self._connection.post(parcel.build_bundle(kind, plain=True))
        return reply


def _all_issues(reply: Reply) -> list[JsonObject]:
    """Returns the issues of an answer and, where it is a batch's, of its entries."""
    entries = _responses(reply)
    return [*read_issues(reply.body), *(issue for entry in entries for issue in read_issues(entry.get("outcome")))]


def _responses(reply: Reply) -> list[JsonObject]:
    entries = reply.body.get("entry")
    rows = entries if isinstance(entries, list) else []
    responses = [row.get("response") if isinstance(row, dict) else None for row in rows]
    return [response if isinstance(response, dict) else {} for response in responses]


def _read_answer(entries: Sequence[Entry], reply: Reply) -> Delivery:
    responses = _responses(reply)
    if len(responses) != len(entries):
        message = f"the server was sent {len(entries)} entries and answers for {len(responses)}"
        return _refuse(entries, Reply(reply.status, {"issue": [{"diagnostics": message}]}))
    delivery = Delivery()
    for entry, response in zip(entries, responses, strict=True):
        _add(delivery, entry, response)
    return delivery


def _add(delivery: Delivery, entry: Entry, response: JsonObject) -> None:
    """Adds the answer about one entry."""
    digits = str(response.get("status", ""))[:3]
    status = int(digits) if digits.isdigit() else 0
    if status >= HTTPStatus.BAD_REQUEST or not status:
        issues = Reply(status, response.get("outcome") or {}).issues
        delivery.refused.append(Refused(entry.place, entry.json, issues))
        delivery.tally["refused"] += 1
        return
    delivery.tally["created" if status == HTTPStatus.CREATED else _WORDS.get(entry.method, "updated")] += 1
    delivery.keys.append(entry.key)
    if "location" in response:
        delivery.location = str(response["location"]).partition("/_history/")[0]


def _refuse(entries: Sequence[Entry], reply: Reply) -> Delivery:
    """Returns the delivery of entries that were refused together: each issue is that of its entry, or of the first."""
    issues: dict[int, list[JsonObject]] = {}
    for issue in reply.issues:
        index = entry_index(issue)
        issues.setdefault(index if index < len(entries) else 0, []).append(issue)
    refused = [Refused(entry.place, entry.json, issues.get(index, [])) for index, entry in enumerate(entries)]
    return Delivery(Counter(refused=len(entries)), refused)
