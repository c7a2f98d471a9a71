"""Explanations as the parts of a Parameters resource: https://fhir-dmp.fr/OperationDefinition/dmp-explain-access."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fhir_dmp.access.explain import Explanation
from fhir_dmp.access.reason import SYSTEM
from fhir_dmp.access.requester import Requester
from fhir_dmp.audit.code import ACCESS_MODE, PROFESSION, Mode, coding
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.record_items import RecordItem, Tally, tally

DRAFT = "draft"
"""What a reference to the Consent that was given displays."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What may be named: the ids of the Consents that who asks sees, and that of the draft that is supposed."""

    consents: frozenset[str]
    draft: str = ""

    def decision(self, told: Explanation) -> list[JsonObject]:
        """Returns the parts that say whether, by which rule and by which Consent."""
        rule = {"system": SYSTEM, "code": told.rule, "display": told.sentence}
        parts: list[JsonObject] = [
            {"name": "permitted", "valueBoolean": told.permitted},
            {"name": "rule", "valueCoding": rule},
        ]
        named = self._consent(told.consent)
        return [*parts, {"name": "consent", "valueReference": named}] if named else parts

    def _consent(self, name: str) -> JsonObject:
        named = {"reference": f"Consent/{name}"} if name in self.consents else {}
        return {**named, "display": DRAFT} if name and name == self.draft else named


def write_professional(professional: Requester, mode: Mode) -> JsonObject:
    """Returns who is explained about, as he was found."""
    parts: list[JsonObject] = [
        {"name": "rpps", "valueString": professional.rpps},
        {"name": "profession", "valueCoding": coding(PROFESSION, professional.profession)},
    ]
    if professional.organization:
        parts.append({"name": "organization", "valueString": professional.organization})
    return {"name": "professional", "part": [*parts, {"name": "mode", "valueCoding": coding(ACCESS_MODE, mode.value)}]}


def write_told(
    wording: Wording, record: Explanation, items: Sequence[RecordItem], told: Sequence[Explanation]
) -> Iterator[JsonObject]:
    """Yields what is explained of a record as a whole, and by classes of its items."""
    yield {"name": "record", "part": wording.decision(record)}
    yield from (_write_tally(wording, row) for row in tally(items, told))


def _write_tally(wording: Wording, row: Tally) -> JsonObject:
    parts: list[JsonObject] = [{"name": "type", "valueCode": row.group.resource_type}]
    if row.group.code:
        system = {"system": row.group.system} if row.group.system else {}
        parts.append({"name": "class", "valueCoding": {**system, "code": row.group.code}})
    parts += [
        {"name": "items", "valueUnsignedInt": row.items},
        {"name": "permitted", "valueUnsignedInt": row.permitted},
    ]
    # the most frequent first; of equally frequent ones in an order that does not change
    ordered = sorted(row.reasons.items(), key=lambda pair: (-pair[1], pair[0].rule, pair[0].consent))
    for told, count in ordered:
        counted: JsonObject = {"name": "items", "valueUnsignedInt": count}
        parts.append({"name": "reason", "part": [counted, *wording.decision(told)]})
    return {"name": "class", "part": parts}


def write_saving(wording: Wording, told: Explanation) -> JsonObject:
    """Returns whether a draft may be saved, and by which rule."""
    return {"name": "saving", "part": wording.decision(told)}


def write_item(wording: Wording, name: str, told: Explanation) -> JsonObject:
    """Returns what is explained of one item."""
    return {"name": "item", "part": [_reference(name), *wording.decision(told)]}


def write_change(wording: Wording, name: str, before: Explanation, after: Explanation) -> JsonObject:
    """Returns what a draft changes of one item; before, it is not in force."""
    states = (("before", before, replace(wording, draft="")), ("after", after, wording))
    parts = [{"name": when, "part": named.decision(told)} for when, told, named in states]
    return {"name": "change", "part": [_reference(name), *parts]}


def _reference(name: str) -> JsonObject:
    return {"name": "reference", "valueReference": {"reference": name}}
