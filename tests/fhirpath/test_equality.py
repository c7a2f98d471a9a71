"""Equality and equivalence: that the keys for distinct() and the comparison of two items say the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.fhirpath.equality import distinct, equal, key_of
from fhir_dmp.fhirpath.equivalence import equivalent
from fhir_dmp.fhirpath.node import Node
from fhir_dmp.json_text import FhirDecimal

NODES = st.one_of(
    st.builds(Node, st.sampled_from(["a", "b", "A", None]), st.sampled_from(["string", "code", "System.String"])),
    st.builds(Node, st.sampled_from([0, 1, 2, FhirDecimal("1.0"), FhirDecimal("1.00")]), st.just("decimal")),
    st.builds(Node, st.sampled_from([0, 1, 2]), st.sampled_from(["integer", "System.Integer"])),
    st.builds(Node, st.booleans(), st.sampled_from(["boolean", "System.Boolean"])),
    st.builds(Node, st.sampled_from(["2020", "2020-01", "2020-01-02", "x"]), st.sampled_from(["date", "dateTime"])),
    st.builds(Node, st.sampled_from(["2020-01-02T10:00:00Z", "2020-01-02T11:00:00+01:00"]), st.just("instant")),
    st.builds(
        Node, st.sampled_from([{"family": "a"}, {"family": "b"}, {"given": ["a"], "family": "a"}]), st.just("HumanName")
    ),
    st.builds(
        Node,
        st.fixed_dictionaries(
            {
                "value": st.sampled_from([1, 1000, FhirDecimal("1.0")]),
                "code": st.sampled_from(["kg", "g", "s"]),
                "system": st.just("http://unitsofmeasure.org"),
            }
        ),
        st.just("Quantity"),
    ),
)


@given(NODES, NODES)
def test_keys_are_the_same_exactly_where_items_are_equal(left: Node, right: Node) -> None:
    assert (key_of(left) == key_of(right)) == (equal([left], [right]) is True)


@given(NODES, NODES)
def test_equal_items_are_equivalent(left: Node, right: Node) -> None:
    assert equivalent([left], [left])
    assert equivalent([left], [right]) == equivalent([right], [left])
    if equal([left], [right]):
        assert equivalent([left], [right])


@given(st.lists(NODES, max_size=8))
def test_distinct_keeps_the_first_of_equal_items(nodes: list[Node]) -> None:
    found = distinct(nodes)
    expected = [node for index, node in enumerate(nodes) if not any(equal([node], [one]) for one in nodes[:index])]
    assert list(found) == expected


@given(st.lists(NODES, max_size=6), st.randoms(use_true_random=False))
def test_equivalence_ignores_order(nodes: list[Node], random: st.random.Random) -> None:  # type: ignore[name-defined]
    shuffled = list(nodes)
    random.shuffle(shuffled)
    assert equivalent(nodes, shuffled)
