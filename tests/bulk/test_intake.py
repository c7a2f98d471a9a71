"""Lines of an upload: however it is cut, the same lines, with their numbers and ends; and what goes together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.bulk import intake, lines
from fhir_dmp.bulk.intake import Row, build_bundle, gather
from fhir_dmp.bulk.lines import Line, read_lines
from fhir_dmp.outcome import FhirError


async def cut(data: bytes, sizes: Sequence[int]) -> AsyncIterator[bytes]:
    start = 0
    for size in sizes:
        yield data[start : start + size]
        start += size
    yield data[start:]


async def collect(data: bytes, sizes: Sequence[int] = (), offset: int = 0, number: int = 0) -> list[Line]:
    return [line async for line in read_lines(cut(data, sizes), offset, number)]


async def batches(*texts: str) -> list[list[int]]:
    data = "\n".join(texts).encode()
    return [[row.line.number for row in rows] async for rows in gather(read_lines(cut(data, ())))]


@given(st.lists(st.binary(max_size=9)), st.lists(st.integers(0, 7)))
async def test_an_upload_has_the_same_lines_however_it_is_cut(rows: list[bytes], sizes: list[int]) -> None:
    data = b"".join(row.replace(b"\n", b"") + b"\n" for row in rows)
    found = await collect(data, sizes)
    assert [line.text for line in found] == [row.replace(b"\n", b"") for row in rows]
    assert [line.number for line in found] == list(range(1, len(rows) + 1))
    for place, line in enumerate(found):
        assert await collect(data[line.end :], sizes, line.end, line.number) == found[place + 1 :]


async def test_the_last_line_needs_no_end() -> None:
    assert await collect(b"a\n\nb") == [Line(1, 2, b"a"), Line(2, 3, b""), Line(3, 4, b"b")]
    assert await collect(b"") == []


@pytest.mark.parametrize("sizes", [(), (3,), (1,) * 20])
async def test_a_line_that_is_too_long_is_passed_over(monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...]) -> None:
    monkeypatch.setattr(lines, "LONGEST", 4)
    assert await collect(b"ab\nabcdefgh\ncd\n", sizes) == [Line(1, 3, b"ab"), Line(2, 12, None), Line(3, 15, b"cd")]
    assert await collect(b"abcdefgh", sizes) == [Line(1, 8, None)]


async def test_lines_go_together_unless_they_are_about_one_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, new = (f'{{"resourceType": "Patient"{more}}}' for more in (', "id": "a"', ', "id": "b"', ""))
    assert await batches(a, b, "", a, new, new, " ", "{") == [[1, 2], [4, 5, 6, 8]]
    monkeypatch.setattr(intake, "BATCH", 2)
    assert await batches(a, b, new) == [[1, 2], [3]]
    assert await batches() == []


@pytest.mark.parametrize("text", [None, b"{", b"[]", b"{}", b'{"resourceType": 1}', b'{"a": 1, "a": 2}', b"\xff"])
def test_a_line_without_a_resource_is_none(text: bytes | None) -> None:
    with pytest.raises(FhirError):
        build_bundle([Row(Line(1, 0, text), "")])
