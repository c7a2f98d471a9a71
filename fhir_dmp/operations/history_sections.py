"""The sections of $dmp-history: what each tells of a record, newest first, and how much of it there is.

The clinical ones are those of the summary (summary_sections.py) with the exams that were done; of the newest MOST_READ
of each type. The documents stand by the classes of the DMP (TRE_A03), each counted whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

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
READ_AT_ONCE, DOCUMENTS_AT_ONCE = 1_000, 100
"""How large a record may be that is read at once, clinical resources and documents, instead of by types and classes."""
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
    versions, is_all = await read_newest(context, restriction, _TYPES, about, READ_AT_ONCE)
    cut: frozenset[str] = frozenset()
    if not is_all:
        versions, cut = await _read_types(context, restriction, about)
    parts = [Part(version, parse_json_object(version.content or b"{}")) for version in versions]
    return [_tell(section, parts, most, is_whole=cut.isdisjoint(section.types)) for section in CLINICAL]


async def _read_types(
    context: Context, restriction: Restriction, about: Clause
) -> tuple[list[Version], frozenset[str]]:
    """The newest of each type, the newest first, and the types of which there are more.

    What a record has much of does not push out what it has little of.
    """
    read = {name: await read_newest(context, restriction, (name,), about, MOST_READ) for name in _TYPES}
    versions = [version for rows, _ in read.values() for version in rows]
    newest_first = sorted(versions, key=partial(_date_of, context), reverse=True)
    return newest_first, frozenset(name for name, (_, is_all) in read.items() if not is_all)


def _date_of(context: Context, version: Version) -> int:
    """When a resource is of; what is of no time stands before all that is."""
    date = context.indexer.facts(parse_json_object(version.content or b"{}")).date
    return date.low if date else -1 << 63


def _tell(section: Section, parts: Sequence[Part], most: int, *, is_whole: bool) -> Told:
    groups = groups_of(section, parts)
    items = tuple(Item(group[0].version, len(group) - 1) for group in groups[:most])
    code = {"system": "http://loinc.org", "code": section.code, "display": section.display}
    return Told(section.title, code, items, len(groups), is_whole)


async def read_documents(context: Context, restriction: Restriction, about: Clause, most: int) -> list[Told]:
    """Returns the current documents, a section for each class that has some, at most so many items each."""
    current = all_of([about, _CURRENT])
    newest, is_all = await read_newest(context, restriction, (_DOCUMENT,), current, DOCUMENTS_AT_ONCE)
    classified = [(version, _classes(version)) for version in newest if is_all]
    names = name_codes(context, CLASS)
    found = []
    for code in (*CLASSES, _NO_CLASS):
        if is_all:
            of_class = [version for version, codes in classified if code in codes]
            shown, total = of_class[:most], len(of_class)
        else:
            clause = all_of([current, _of_class(code)])
            shown, total = await _read_class(context, restriction, clause, most)
        coding = build_coding(CLASS, code, names) if code else {}
        found.append(Told(names.get(code, code) or _OTHERS, coding, tuple(map(Item, shown)), total))
    return [told for told in found if told.items]


_NO_CLASS, _OTHERS = "", "Autres documents"


async def _read_class(
    context: Context, restriction: Restriction, clause: Clause, most: int
) -> tuple[list[Version], int]:
    """The newest documents of a class, and how many it has."""
    versions, is_all = await read_newest(context, restriction, (_DOCUMENT,), clause, most)
    of_type = all_of([OfType((_DOCUMENT,)), clause])
    total = len(versions) if is_all else await context.reader.count(of_type, restriction, 0)
    return list(versions), total


def _of_class(code: str) -> Clause:
    """The documents of a class, or those of none."""
    values: tuple[Value, ...] = tuple(TokenValue(CLASS, one) for one in ([code] if code else CLASSES))
    has = Has(_DOCUMENT, "category", values)
    return has if code else Not(has)


def _classes(version: Version) -> set[str]:
    """The classes of a document, as `_of_class` asks for them."""
    categories = parse_json_object(version.content or b"{}").get("category", ())
    rows = [row for concept in categories for row in concept.get("coding", ()) if row.get("system") == CLASS]
    return {row["code"] for row in rows if row.get("code") in CLASSES} or {_NO_CLASS}
