"""$expand: rows, names, paging, and when there is no expansion."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.terminology.expansion import ExpansionParameters
from fhir_dmp.terminology.stored_expansion import UNCLOSED
from fhir_dmp.terminology.terminology import Terminology
from tests.terminology.definitions import build_terminology, read_cases

NOW = "2026-11-21T12:00:00Z"
COLOURS = {
    "resourceType": "CodeSystem",
    "url": "urn:colours",
    "version": "3",
    "content": "complete",
    "property": [{"code": "status", "type": "code"}, {"code": "notSelectable", "type": "boolean"}],
    "concept": [
        {
            "code": "warm",
            "display": "Warm colours",
            "property": [{"code": "notSelectable", "valueBoolean": True}],
            "concept": [
                {"code": "red", "display": "Red", "designation": [{"language": "fr-FR", "value": "Rouge"}]},
                {"code": "mauve", "display": "Mauve", "property": [{"code": "status", "valueCode": "retired"}]},
            ],
        },
        {"code": "blue", "display": "Blue", "designation": [{"language": "fr", "value": "Bleu"}]},
    ],
}


def _expand(include: list[dict[str, Any]], parameters: ExpansionParameters | None = None) -> dict[str, Any]:
    value_set = {
        "resourceType": "ValueSet",
        "url": "urn:vs",
        "version": "1",
        "status": "active",
        "text": {"status": "generated"},
        "compose": {"include": include},
    }
    terminology = build_terminology([COLOURS, value_set, *read_cases("composition")["definitions"]])
    return terminology.expand("urn:vs", timestamp=NOW, parameters=parameters or ExpansionParameters())


def _codes(expanded: dict[str, Any]) -> list[str]:
    return [row["code"] for row in expanded["expansion"].get("contains", ())]


ALL = [{"system": "urn:colours"}]


def test_expansion_is_a_value_set_with_its_codes_in_their_order() -> None:
    expanded = _expand(ALL)
    assert {name: expanded[name] for name in expanded if name != "expansion"} == {
        "resourceType": "ValueSet",
        "url": "urn:vs",
        "version": "1",
        "status": "active",
    }
    assert expanded["expansion"] == {
        "timestamp": NOW,
        "total": 4,
        "parameter": [{"name": "used-codesystem", "valueUri": "urn:colours|3"}],
        "contains": [
            {"system": "urn:colours", "abstract": True, "code": "warm", "display": "Warm colours"},
            {"system": "urn:colours", "code": "red", "display": "Red"},
            {"system": "urn:colours", "inactive": True, "code": "mauve", "display": "Mauve"},
            {"system": "urn:colours", "code": "blue", "display": "Blue"},
        ],
    }


def test_the_value_sets_own_display_goes_first() -> None:
    include = [{"system": "urn:colours", "concept": [{"code": "blue", "display": "Azure"}, {"code": "red"}]}]
    assert [row["display"] for row in _expand(include)["expansion"]["contains"]] == ["Azure", "Red"]


def test_language_chooses_designations() -> None:
    rows = _expand(ALL, ExpansionParameters(language="fr"))["expansion"]["contains"]
    assert [row["display"] for row in rows] == ["Warm colours", "Rouge", "Mauve", "Bleu"]


def test_designations_are_given_when_asked_for() -> None:
    rows = _expand(ALL, ExpansionParameters(designations=True))["expansion"]["contains"]
    assert rows[1]["designation"] == [{"language": "fr-FR", "value": "Rouge"}]


@pytest.mark.parametrize(
    ("words", "expected"),
    [("RED", ["red"]), ("co wa", ["warm"]), ("bleu", ["blue"]), ("au", ["mauve"]), ("xyz", []), ("", 4)],
)
def test_filter_finds_words_in_codes_and_names(words: str, expected: list[str] | int) -> None:
    expanded = _expand(ALL, ExpansionParameters(filter=words))
    assert (_codes(expanded) == expected) or len(_codes(expanded)) == expected
    assert expanded["expansion"]["total"] == len(_codes(expanded))


def test_active_only_leaves_inactive_codes_out() -> None:
    assert "mauve" not in _codes(_expand(ALL, ExpansionParameters(active_only=True)))


def test_pages_join_to_the_whole() -> None:
    pages = [_expand(ALL, ExpansionParameters(offset=offset, count=3)) for offset in (0, 3, 6)]
    assert [_codes(page) for page in pages] == [["warm", "red", "mauve"], ["blue"], []]
    assert {page["expansion"]["total"] for page in pages} == {4}
    assert [page["expansion"]["offset"] for page in pages] == [0, 3, 6]


@pytest.mark.parametrize("count", [None, 4, 10])
def test_more_codes_than_the_limit_are_too_costly(count: int | None) -> None:
    with pytest.raises(FhirError, match="at most 3") as fault:
        _expand(ALL, ExpansionParameters(limit=3, count=count))
    assert fault.value.category is Category.TOO_COSTLY


def test_a_page_within_the_limit_is_given() -> None:
    assert len(_codes(_expand(ALL, ExpansionParameters(limit=3, count=3)))) == 3


def test_count_zero_tells_the_total_only() -> None:
    assert _expand(ALL, ExpansionParameters(count=0))["expansion"]["total"] == 4


@pytest.mark.parametrize("system", ["urn:fragment", "urn:example", "urn:compositional"])
def test_partial_content_is_listed_and_marked_unclosed(system: str) -> None:
    expanded = _expand([{"system": system}])
    assert _codes(expanded) == ["a"]
    assert expanded["expansion"]["extension"] == [{"url": UNCLOSED, "valueBoolean": True}]


@pytest.mark.parametrize(
    ("include", "category", "code"),
    [
        ({"system": "urn:not-present"}, Category.UNPROCESSABLE, "code-system-absent"),
        ({"system": "urn:nowhere"}, Category.UNPROCESSABLE, "code-system-absent"),
        ({"system": "urn:c", "version": "9"}, Category.UNPROCESSABLE, "version-absent"),
        ({"valueSet": ["urn:vs:nowhere"]}, Category.UNPROCESSABLE, "value-set-absent"),
        ({"valueSet": ["urn:vs"]}, Category.UNPROCESSABLE, "value-set-circular"),
        ({"valueSet": ["urn:vs:malformed"]}, Category.UNPROCESSABLE, "malformed"),
        ({"system": "http://unitsofmeasure.org"}, Category.TOO_COSTLY, "standard-endless"),
        ({"system": "urn:ietf:bcp:13"}, Category.TOO_COSTLY, "standard-endless"),
    ],
)
def test_what_cannot_be_listed_is_refused_with_its_reason(
    include: dict[str, Any], category: Category, code: str
) -> None:
    with pytest.raises(FhirError) as fault:
        _expand([include])
    assert (fault.value.category, fault.value.issues[0].code) == (category, code)


def test_what_is_known_is_listed_where_the_caller_accepts_a_part() -> None:
    include: list[dict[str, Any]] = [
        {"system": "urn:colours", "concept": [{"code": "red"}]},
        {"system": "urn:nowhere"},
    ]
    expanded = _expand(include, ExpansionParameters(unclosed=True))
    assert _codes(expanded) == ["red"]
    assert expanded["expansion"]["extension"][0]["url"] == UNCLOSED


def test_an_absent_value_set_is_not_found() -> None:
    with pytest.raises(FhirError) as fault:
        Terminology(lambda _: None).expand("urn:vs", timestamp=NOW)
    assert fault.value.category is Category.NOT_FOUND


def test_currencies_of_the_standard_are_listed() -> None:
    assert {"EUR", "FRF"} <= set(_codes(_expand([{"system": "urn:iso:std:iso:4217"}])))
