"""Each file of cases/ is a case: definitions, which of them to generate, and what its snapshot is or why there is none.

`elements` are parts of rows by id (null: the property is absent), `absent` ids that must not be there, `ids` all those
that begin with `below`, `issues` the findings in their order, each message by a part of it.
"""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.loader import load_definitions
from fhir_dmp.outcome import FhirError
from fhir_dmp.snapshot import generate_snapshot

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
R4 = {definition["url"]: definition for definition in load_definitions("structures")}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_snapshot_is_as_the_case_says(path: Path) -> None:
    case = orjson.loads(path.read_bytes())
    before = orjson.dumps(case["definitions"])
    if "issues" in case:
        with pytest.raises(FhirError) as refused:
            _generate(case)
        found = refused.value.issues
        assert [(issue.code, issue.expression) for issue in found] == [
            (issue["code"], issue["expression"]) for issue in case["issues"]
        ]
        assert all(expected["message"] in issue.message for expected, issue in zip(case["issues"], found, strict=True))
    else:
        _check(case, {row["id"]: row for row in _generate(case)})
    assert orjson.dumps(case["definitions"]) == before


def _generate(case: JsonObject) -> list[JsonObject]:
    known = R4 | {definition["url"]: definition for definition in reversed(case["definitions"])}
    versioned = {f"{row['url']}|{row.get('version')}": row for row in case["definitions"]}

    def look_up(canonical: str) -> JsonObject | None:
        return versioned.get(canonical) or known.get(canonical.partition("|")[0])

    rows: list[JsonObject] = generate_snapshot(known[case["generate"]], look_up)["snapshot"]["element"]
    assert len({row["id"] for row in rows}) == len(rows)
    return rows


def _check(case: JsonObject, rows: dict[str, JsonObject]) -> None:
    for identifier, expected in case["elements"].items() if "elements" in case else ():
        assert _holds(expected, rows[identifier]), (identifier, rows[identifier])
    assert [name for name in case.get("absent", ()) if name in rows] == []
    if "ids" in case:
        assert [name for name in rows if name.startswith(case["below"])] == case["ids"]


def _holds(expected: Json, found: Json) -> bool:
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(_holds(value, found.get(key)) for key, value in expected.items())
    if isinstance(expected, list):
        return len(expected) == len(found) and all(map(_holds, expected, found))
    return bool(expected == found)
