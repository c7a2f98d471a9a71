"""What joins mean: is a clause true of a resource among others. The reference meaning, as match is of the rest.

Others are those that exist for the requester: what is hidden from him is not among them, on no hop. The stores never do
this: fhir_dmp.interactions.joins resolves joins into clauses without, which select the same.

https://hl7.org/fhir/R4/search.html#chaining and #has
"""

from __future__ import annotations

from collections.abc import Mapping

from fhir_dmp.search.facts import Facts
from fhir_dmp.search.match import is_on, matches
from fhir_dmp.search.query import And, Chained, Clause, Contains, Hop, Not, Or, Referred

World = Mapping[str, Facts]
"""The facts of all that exists, by `Type/id`."""


def is_true(clause: Clause, facts: Facts, world: World) -> bool:  # noqa: PLR0911  one for each kind of clause
    """Tells whether a clause is true of the resource with these facts among others."""
    match clause:
        case And(clauses):
            return all(is_true(inner, facts, world) for inner in clauses)
        case Or(clauses):
            return any(is_true(inner, facts, world) for inner in clauses)
        case Not(inner):
            return not is_true(inner, facts, world)
        case Chained(hop, inner):
            others = (other for other in world.values() if leads(hop, facts, other))
            inside = (fact.facts for fact in facts.contained if is_on(hop, facts, fact))
            return any(is_true(inner, other, world) for other in (*others, *inside))
        case Contains(inner, way):
            return any(is_true(inner, fact.facts, world) for fact in facts.contained if is_on(way, facts, fact))
        case Referred(hop, inner):
            return any(leads(hop, other, facts) and is_true(inner, other, world) for other in world.values())
        case _:
            return matches(clause, facts)


def leads(hop: Hop, origin: Facts, target: Facts) -> bool:
    """Tells whether one resource refers to another by a hop; a versioned reference leads to the current version."""
    text = f"{hop.target}/{target.resource_id}"
    is_on_the_way = origin.resource_type == hop.resource_type and target.resource_type == hop.target
    return is_on_the_way and any(link.parameter == hop.parameter and link.text == text for link in origin.links)
