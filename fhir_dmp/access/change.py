"""Change: what a write would make of a resource, and what access control compares between before and after."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_dmp.json_text import JsonObject
from fhir_dmp.search.facts import Facts, MarkKind
from fhir_dmp.search.security import DEPOSIT
from fhir_dmp.search.sensitivity import VISIBILITY

_LABEL_KEYS = frozenset({"securityLabel", "meta"})
_STAMPED = frozenset({"security", "versionId", "lastUpdated"})


@dataclass(frozen=True, slots=True)
class Item:
    """One version of a resource with its facts: of a new one those after it was stamped with its time."""

    resource: JsonObject
    facts: Facts

    def marks(self, kind: MarkKind) -> frozenset[str]:
        """Returns its marks of a kind."""
        return frozenset(mark.text for mark in self.facts.security.marks if mark.kind == kind)

    @property
    def rank(self) -> int:
        """The place of its confidentiality."""
        return self.facts.security.rank or 0

    def is_by(self, party: frozenset[str]) -> bool:
        """Tells whether one of these texts is its author's."""
        return not party.isdisjoint(self.marks("author"))


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a resource: `new` is None of a deletion, `previous` of a creation."""

    new: Item | None
    previous: Item | None

    @property
    def relabelled(self) -> frozenset[str]:
        """The visibility labels (TRE_A07) that it adds or takes away."""
        return frozenset(label.partition("|")[2] for label in self._changed_labels if _is_visibility(label))

    @property
    def _changed_labels(self) -> frozenset[str]:
        before = self.previous.marks("label") if self.previous else frozenset()
        after = self.new.marks("label") if self.new else frozenset()
        return before ^ after

    @property
    def removed_labels(self) -> frozenset[str]:
        """The visibility labels that it takes away."""
        before = self.previous.marks("label") if self.previous else frozenset()
        return self.relabelled & {label.partition("|")[2] for label in before}

    @property
    def is_only_labels(self) -> bool:
        """Tells whether nothing but visibility labels changes: no sensitivity, and not the confidentiality."""
        if self.new is None or self.previous is None or self.new.rank != self.previous.rank:
            return False
        if not all(map(_is_visibility, self._changed_labels)):
            return False
        return _without_labels(self.new.resource) == _without_labels(self.previous.resource)

    @property
    def prolongs_withholding(self) -> bool:
        """Tells whether what is held back from the patient would open later by another date of deposit."""
        if self.new is None or self.previous is None or self.new.facts.resource_type not in DEPOSIT:
            return False
        before, after = self.previous.facts.security.opens, self.new.facts.security.opens
        return before is not None and after is not None and after > before


def _is_visibility(label: str) -> bool:
    return label.startswith(f"{VISIBILITY}|")


def _without_labels(resource: JsonObject) -> JsonObject:
    rest = {key: value for key, value in resource.items() if key not in _LABEL_KEYS}
    meta = {key: value for key, value in resource.get("meta", {}).items() if key not in _STAMPED}
    return {**rest, "meta": meta}
