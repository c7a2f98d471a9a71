"""A token before its signature is checked: what its header has to be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.authentication.algorithm import ACCESS_TOKENS, ASSERTIONS
from fhir_dmp.authentication.fault import TokenRefused
from fhir_dmp.authentication.token import LARGEST, Unverified, parse_token
from tests.authentication.signing import encode

TYPES = frozenset({"jwt"})
HEADER = {"alg": "ES384", "kid": "k", "typ": "JWT"}


def _token(body: Any, **changed: Any) -> str:
    header = {name: value for name, value in {**HEADER, **changed}.items() if value is not None}
    return f"{encode(header)}.{encode(body)}.AAAA"


def test_header_and_claims_are_read() -> None:
    text = _token({"a": 1})
    assert parse_token(text, ACCESS_TOKENS, TYPES) == Unverified(text, "ES384", "k", {"a": 1})


@pytest.mark.parametrize("algorithms", [ACCESS_TOKENS, ASSERTIONS], ids=["access tokens", "assertions"])
@pytest.mark.parametrize(
    "alg", ["none", "HS256", "HS384", "HS512", "RS512", "PS384", "EdDSA", "es384", "", None, 1, []]
)
def test_algorithms_that_are_not_named_are_refused(algorithms: Any, alg: Any) -> None:
    with pytest.raises(TokenRefused, match="algorithm"):
        parse_token(_token({}, alg=alg), algorithms, TYPES)


def test_access_tokens_and_assertions_have_different_algorithms() -> None:
    assert set(ACCESS_TOKENS) == {"RS256", "ES256", "ES384"}
    assert set(ASSERTIONS) == {"RS384", "ES384"}


@pytest.mark.parametrize(
    "changed", [{"typ": None}, {"typ": 1}, {"typ": "at+jwt"}, {"kid": None}, {"kid": 1}, {"crit": []}]
)
def test_header_that_is_not_that_of_such_a_token_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        parse_token(_token({}, **changed), ACCESS_TOKENS, TYPES)


def test_length_is_looked_at_before_anything_else() -> None:
    with pytest.raises(TokenRefused, match="too large"):
        parse_token("x" * (LARGEST + 1), ACCESS_TOKENS, TYPES)


@given(st.text(max_size=100) | st.lists(st.text("ABCab01-_", max_size=20), min_size=3, max_size=3).map(".".join))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    with pytest.raises(TokenRefused):
        parse_token(text, ACCESS_TOKENS, TYPES)
