"""Each restated profile accepts and refuses what the published one does: on mutants, on the corpus, on our examples.

Both are asked the same of the same resources, once with the definitions of profiles/ and once with those of the
packages; not only the verdicts are compared but each error, by its code and place. equivalence.json has what differs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.corpus import CORPUS, REASON, read_list, read_package
from tests.conformance.mutation.judge import Judge
from tests.conformance.mutation.mutant import Mutant
from tests.conformance.mutation.outcome import SHIPPED, broken_profiles, build_judge_of_hosts
from tests.profiles.shipped import EXTENSIONS, PUBLISHED, shipped

LISTED = json.loads((Path(__file__).parent / "equivalence.json").read_text(encoding="utf-8"))
RESTATED = [profile for folder in PUBLISHED for profile in shipped("StructureDefinition", folder)]
EXAMPLES = Path(__file__).parents[2] / "examples"

Errors = frozenset[tuple[str, str]]
"""The code and the place of each."""

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason=REASON)


@cache
def ours() -> Judge:
    return build_judge_of_hosts([*SHIPPED, *read_package(EXTENSIONS)])


@cache
def theirs() -> Judge:
    published = [row for name in PUBLISHED.values() for row in read_package(name)]
    return build_judge_of_hosts([*published, *SHIPPED, *read_package(EXTENSIONS)])


@cache
def verdicts_on_mutants() -> dict[str, tuple[Errors, Errors]]:
    """By the name of the mutant: what is wrong with it by our definitions, and by the published ones."""
    broken = [broken_profiles()[profile["id"]] for profile in RESTATED]
    mutants = [mutant for item in broken for rows in item.mutants.values() for mutant in rows]
    return {mutant.name: _judge(mutant) for mutant in (*mutants, *(item.sample for item in broken))}


@cache
def verdicts_on_resources() -> dict[str, tuple[Errors, Errors]]:
    """By the names of a resource and of a profile of its type: as above."""
    found = {}
    for name, resource in _resources():
        for profile in RESTATED:
            if profile["type"] == resource.get("resourceType"):
                asked = Mutant(name, resource, (profile["url"],), frozenset(), frozenset())
                found[f"{name} {profile['id']}"] = _judge(asked)
    return found


def _judge(mutant: Mutant) -> tuple[Errors, Errors]:
    def errors(judge: Judge) -> Errors:
        return frozenset((issue.code, issue.expression) for issue in judge.errors(mutant))

    return errors(ours()), errors(theirs())


def _resources() -> Iterator[tuple[str, Any]]:
    for listing in ("spec-examples.json", "french-examples.json"):
        for row in read_list(listing):
            yield row["file"], json.loads((CORPUS / row["file"]).read_bytes())
    for file in sorted(EXAMPLES.glob("*.json")):
        for index, entry in enumerate(json.loads(file.read_bytes())["entry"]):
            yield f"{file.stem} {index}", entry["resource"]


each_kind = pytest.mark.parametrize("verdicts", [verdicts_on_mutants, verdicts_on_resources])


@each_kind
def test_restated_profile_refuses_what_the_published_one_refuses(
    verdicts: Callable[[], dict[str, tuple[Errors, Errors]]],
) -> None:
    different = [name for name, (own, published) in verdicts().items() if bool(own) != bool(published)]
    assert set(different) <= set(LISTED["verdicts"])


@each_kind
def test_restated_profile_has_the_errors_of_the_published_one(
    verdicts: Callable[[], dict[str, tuple[Errors, Errors]]],
) -> None:
    listed = LISTED["findings"]
    different = {(name, *error) for name, (own, published) in verdicts().items() for error in own ^ published}
    other = [row for row in different if row[1] != listed["code"] or not re.fullmatch(listed["expression"], row[2])]
    assert other == []


def test_each_listed_verdict_is_different() -> None:
    different = {name for name, (own, published) in verdicts_on_mutants().items() if bool(own) != bool(published)}
    assert different == set(LISTED["verdicts"])


def test_figures_of_the_documentation_are_those_of_today() -> None:
    found = verdicts_on_resources().items()
    resources = [verdicts for name, verdicts in found if name.startswith(("fr/", "spec-examples/"))]
    assert LISTED["figures"] == {
        "mutants": len(verdicts_on_mutants()),
        "resources": len(resources),
        "valid": sum(not own for own, _ in resources),
    }
