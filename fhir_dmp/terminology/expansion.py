"""Building ValueSet.expansion: https://hl7.org/fhir/R4/valueset-operation-expand.html.

An expansion lists what is known to belong. It is refused where that cannot be listed (a grammar), is too much, or would
be only a part because content is absent; where a code system itself is a fragment it is marked unclosed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.terminology.code_system import CodeSystem
from fhir_dmp.terminology.codes import Selection
from fhir_dmp.terminology.membership import Cause, Member, Membership
from fhir_dmp.terminology.source import CodeSystems
from fhir_dmp.terminology.stored_expansion import UNCLOSED

MOST_CODES = 10_000
"""Codes of one expansion, unless the caller sets another limit."""
_TOLERATED: frozenset[Cause] = frozenset({
    "code-system-partial", "standard-open", "expansion-partial", "contradicted",
})  # fmt: skip
"""Why a set may have further codes although all content there is, is here."""


@dataclass(frozen=True, slots=True)
class ExpansionParameters:
    """Parameters of $expand. `filter`: words that a code or a name of it must contain; `language`: that of displays.

    `unclosed` lists what is known of a value set even though content is absent. `limit` bounds an expansion or a page.
    """

    filter: str = ""
    offset: int = 0
    count: int | None = None
    limit: int = MOST_CODES
    language: str = ""
    active_only: bool = False
    designations: bool = False
    unclosed: bool = False


def check_expandable(selection: Selection, name: str, parameters: ExpansionParameters) -> bool:
    """Tells whether codes may be missing from the expansion; raises FhirError where it must not be built at all."""
    reasons = {reason.cause: reason for reason in _open_reasons(selection)}
    if "standard-endless" in reasons:
        raise _refuse(Category.TOO_COSTLY, name, reasons["standard-endless"])
    fatal = [reason for cause, reason in reasons.items() if cause not in _TOLERATED]
    if fatal and not parameters.unclosed:
        raise _refuse(Category.UNPROCESSABLE, name, fatal[0])
    return bool(reasons)


def _refuse(category: Category, name: str, reason: Membership) -> FhirError:
    return error(category, reason.cause, f"{name} cannot be expanded: {reason.message}.")


def _open_reasons(selection: Selection) -> Iterator[Membership]:
    for codes in (*selection.systems.values(), selection.others):
        if codes.beyond.member is Member.UNKNOWN:
            yield codes.beyond
        yield from (answer for answer in codes.listed.values() if answer.member is Member.UNKNOWN)


def build_expansion(
    selection: Selection,
    rows: Mapping[tuple[str, str], JsonObject],
    systems: CodeSystems,
    parameters: ExpansionParameters,
) -> JsonObject:
    """Returns total, offset, parameter and contains of an expansion; raises FhirError (too costly) beyond the limit."""
    contains = [row for row in _Rows(rows, systems, parameters).all(selection) if row]
    count = len(contains) if parameters.count is None else parameters.count
    page = contains[parameters.offset : parameters.offset + count]
    if len(page) > parameters.limit:
        raise error(
            Category.TOO_COSTLY,
            "expansion-too-large",
            f"The expansion has {len(contains)} codes; at most {parameters.limit} are given at once.",
        )
    paging = {"offset": parameters.offset} if parameters.count is not None or parameters.offset else {}
    written = [*_write_parameters(parameters), *_used(selection, systems)]
    body: JsonObject = {"total": len(contains), **paging}
    return body | ({"parameter": written} if written else {}) | ({"contains": page} if page else {})


def mark_unclosed(expansion: JsonObject) -> JsonObject:
    """Returns an expansion that says that other codes may belong to the value set too."""
    return {"extension": [{"url": UNCLOSED, "valueBoolean": True}], **expansion}


def _write_parameters(parameters: ExpansionParameters) -> Iterator[JsonObject]:
    if parameters.filter:
        yield {"name": "filter", "valueString": parameters.filter}
    if parameters.count is not None:
        yield {"name": "count", "valueInteger": parameters.count}
    if parameters.offset:
        yield {"name": "offset", "valueInteger": parameters.offset}
    if parameters.active_only:
        yield {"name": "activeOnly", "valueBoolean": True}
    if parameters.language:
        yield {"name": "displayLanguage", "valueCode": parameters.language}


def _used(selection: Selection, systems: CodeSystems) -> Iterator[JsonObject]:
    for url in selection.systems:
        found = systems.find(url)
        if found is not None:
            yield {"name": "used-codesystem", "valueUri": found.name}


class _Rows:
    """Writes the rows of `contains`: names from the value set's own rows before those of the code system."""

    def __init__(
        self, rows: Mapping[tuple[str, str], JsonObject], systems: CodeSystems, parameters: ExpansionParameters
    ) -> None:
        self._rows = rows
        self._systems = systems
        self._parameters = parameters
        self._words = parameters.filter.casefold().split()

    def all(self, selection: Selection) -> Iterator[JsonObject]:
        for url, codes in selection.systems.items():
            system = self._systems.find(url) or CodeSystem({"url": url})
            own = {system.key(code): row for (name, code), row in self._rows.items() if name == url}
            for key, answer in codes.listed.items():
                if answer.member is Member.YES:
                    yield self._row(system, key, own.get(key, {}))

    def _row(self, system: CodeSystem, key: str, own: JsonObject) -> JsonObject:
        """An empty row where the parameters leave the code out."""
        concept = system.concepts.get(key, {})
        designations = [*own.get("designation", ()), *system.designations(key)]
        code = concept.get("code") or own.get("code") or key
        inactive = system.is_inactive(key)
        names = [own.get("display", ""), concept.get("display", ""), *(item.get("value", "") for item in designations)]
        if (inactive and self._parameters.active_only) or not self._has_words(code, names):
            return {}
        display = self._choose_display(designations) or names[0] or names[1]
        flags = {"abstract": system.is_abstract(key), "inactive": inactive}
        row = {"system": system.url} | {name: True for name, flag in flags.items() if flag}
        row |= {"code": code} | ({"display": display} if display else {})
        return row | ({"designation": designations} if designations and self._parameters.designations else {})

    def _has_words(self, code: str, names: list[str]) -> bool:
        text = " ".join([code, *names]).casefold() if self._words else ""
        return all(word in text for word in self._words)

    def _choose_display(self, designations: list[JsonObject]) -> str:
        language = self._parameters.language.casefold()
        if not language:
            return ""
        for item in designations:
            tag = item.get("language", "").casefold()
            if tag == language or tag.startswith(f"{language}-"):
                return str(item.get("value", ""))
        return ""
