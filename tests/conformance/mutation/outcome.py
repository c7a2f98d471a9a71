"""What became of the constraints of the shipped profiles: the mutants of each, or why there is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from tests.conformance.mutation.breaks import break_constraint
from tests.conformance.mutation.host import Host, build_hosts
from tests.conformance.mutation.judge import Judge, build_judge
from tests.conformance.mutation.mutant import Breaker, Mutant, Unbroken
from tests.conformance.mutation.place import Json
from tests.conformance.mutation.sample import Sampler
from tests.conformance.mutation.trees import Trees
from tests.profiles.shipped import shipped


@dataclass(frozen=True, slots=True)
class Broken:
    """A profile with a resource that keeps it, the mutants of its constraints by name, and those without by reason."""

    host: Host
    sample: Mutant
    mutants: dict[str, list[Mutant]]
    unbroken: dict[str, str]


PROFILES = shipped("StructureDefinition")
SHIPPED = (*PROFILES, *shipped("ValueSet"), *shipped("CodeSystem"))


def build_judge_of_hosts(definitions: Iterable[Json]) -> Judge:
    """Builds a judge that knows some definitions, and the hosts of the shipped profiles."""
    hosts = build_hosts(PROFILES)
    return build_judge([*definitions, *(host.definition for host in hosts if host.definition)])


@cache
def shipped_judge() -> Judge:
    """Returns the judge that knows what is shipped, and nothing else beyond R4."""
    return build_judge_of_hosts(SHIPPED)


@cache
def broken_profiles() -> dict[str, Broken]:
    """Returns the shipped profiles by id, with each of their constraints broken."""
    sampler = Sampler(Trees(shipped_judge().profiles))
    return {host.name: _break(Breaker(host, sampler)) for host in build_hosts(PROFILES)}


def _break(breaker: Breaker) -> Broken:
    host = breaker.host
    sample = Mutant(host.name, breaker.sample(), (host.canonical,), frozenset(), frozenset())
    broken = Broken(host, sample, {}, {})
    for constraint in breaker.constraints():
        try:
            broken.mutants[constraint.name] = list(break_constraint(breaker, constraint))
        except Unbroken as reason:
            broken.unbroken[constraint.name] = str(reason)
    return broken
