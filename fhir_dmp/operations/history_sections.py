"""The sections of $dmp-history: what each tells of a record, newest first, and how much of it there is.

The clinical ones are those of the summary (summary_sections.py) with the exams that were done; of the newest MOST_READ
of each type. The documents stand by the classes of the DMP (TRE_A03), each counted whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.context import Context
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.operations.names import build_coding, name_codes
from fhir_dmp.operations.patient_record import read_newest
from fhir_dmp.operations.summary_sections import EXAMS, SECTIONS, Part, Section, groups_of
from fhir_dmp.record.document_type import CLASS, CLASSES
from fhir_dmp.resource import Version
from fhir_dmp.search.query import Clause, Has, Not, OfType, TokenValue, Value, all_of

MOST_READ = 1_000
"""How many resources of a type are looked through."""
CLINICAL = (*(section for section in SECTIONS if section.types != ("Procedure",)), EXAMS)
"""Procedures are among the exams."""
_TYPES = tuple(sorted({name for section in CLINICAL for name in section.types}))
_DOCUMENT = "DocumentReference"
_CURRENT = Has(_DOCUMENT, "status", (TokenValue(None, "current"),))


@dataclass(frozen=True, slots=True)
class Item:
    """A resource, and how many of its kind there are besides it: it is the newest of them."""

    version: Version
    others: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What a section has: its newest items, out of `total`; `is_whole` says that nothing older was left unread."""

    title: str
    code: JsonObject
    items: tuple[Item, ...]
    total: int
    is_whole: bool = True


async def read_clinical(context: Context, restriction: Restriction, about: Clause, most: int) -> list[Told]:
    """Returns the clinical sections, at most so many items each."""
    read = {name: await read_newest(context, restriction, name, about, MOST_READ) for name in _TYPES}
    parts = sorted(
        (_dated(context, version) for versions, _ in read.values() for version in versions),
        key=lambda row: row[0],
        reverse=True,
    )
    ordered = [part for _, part in parts]
    return [
        _tell(section, ordered, most, is_whole=all(read[name][1] for name in section.types)) for section in CLINICAL
    ]


def _dated(context: Context, version: Version) -> tuple[int, Part]:
    """A resource with when it is of; what is of no time stands last."""
    resource = parse_json_object(version.content or b"{}")
    date = context.indexer.facts(resource).date
    return (date.low if date else -1 << 63, Part(version, resource))


def _tell(section: Section, parts: Sequence[Part], most: int, *, is_whole: bool) -> Told:
    groups = groups_of(section, parts)
    items = tuple(Item(group[0].version, len(group) - 1) for group in groups[:most])
    code = {"system": "http://loinc.org", "code": section.code, "display": section.display}
    return Told(section.title, code, items, len(groups), is_whole)


async def read_documents(context: Context, restriction: Restriction, about: Clause, most: int) -> list[Told]:
    """Returns the current documents, a section for each class that has some, at most so many items each."""
    names = name_codes(context, CLASS)
    found = []
    for code in CLASSES:
        clause = all_of([about, _CURRENT, _of_class(code)])
        named = (names.get(code, code), build_coding(CLASS, code, names))
        found.append(await _read_class(context, restriction, clause, most, named))
    without = all_of([about, _CURRENT, Not(_of_class(*CLASSES))])
    found.append(await _read_class(context, restriction, without, most, (_OTHERS, {})))
    return [told for told in found if told.items]


_OTHERS = "Autres documents"


async def _read_class(
    context: Context, restriction: Restriction, clause: Clause, most: int, named: tuple[str, JsonObject]
) -> Told:
    versions, is_all = await read_newest(context, restriction, _DOCUMENT, clause, most)
    of_type = all_of([OfType((_DOCUMENT,)), clause])
    total = len(versions) if is_all else await context.reader.count(of_type, restriction, 0)
    return Told(*named, tuple(map(Item, versions)), total)


def _of_class(*codes: str) -> Clause:
    values: tuple[Value, ...] = tuple(TokenValue(CLASS, code) for code in codes)
    return Has(_DOCUMENT, "category", values)
