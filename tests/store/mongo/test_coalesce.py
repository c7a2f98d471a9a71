"""Concurrent reads share a query, and each reader gets what is true when it asks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from fhir_dmp.store.mongo.coalesce import Coalescer


class Source:
    """Answers after a moment, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.values = {number: f"v{number}" for number in range(100)}

    async def fetch(self, keys: list[int]) -> Mapping[int, str]:
        self.asked.append(keys)
        found = {key: self.values[key] for key in keys if key in self.values}
        await asyncio.sleep(0.005)
        return found


async def test_reads_that_arrive_together_are_one_query() -> None:
    source = Source()
    coalescer = Coalescer(source.fetch)
    answers = await asyncio.gather(*(coalescer.read([number]) for number in range(50)))
    assert answers == [{number: f"v{number}"} for number in range(50)]
    assert len(source.asked) == 1
    assert coalescer.is_idle


async def test_read_that_arrives_during_a_query_goes_with_the_next_one() -> None:
    source = Source()
    coalescer = Coalescer(source.fetch)
    first = asyncio.create_task(coalescer.read([1]))
    await asyncio.sleep(0.001)
    source.values[1] = "newer"
    assert await coalescer.read([1]) == {1: "newer"}
    assert await first == {1: "v1"}
    assert source.asked == [[1], [1]]


async def test_absent_key_is_no_key_of_the_answer() -> None:
    assert await Coalescer(Source().fetch).read([1, 1000]) == {1: "v1"}


async def test_error_reaches_every_reader_and_the_next_read_works() -> None:
    source = Source()
    failing = True

    async def fetch(keys: list[int]) -> Mapping[int, str]:
        if failing:
            raise ConnectionError("gone")
        return await source.fetch(keys)

    coalescer = Coalescer(fetch)
    answers = await asyncio.gather(*(coalescer.read([number]) for number in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ConnectionError] * 3
    failing = False
    assert await coalescer.read([1]) == {1: "v1"}


async def test_reader_that_gives_up_takes_nothing_from_the_others() -> None:
    coalescer = Coalescer(Source().fetch)
    impatient = asyncio.create_task(coalescer.read([1]))
    patient = asyncio.create_task(coalescer.read([1]))
    await asyncio.sleep(0.001)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert await patient == {1: "v1"}


async def test_large_crowds_go_in_several_queries() -> None:
    source = Source()
    coalescer = Coalescer(source.fetch, largest=10)
    await asyncio.gather(*(coalescer.read([number]) for number in range(25)))
    assert [len(keys) for keys in source.asked] == [10, 10, 5]


async def test_several_wait_for_who_is_expected_and_go_out_together() -> None:
    source = Source()
    coalescer = Coalescer(source.fetch, patience=5)
    await asyncio.gather(coalescer.read([1]), coalescer.read([2]))
    coalescer.expect()
    early = asyncio.create_task(coalescer.read([3]))
    await asyncio.sleep(0.02)
    assert source.asked == [[1, 2]]
    coalescer.excuse()
    assert await coalescer.read([4]) == {4: "v4"}
    assert await early == {3: "v3"}
    assert source.asked == [[1, 2], [3, 4]]


async def test_who_does_not_come_is_waited_for_only_so_long() -> None:
    coalescer = Coalescer(Source().fetch, patience=0.01)
    await asyncio.gather(coalescer.read([1]), coalescer.read([2]))
    coalescer.expect()
    assert await asyncio.wait_for(coalescer.read([3]), 2) == {3: "v3"}


async def test_a_single_reader_waits_for_nobody() -> None:
    coalescer = Coalescer(Source().fetch, patience=60)
    assert await coalescer.read([1]) == {1: "v1"}
    coalescer.expect()
    assert await asyncio.wait_for(coalescer.read([2]), 2) == {2: "v2"}


async def test_as_many_queries_are_under_way_as_may_be_and_no_more() -> None:
    source, may_land = Source(), asyncio.Event()

    async def fetch(keys: list[int]) -> Mapping[int, str]:
        found = await source.fetch(keys)
        await may_land.wait()
        return found

    coalescer = Coalescer(fetch, flights=2)
    reads = []
    for number in range(5):
        reads.append(asyncio.create_task(coalescer.read([number])))
        await asyncio.sleep(0.001)
    assert source.asked == [[0], [1]]
    may_land.set()
    assert [await read for read in reads] == [{number: f"v{number}"} for number in range(5)]
    assert source.asked == [[0], [1], [2, 3, 4]]
    assert coalescer.is_idle
    assert await coalescer.read([9]) == {9: "v9"}
