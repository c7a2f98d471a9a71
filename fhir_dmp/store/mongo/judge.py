"""Restrictions as this store applies them: a filter of what is asked for, or a predicate of what was read. Kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.resource import Identity, Version
from fhir_dmp.store.mongo.document import parse_version
from fhir_dmp.store.mongo.filter import Filter, build_parts
from fhir_dmp.store.mongo.predicate import Predicate, build_predicate, is_complete
from fhir_dmp.store.port import RestrictionOf

Document = dict[str, Any]
MOST = 2_000
"""How many restrictions are kept."""


@dataclass(slots=True)
class Built:
    """What a restriction becomes; that it stands beside it keeps the ids of its clauses from being another's."""

    restriction: Restriction
    parts: Mapping[int, Filter] | None = None
    predicate: Predicate | None = None
    is_decidable: bool = True


class Judge:
    """What has been built of restrictions, each by that very object: to compare two would cost more than to build."""

    def __init__(self) -> None:
        """Has built nothing yet."""
        self._built: OrderedDict[int, Built] = OrderedDict()

    def parts(self, restriction: Restriction) -> Mapping[int, Filter]:
        """Returns the parts of a restriction's filter (filter.build_parts)."""
        built = self._find(restriction)
        if built.parts is None:
            built.parts = build_parts(restriction.clause)
        return built.parts

    def judge(self, documents: Iterable[Document], restriction: RestrictionOf) -> Mapping[Identity, Version] | None:
        """Returns the versions that are shown; None where that cannot be told of one."""
        shown = {}
        for document in documents:
            of_record = restriction(document.get("pt") or "")
            predicate = self._predicate(of_record) if of_record and is_complete(document) else None
            if predicate is None:
                return None
            if predicate(document):
                version = parse_version(document)
                shown[version.identity] = version
        return shown

    def _predicate(self, restriction: Restriction) -> Predicate | None:
        built = self._find(restriction)
        if built.predicate is None and built.is_decidable:
            built.predicate = build_predicate(restriction.clause)
            built.is_decidable = built.predicate is not None
        return built.predicate

    def _find(self, restriction: Restriction) -> Built:
        found = self._built.get(id(restriction))
        if found is None or found.restriction is not restriction:
            found = self._built[id(restriction)] = Built(restriction)
            if len(self._built) > MOST:
                self._built.popitem(last=False)
        return found
