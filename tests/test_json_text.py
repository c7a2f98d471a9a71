"""JSON is written as it was read, and what two readers could read differently is refused."""

from __future__ import annotations

import copy
import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.json_text import MAX_DEPTH, FhirDecimal, parse_json, parse_json_object, write_json
from fhir_dmp.outcome import FhirError

KEPT = [
    b'{"value":1.00}',
    b'{"value":1e2}',
    b'{"value":-0.0}',
    b'{"value":0.000000000000000000000000000001}',
    b'{"value":123456789012345678901234567890}',
    b'{"z":1,"a":2,"m":[true,false,null,"\xc3\xa9"]}',
]
REFUSED = {
    "truncated": b'{"a":',
    "empty": b"",
    "not UTF-8": b'{"a":"\xff"}',
    "byte order mark": b'\xef\xbb\xbf{"a":1}',
    "duplicate key": b'{"a":{"b":1,"b":1}}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "lone surrogate": b'{"a":"\\ud83d"}',
    "lone surrogate in a key": b'{"\\ude00":1}',
    "control character": b'{"a":"\x00"}',
    "two values": b"{} {}",
    "array": b"[]",
    "nesting bomb": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "array bomb": b'{"a":' + b"[" * 200_000,
    "exponent beyond all decimals": b'{"a":1e9999999999999999999999}',
    "leading zero": b'{"a":01}',
    "comment": b'{"a":1} // no',
}
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("text", KEPT)
def test_text_is_written_as_it_was_read(text: bytes) -> None:
    assert write_json(parse_json(text)) == text


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_unacceptable_json_is_refused_with_a_reason(text: bytes) -> None:
    with pytest.raises(FhirError) as caught:
        parse_json_object(text)
    assert caught.value.issues[0].code == "json-malformed"


def test_malformed_json_names_line_and_column() -> None:
    with pytest.raises(FhirError, match="line 2, column 8"):
        parse_json(b'{\n  "a": x}')


def test_depth_is_bounded_exactly() -> None:
    assert parse_json_object(b'{"a":' * (MAX_DEPTH - 1) + b"{}" + b"}" * (MAX_DEPTH - 1))
    with pytest.raises(FhirError, match="nests deeper"):
        parse_json_object(b'{"a":' * MAX_DEPTH + b"{}" + b"}" * MAX_DEPTH)


@given(values)
def test_any_value_survives_writing_and_reading(value: Any) -> None:
    assert parse_json(write_json(value)) == value


@given(values)
def test_parsing_agrees_with_the_standard_library(value: Any) -> None:
    text = json.dumps(value)
    assert parse_json(text.encode()) == json.loads(text)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(FhirError):
        parse_json(data)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8))
def test_decimal_keeps_its_literal(value: Any) -> None:
    literal = f"{value:f}"
    assert FhirDecimal(literal).literal == literal
    assert write_json(FhirDecimal(literal)) == literal.encode()


def test_copied_decimal_keeps_its_literal() -> None:
    assert write_json(copy.deepcopy({"value": FhirDecimal("1.0e-7")})) == b'{"value":1.0e-7}'


def test_of_many_names_the_one_that_stands_twice_is_found_before_anybody_else_has_to_wait() -> None:
    names = ",".join(f'"a{number}":1' for number in range(100_000))
    began = time.monotonic()
    with pytest.raises(FhirError, match="'a99999' appears twice"):
        parse_json(f'{{{names},"a99999":2}}'.encode())
    assert time.monotonic() - began < 5.0
