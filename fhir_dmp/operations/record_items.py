"""The items of a record, as far as who asks sees them, and by classes what is explained of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fhir_dmp.access.explain import Explanation
from fhir_dmp.access.inquiry import PUBLIC
from fhir_dmp.access.matrix import DOCUMENT_TYPES
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.walk import walk
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.resource import Version
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.query import AboutPatient, OfType, SearchQuery, all_of

MOST_ITEMS = 2_000
"""How many items of a record are judged at once."""
_PAGE = 200
_APART = frozenset({"Consent", "AuditEvent"})
"""What no professional reads of any record."""


class Group(NamedTuple):
    """A class: the items of a type, of documents those of one class (the first coding of their category)."""

    resource_type: str
    system: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class RecordItem:
    """An item with what decisions need of it."""

    version: Version
    facts: Facts
    group: Group


@dataclass(frozen=True, slots=True)
class Tally:
    """What is explained of one group: how many items each reason decides."""

    group: Group
    reasons: Counter[Explanation]

    @property
    def items(self) -> int:
        """How many items there are."""
        return self.reasons.total()

    @property
    def permitted(self) -> int:
        """How many of them may be read."""
        return sum(count for reason, count in self.reasons.items() if reason.permitted)


async def read_record_items(
    context: Context, restriction: Restriction, patient_id: str
) -> tuple[list[RecordItem], bool]:
    """Returns the items of a record, and whether these are all."""
    types = tuple(sorted(context.capability.types.keys() - _APART - set(PUBLIC.resource_types)))
    query = SearchQuery(types, all_of([OfType(types), AboutPatient((patient_id,))]), count=_PAGE)
    found: list[RecordItem] = []
    async for page in walk(context.reader, query, restriction):
        found += [build_record_item(context, version) for version in page.versions if version.content]
        if len(found) >= MOST_ITEMS:
            return found, page.next_keys is None
    return found, True


def build_record_item(context: Context, version: Version) -> RecordItem:
    """Returns a stored version as an item."""
    resource = parse_json_object(version.content or b"{}")
    return RecordItem(version, context.indexer.facts(resource), _group(resource))


def _group(resource: JsonObject) -> Group:
    resource_type = resource["resourceType"]
    if resource_type not in DOCUMENT_TYPES:
        return Group(resource_type)
    rows: list[JsonObject] = [row for concept in resource.get("category", ()) for row in concept.get("coding", ())]
    coding = next((row for row in rows if "code" in row), {})
    return Group(resource_type, coding.get("system", ""), coding.get("code", ""))


def tally(items: Sequence[RecordItem], explanations: Sequence[Explanation]) -> Iterator[Tally]:
    """Yields what is explained of each group, in order."""
    groups: dict[Group, Counter[Explanation]] = {}
    for item, explanation in zip(items, explanations, strict=True):
        groups.setdefault(item.group, Counter())[explanation] += 1
    yield from (Tally(group, reasons) for group, reasons in sorted(groups.items()))
