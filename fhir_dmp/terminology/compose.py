"""ValueSet.compose to the codes it selects, https://hl7.org/fhir/R4/valueset.html#compositions.

An include is the codes of its system (listed, filtered, or all) that are in every value set it imports; a value set is
what any include selects and no exclude does. Each value set is compiled once, after those it imports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, takewhile

from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.terminology.code_system import CodeSystem
from fhir_dmp.terminology.codes import (
    Codes,
    Selection,
    combine,
    combine_selections,
    restrict,
    select_nothing_known,
    subtract,
)
from fhir_dmp.terminology.filter import compile_filter
from fhir_dmp.terminology.implicit import build_implicit
from fhir_dmp.terminology.membership import NO, YES, Member, Membership, both, either, prefer_known, unknown
from fhir_dmp.terminology.source import CodeSystems, Lookup
from fhir_dmp.terminology.stored_expansion import read_expansion

_MOST_KEPT = 20_000
"""Compiled value sets; implicit ones come from clients and have no end."""

_KINDS = frozenset({"ValueSet", "CodeSystem"})
_LONGEST_NAMED = 8
"""Value sets that the message about a circle names."""


@dataclass(frozen=True, slots=True)
class Pin:
    """The version in which one code system is to be read, where a value set leaves that open."""

    system: str
    version: str


class Composer:
    """Compiles value sets. `find` and `lookup` must give the same answer for as long as this lives."""

    def __init__(
        self, lookup: Lookup, systems: CodeSystems, pin: Pin | None = None, most_steps: int | None = None
    ) -> None:
        """Keeps the sources; nothing is read before it is asked for. `most_steps` bounds what all of it may cost."""
        self._left = most_steps
        self._lookup = lookup
        self._systems = systems
        self._pin = pin
        self._selections: dict[str, Selection] = {}
        self._rows: dict[str, dict[tuple[str, str], JsonObject]] = {}
        self.faults: dict[str, Membership] = {}

    def select(self, canonical: str) -> Selection:
        """Returns the codes of a value set; where it is circular or malformed, nothing known, with the fault kept."""
        known = self._selections.get(canonical)
        if known is not None:
            return known
        if self.find(canonical) is None:
            return _absent(canonical)
        if len(self._selections) > _MOST_KEPT:
            self._selections.clear()
            self._rows.clear()
        for name in self._order(canonical):
            self._selections[name] = self._compile(name)
        return self._selections[canonical]

    def find(self, canonical: str) -> JsonObject | None:
        """Returns the definition of a value set; a code system stands for all its codes."""
        found = self._lookup(canonical)
        if found is None or found.get("resourceType") not in _KINDS:
            return build_implicit(canonical)
        version = canonical.partition("|")[2]
        return found if not version or found.get("version") == version else None

    def _order(self, canonical: str) -> list[str]:
        """The value sets that one needs and that are not compiled, each after its imports; circles become faults."""
        done: dict[str, None] = {}
        path: dict[str, None] = {canonical: None}
        waiting = [(canonical, iter(self._imports(canonical)))]
        while waiting:
            name, imports = waiting[-1]
            following = next(imports, None)
            if following is None:
                waiting.pop()
                path.pop(name)
                done[name] = None
            elif following in path:
                self._refuse_circle(path, following)
            elif following not in done and following not in self._selections:
                path[following] = None
                waiting.append((following, iter(self._imports(following))))
        return [*done]

    def _refuse_circle(self, path: dict[str, None], start: str) -> None:
        """The fault of one goes to all that import it, and so around the circle."""
        names = [*takewhile(lambda name: name != start, islice(reversed(path), _LONGEST_NAMED))][::-1]
        named = " → ".join([start, *(["…"] if len(names) == _LONGEST_NAMED else []), *names, start])
        self.faults.setdefault(start, unknown("value-set-circular", f"these value sets include one another: {named}"))

    def _imports(self, canonical: str) -> list[str]:
        definition = self.find(canonical) or {}
        try:
            return [name for part in _parts(definition) for name in part.get("valueSet", ())]
        except (KeyError, TypeError, AttributeError):
            return []

    def _compile(self, canonical: str) -> Selection:
        definition = self.find(canonical)
        if definition is None:
            return _absent(canonical)
        fault = next(
            (self.faults[name] for name in (canonical, *self._imports(canonical)) if name in self.faults), None
        )
        try:
            if fault is None:
                return self._compile_definition(definition, canonical)
        except (KeyError, TypeError, AttributeError, ValueError) as reason:
            fault = unknown("malformed", f"{canonical} is not valid FHIR ({type(reason).__name__}: {reason})")
        except FhirError as reason:
            fault = unknown("malformed", str(reason))
        self.faults[canonical] = fault
        return select_nothing_known(fault)

    def _compile_definition(self, definition: JsonObject, canonical: str) -> Selection:
        if definition["resourceType"] == "CodeSystem":
            url = definition["url"]
            return Selection({url: self._systems.codes(url, definition.get("version", ""))})
        compose, expansion = definition.get("compose"), definition.get("expansion")
        stored = read_expansion(expansion, canonical, self._systems) if expansion is not None else None
        if compose is None:
            return stored or select_nothing_known(
                unknown("value-set-absent", f"{canonical} does not say what it holds")
            )
        contained = {f"#{row['id']}": row for row in definition.get("contained", ()) if "id" in row}
        selection = self._compose(compose, contained)
        return combine_selections(prefer_known, [selection, stored]) if stored is not None else selection

    def _compose(self, compose: JsonObject, contained: Mapping[str, JsonObject]) -> Selection:
        active = compose.get("inactive") is False
        included = [self._include(row, contained, active=active) for row in compose["include"]]
        excluded = [self._include(row, contained, excluding=True) for row in compose.get("exclude", ())]
        return subtract(combine_selections(either, included), excluded)

    def _include(
        self, row: JsonObject, contained: Mapping[str, JsonObject], *, active: bool = False, excluding: bool = False
    ) -> Selection:
        parts = [self._selections[name] for name in row.get("valueSet", ())]
        for part in parts:
            self._spend(sum(len(codes.listed) for codes in part.systems.values()))
        if active:
            parts = [self._select_active(part) for part in parts]
        if "system" in row:
            found = self._source(row, contained)
            codes = _listed(row, found, excluding=excluding) if "concept" in row else self._filtered(row, found)
            codes = _active(codes, found) if active else codes
            url = contained[row["system"]]["url"] if row["system"] in contained else row["system"]
            parts.append(Selection({url: self._pinned(codes, row)}))
        return combine_selections(both, parts)

    def _source(self, row: JsonObject, contained: Mapping[str, JsonObject]) -> CodeSystem | None:
        """The code system of an include: one in the value set itself (`#id`), or by its canonical."""
        url: str = row["system"]
        if url in contained:
            return CodeSystem(contained[url])
        return self._systems.find(url, row.get("version") or self._pinned_version(url))

    def _pinned_version(self, system: str) -> str:
        return self._pin.version if self._pin is not None and self._pin.system == system else ""

    def _pinned(self, codes: Codes, row: JsonObject) -> Codes:
        """What an include of one version says of another: nothing that it holds is certain."""
        url, version = row["system"], row.get("version", "")
        pinned = self._pinned_version(url)
        if version in {"", pinned} or not pinned:
            return codes
        reason = unknown("version-absent", f"the value set is made of version {version} of {url}, not of {pinned}")
        return combine(both, [codes, Codes(rest=reason, folded=codes.folded)])

    def _select_active(self, selection: Selection) -> Selection:
        active = {
            name: _active(codes, self._systems.find(name, self._pinned_version(name)))
            for name, codes in selection.systems.items()
        }
        return Selection(active, selection.others)

    def _filtered(self, row: JsonObject, found: CodeSystem | None) -> Codes:
        url = row["system"]
        version = row.get("version") or self._pinned_version(url)
        codes = found.all if found is not None else Codes(rest=self._systems.absence(url, version))
        self._spend(len(codes.listed))
        for condition in row.get("filter", ()):
            self._spend(len(codes.listed))
            codes = restrict(codes, compile_filter(found or CodeSystem({"url": url}), condition))
        return codes

    def _spend(self, steps: int) -> None:
        """Counts codes that are looked at; raises FhirError (too costly) beyond what may be."""
        if self._left is None:
            return
        self._left -= steps
        if self._left < 0:
            raise error(Category.TOO_COSTLY, "expansion-too-large", "its includes and filters look at too many codes")

    def rows(self, canonical: str) -> dict[tuple[str, str], JsonObject]:
        """Returns the concepts that a value set and those it imports list, by system and code: with their displays."""
        known = self._rows.get(canonical)
        if known is not None:
            return known
        found: dict[tuple[str, str], JsonObject] = {}
        for name in self._reach(canonical):
            definition = self.find(name) or {}
            for part in _parts(definition):
                for concept in part.get("concept", ()):
                    found.setdefault((part.get("system", ""), concept["code"]), concept)
        if canonical in self._selections:
            self._rows[canonical] = found
        return found

    def _reach(self, canonical: str) -> Iterable[str]:
        found = {canonical: None}
        waiting = [canonical]
        for name in waiting:
            new = [other for other in dict.fromkeys(self._imports(name)) if other not in found]
            found.update(dict.fromkeys(new))
            waiting += new
        return found


def _listed(row: JsonObject, found: CodeSystem | None, *, excluding: bool) -> Codes:
    """What is listed is a member; where the code system here has no such code, one of the two is out of date."""
    if found is None:
        return Codes({concept["code"]: YES for concept in row["concept"]})
    keys = dict.fromkeys(found.key(concept["code"]) for concept in row["concept"])
    outdated = unknown("contradicted", f"the value set lists it, but {found.name} does not have it")
    known = {key: YES if excluding else found.all.decide_key(key) for key in keys}
    listed = {key: outdated if answer.member is Member.NO else YES for key, answer in known.items()}
    return Codes(listed, folded=found.folded)


def _active(codes: Codes, found: CodeSystem | None) -> Codes:
    if found is None:
        return codes
    return restrict(codes, lambda key: NO if found.is_inactive(key) else YES)


def _parts(definition: JsonObject) -> Iterator[JsonObject]:
    compose = definition.get("compose", {})
    yield from compose.get("include", ())
    yield from compose.get("exclude", ())


def _absent(canonical: str) -> Selection:
    return select_nothing_known(unknown("value-set-absent", f"the value set {canonical} is not here"))
