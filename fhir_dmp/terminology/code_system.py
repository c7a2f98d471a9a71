"""A CodeSystem as it is asked: its concepts by code, their properties, hierarchy and names.

https://hl7.org/fhir/R4/codesystem.html; concept properties that FHIR itself defines:
https://hl7.org/fhir/R4/codesystem-concept-properties.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Literal

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.terminology.codes import Codes, Rule
from fhir_dmp.terminology.membership import NO, YES, Membership, refused, unknown
from fhir_dmp.terminology.standard.standard import Standard

_FHIR_PROPERTY = "http://hl7.org/fhir/concept-properties#"
_ROLES = frozenset({"parent", "child", "inactive", "status", "notSelectable", "deprecationDate", "deprecated"})
_INACTIVE = frozenset({"inactive", "retired"})
Subsumption = Literal["equivalent", "subsumes", "subsumed-by", "not-subsumed"]


class CodeSystem:
    """The concepts of one code system, in one version; those of a standard where no resource has them.

    Keys are codes, in small letters where case means nothing (`folded`). `content` is the resource's, `standard` where
    there is only a standard. `complete` tells that no code but `all.listed` exists; nothing changes once it is built.
    """

    def __init__(
        self, resource: JsonObject, supplements: Iterable[JsonObject] = (), standard: Standard | None = None
    ) -> None:
        """Reads the resource; a standard decides what a resource without complete content leaves open."""
        self.url: str = resource.get("url", "")
        self.version: str = resource.get("version", "")
        self.content: str = resource.get("content", "")
        self.name: str = f"{self.url}|{self.version}" if self.version else self.url
        self.folded = resource.get("caseSensitive") is False or (standard is not None and standard.folded)
        self.standard = standard
        self.is_taxonomy = resource.get("hierarchyMeaning", "is-a") == "is-a"
        self.code_of = {role: role for role in _ROLES}
        self.types: dict[str, str] = {}
        self.concepts: dict[str, JsonObject] = {}
        self._supplements: dict[str, list[JsonObject]] = {}
        self._parents: dict[str, dict[str, None]] = {}
        self._children: dict[str, dict[str, None]] = {}
        for source in (resource, *supplements):
            self._read_properties(source.get("property", ()))
        for row, parent in walk_concepts(resource.get("concept", ())):
            self._add(row, parent)
        for supplement in supplements:
            self._supplement(supplement)
        self._link_properties()
        self.properties = self._known_properties()
        self.all = Codes(self._listed(), self._rest(resource), self.folded)
        self.complete = self.all.rest is NO

    def key(self, code: str) -> str:
        """Returns what a code is found by."""
        return code.casefold() if self.folded else code

    def children(self, key: str) -> list[str]:
        """Returns the keys of the concepts right below one."""
        return [*self._children.get(key, ())]

    def parents(self, key: str) -> list[str]:
        """Returns the keys of the concepts right above one."""
        return [*self._parents.get(key, ())]

    def descendants(self, key: str) -> set[str]:
        """Returns the keys of all concepts below one, without itself."""
        return _reach(key, self._children)

    def ancestors(self, key: str) -> set[str]:
        """Returns the keys of all concepts above one, without itself."""
        return _reach(key, self._parents)

    def values(self, key: str, code: str) -> list[str]:
        """Returns the values of one property of a concept, as text."""
        rows = (row for row in self.property_rows(key) if row.get("code") == code)
        return [text for row in rows for text in _texts(row)]

    def property_rows(self, key: str) -> Iterator[JsonObject]:
        """Yields the properties of a concept, those of supplements after its own."""
        for row in self._rows(key):
            yield from row.get("property", ())

    def designations(self, key: str) -> Iterator[JsonObject]:
        """Yields the designations of a concept, those of supplements after its own."""
        for row in self._rows(key):
            yield from row.get("designation", ())

    def is_inactive(self, key: str) -> bool:
        """Tells whether a concept is no more in use."""
        statuses = self.values(key, self.code_of["status"])
        return "true" in self.values(key, self.code_of["inactive"]) or not _INACTIVE.isdisjoint(statuses)

    def is_abstract(self, key: str) -> bool:
        """Tells whether a concept only groups others and is not to be chosen."""
        return "true" in self.values(key, self.code_of["notSelectable"])

    def subsumption(self, left: str, right: str) -> Subsumption:
        """Compares two keys that both exist, by the hierarchy where it means is-a."""
        if left == right:
            return "equivalent"
        if not self.is_taxonomy:
            return "not-subsumed"
        if right in self.descendants(left):
            return "subsumes"
        return "subsumed-by" if left in self.descendants(right) else "not-subsumed"

    def _rows(self, key: str) -> Iterator[JsonObject]:
        row = self.concepts.get(key)
        if row is not None:
            yield row
        yield from self._supplements.get(key, ())

    def _read_properties(self, rows: Iterable[JsonObject]) -> None:
        for row in rows:
            self.types[row["code"]] = row.get("type", "")
            role = row.get("uri", "").removeprefix(_FHIR_PROPERTY)
            if role in _ROLES:
                self.code_of[role] = row["code"]

    def _add(self, row: JsonObject, parent: str | None) -> None:
        key = self.key(row["code"])
        self.concepts.setdefault(key, row)
        if parent is not None:
            self._link(parent, key)

    def _supplement(self, supplement: JsonObject) -> None:
        for row, _ in walk_concepts(supplement.get("concept", ())):
            self._supplements.setdefault(self.key(row["code"]), []).append(row)

    def _link(self, parent: str, child: str) -> None:
        parent, child = self.key(parent), self.key(child)
        self._children.setdefault(parent, {})[child] = None
        self._parents.setdefault(child, {})[parent] = None

    def _link_properties(self) -> None:
        """The properties `parent` and `child` add to the nesting: so a concept may have several parents."""
        above, below = self.code_of["parent"], self.code_of["child"]
        for key, concept in self.concepts.items():
            if "property" in concept or key in self._supplements:
                for parent in self.values(key, above):
                    self._link(parent, key)
                for child in self.values(key, below):
                    self._link(key, child)

    def _known_properties(self) -> frozenset[str]:
        rows = (row for key in self.concepts for row in self.property_rows(key))
        always = {self.code_of[role] for role in ("parent", "child", "inactive", "notSelectable")}
        return frozenset(self.types) | always | {row["code"] for row in rows}

    def _listed(self) -> dict[str, Membership]:
        if self.content == "supplement":
            return {}
        listed = dict.fromkeys(self.concepts, YES)
        if self.standard is not None and self.content != "complete":
            listed.update(dict.fromkeys(map(self.key, self.standard.codes), YES))
        return listed

    def _rest(self, resource: JsonObject) -> Membership | Rule:
        if self.content == "supplement":
            return refused(f"{self.url} only supplements {resource.get('supplements', 'another code system')}")
        if self.content == "complete" and self.concepts:
            post_coordinated = unknown("standard-open", f"{self.name} allows expressions of several codes")
            return post_coordinated if resource.get("compositional") else NO
        if self.standard is not None:
            return self.standard.rest
        if self.concepts:
            return unknown("code-system-partial", f"only a part of {self.name} is here (content: {self.content})")
        return unknown("code-system-absent", f"the codes of {self.name} are not here")


def walk_concepts(rows: Iterable[JsonObject]) -> Iterator[tuple[JsonObject, str | None]]:
    """Yields each concept with its parent's code, in the order of the text; no nesting is too deep."""
    stack: list[tuple[JsonObject, str | None]] = [(row, None) for row in reversed([*rows])]
    while stack:
        row, parent = stack.pop()
        yield row, parent
        stack += [(child, row["code"]) for child in reversed(row.get("concept", ()))]


def _reach(key: str, edges: Mapping[str, Iterable[str]]) -> set[str]:
    """All keys at the end of a way along the edges; circles end where they meet themselves."""
    found: set[str] = set()
    waiting = [*edges.get(key, ())]
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting += edges.get(other, ())
    found.discard(key)
    return found


def _texts(row: JsonObject) -> Iterator[str]:
    """The value[x] of a property as filters write it; a Coding by its code, and by system|code."""
    for name, value in row.items():
        if name.startswith("value") and isinstance(value, dict):
            yield value.get("code", "")
            yield f"{value.get('system', '')}|{value.get('code', '')}"
        elif name.startswith("value"):
            yield write_value(value)


def write_value(value: Json) -> str:
    """Writes a primitive value as text: booleans as JSON does, numbers without a fraction of zeros."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return write_number(str(value)) if isinstance(value, float | Decimal) else str(value)


def write_number(text: str) -> str:
    """Leaves out what a decimal ends with and that does not count."""
    return text.rstrip("0").rstrip(".") if "." in text else text
