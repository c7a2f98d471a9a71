"""Each constraint of each shipped profile is broken once, in a resource that is right otherwise, and is found.

Resources, mutants and what is expected of them are derived from the snapshots (tests/conformance/mutation/). The
constraints that no mutant breaks are in mutation/unbroken.json, each with its reason.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.conformance.mutation.outcome import PROFILES, broken_profiles, shipped_judge
from tests.conformance.mutation.sample import read_table

UNBROKEN: dict[str, dict[str, list[str]]] = read_table("unbroken")["constraints"]
"""By profile and reason: the constraints that no mutant breaks."""
FIGURES: dict[str, int] = read_table("figures")

each_profile = pytest.mark.parametrize("name", [profile["id"] for profile in PROFILES])


@each_profile
def test_sample_keeps_its_profile(name: str) -> None:
    assert [issue.message for issue in shipped_judge().errors(broken_profiles()[name].sample)] == []


@each_profile
def test_each_mutant_is_found_where_it_is_broken(name: str) -> None:
    missed = [
        (
            mutant.name,
            sorted(mutant.expressions),
            [(issue.code, issue.expression) for issue in shipped_judge().errors(mutant)],
        )
        for mutants in broken_profiles()[name].mutants.values()
        for mutant in mutants
        if not shipped_judge().finds(mutant)
    ]
    assert missed == []


@each_profile
def test_constraints_without_mutant_are_the_listed_ones(name: str) -> None:
    found: dict[str, list[str]] = {}
    for constraint, reason in broken_profiles()[name].unbroken.items():
        found.setdefault(reason, []).append(constraint)
    assert found == UNBROKEN.get(name, {})


def test_each_constraint_has_a_mutant_or_a_reason() -> None:
    assert all(mutants for item in broken_profiles().values() for mutants in item.mutants.values())
    assert {reason for rows in UNBROKEN.values() for reason in rows} == read_table("unbroken")["reasons"].keys()


def test_most_mutants_are_right_but_for_the_profile() -> None:
    mutants = [mutant for item in broken_profiles().values() for rows in item.mutants.values() for mutant in rows]
    unasked = [replace(mutant, canonicals=(), definition=None) for mutant in mutants]
    assert sum(shipped_judge().finds(mutant) for mutant in unasked) < len(mutants) / 3


def test_figures_of_the_documentation_are_those_of_today() -> None:
    found = broken_profiles().values()
    mutants = [mutant for item in found for rows in item.mutants.values() for mutant in rows]
    unbroken = sum(len(item.unbroken) for item in found)
    constraints = unbroken + sum(len(item.mutants) for item in found)
    alone = sum(shipped_judge().is_alone(mutant) for mutant in mutants)
    assert {
        "profiles": len(found),
        "constraints": constraints,
        "unbroken": unbroken,
        "mutants": len(mutants),
        "alone": alone,
    } == FIGURES
