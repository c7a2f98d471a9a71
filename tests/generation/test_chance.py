"""Draws: weights count, counts have their mean, ids are UUIDs."""

from __future__ import annotations

import uuid
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.generation.chance import Weighted, draw_between, draw_count, draw_id, happens


@given(st.integers(0, 2**64))
def test_id_is_a_uuid_of_version_4(seed: int) -> None:
    drawn = draw_id(Random(seed))
    parsed = uuid.UUID(drawn)
    assert (str(parsed), parsed.version, parsed.variant) == (drawn, 4, uuid.RFC_4122)


def test_what_weighs_three_times_as_much_comes_three_times_as_often() -> None:
    chance, choice = Random(1), Weighted([("often", 3.0), ("never", 0.0), ("seldom", 1.0)])
    counts = Counter(choice.draw(chance) for _ in range(8000))
    assert set(counts) == {"often", "seldom"}
    assert counts["often"] == pytest.approx(6000, rel=0.05)


@pytest.mark.parametrize("mean", [0, 0.3, 4, 21])
def test_counts_have_their_mean(mean: float) -> None:
    chance = Random(2)
    total = sum(draw_count(chance, mean) for _ in range(5000))
    assert total / 5000 == pytest.approx(mean, abs=0.2)


def test_bounds_are_drawn_too() -> None:
    chance = Random(3)
    assert {draw_between(chance, 1, 3) for _ in range(200)} == {1, 2, 3}
    assert not any(happens(chance, 0) for _ in range(100))
    assert all(happens(chance, 1) for _ in range(100))
