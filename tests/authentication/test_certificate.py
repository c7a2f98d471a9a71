"""The certificate that a proxy hands over, in each proxy's words, and tokens that are bound to it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.authentication.certificate import ClientCertificate, is_bound_to, parse_proxies
from fhir_dmp.authentication.fault import SettingUnusable

PROXY, STRANGER = "10.1.2.3", "192.0.2.1"
SUBJECT = "CN=logiciel.example,O=Hôpital"


def _make_certificate() -> x509.Certificate:
    key = generate_private_key(SECP256R1())
    name = x509.Name.from_rfc4514_string(SUBJECT)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(start).not_valid_after(start + timedelta(days=9))
    return builder.sign(key, SHA256())


CERTIFICATE = _make_certificate()
DER = CERTIFICATE.public_bytes(Encoding.DER)
PEM = CERTIFICATE.public_bytes(Encoding.PEM).decode()
DIGEST = sha256(DER).digest()
HEX = DIGEST.hex()
BASE64 = base64.b64encode(DER).decode()
XFCC = "X-Forwarded-Client-Cert"


def _read(value: str, header: str = "Client-Cert", peer: str = PROXY, networks: str = "10.0.0.0/8 ::1") -> Any:
    return parse_proxies(networks, header).read_certificate({header.lower().encode(): value}, peer)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Client-Cert", f":{BASE64}:"),
        ("X-SSL-Client-Cert", quote(PEM)),
        ("X-SSL-Client-Cert", BASE64),
        ("X-Forwarded-Tls-Client-Cert", quote(BASE64)),
    ],
)
def test_certificate_is_read_as_each_proxy_writes_it(header: str, value: str) -> None:
    assert _read(value, header) == ClientCertificate(DIGEST, SUBJECT)


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        (f"Hash={HEX}", ""),
        (f'By=spiffe://a;Hash={HEX};Subject="{SUBJECT}";URI=', SUBJECT),
        (f'Hash={HEX};Subject="O=Clinique \\"A\\", B;C"', 'O=Clinique "A", B;C'),
        (f'Hash={"0" * 64};Subject="first",Hash={HEX};Subject="last"', "last"),
        (f"By=x ; Hash={HEX} ;Subject=O ", "O"),
        (f'Subject="a,Hash={"0" * 64}";Hash={HEX}', f"a,Hash={'0' * 64}"),
    ],
    ids=count(),
)
def test_element_of_the_nearest_envoy_counts(value: str, subject: str) -> None:
    assert _read(value, XFCC) == ClientCertificate(DIGEST, subject)


@pytest.mark.parametrize(
    "value",
    ["Hash=", "Hash=zz", f"Hash={HEX}00", "By=x", f"Hash={HEX},By=x", ";;", f'Hash="{HEX}', f'By={" " * 30_000}"'],
    ids=count(),
)
def test_envoy_header_without_a_digest_is_no_certificate(value: str) -> None:
    assert _read(value, XFCC) is None


@pytest.mark.parametrize(
    "value", ["", "x", ":x:", f":{BASE64}:, :{BASE64}:", PEM[:60], BASE64[:-20], "é", "A" * 40_000], ids=count()
)
def test_header_that_is_no_certificate_is_none(value: str) -> None:
    assert _read(value) is None


@pytest.mark.parametrize(
    ("peer", "is_trusted"),
    [
        (PROXY, True),
        ("::ffff:10.1.2.3", True),
        ("::1", True),
        (STRANGER, False),
        ("11.0.0.1", False),
        ("::2", False),
        ("", False),
        ("proxy.example", False),
    ],
)
def test_only_a_trusted_proxy_is_heard(peer: str, is_trusted: bool) -> None:
    assert (_read(f":{BASE64}:", peer=peer) is not None) is is_trusted


def test_nobody_is_trusted_unless_named() -> None:
    assert _read(f":{BASE64}:", networks="") is None


def test_only_the_configured_header_is_read() -> None:
    proxies = parse_proxies("10.0.0.0/8", XFCC)
    assert proxies.read_certificate({b"client-cert": f":{BASE64}:"}, PROXY) is None


CERT = ClientCertificate(DIGEST)
THUMBPRINT = base64.urlsafe_b64encode(DIGEST).decode().rstrip("=")


@pytest.mark.parametrize(
    "thumbprint",
    [
        THUMBPRINT,
        THUMBPRINT + "=",
        base64.b64encode(DIGEST).decode(),
        base64.b64encode(HEX.encode()).decode(),
        base64.urlsafe_b64encode(HEX.encode()).decode().rstrip("="),
        base64.b64encode(HEX.upper().encode()).decode(),
    ],
    ids=count(),
)
def test_thumbprint_is_that_of_rfc_8705_or_base64_of_its_hexadecimal_text(thumbprint: str) -> None:
    assert is_bound_to({"x5t#S256": thumbprint}, CERT)


@pytest.mark.parametrize(
    "confirmation",
    [
        None,
        {},
        [],
        THUMBPRINT,
        {"x5t#S256": None},
        {"x5t#S256": ""},
        {"x5t#S256": HEX},
        {"x5t#S256": "é"},
        {"x5t#S256": THUMBPRINT[:-1]},
        {"x5t#S256": THUMBPRINT.swapcase()},
        {"x5t#S256": base64.b64encode(DIGEST[::-1]).decode()},
        {"jkt": THUMBPRINT},
        {"x5t#S256": THUMBPRINT, "jkt": "x"},
    ],
    ids=count(),
)
def test_token_bound_to_anything_else_is_not_good(confirmation: Any) -> None:
    assert not is_bound_to(confirmation, CERT)


def test_bound_token_is_not_good_without_certificate() -> None:
    assert not is_bound_to({"x5t#S256": THUMBPRINT}, None)


def test_our_own_tokens_carry_the_form_of_the_rfc() -> None:
    assert CERT.thumbprint == THUMBPRINT
    assert len(CERT.thumbprint) == 43


@given(st.text(), st.sampled_from([XFCC, "Client-Cert"]))
def test_any_header_is_a_certificate_or_none(text: str, header: str) -> None:
    assert isinstance(_read(text, header), ClientCertificate | None)


@pytest.mark.parametrize(("networks", "header"), [("10.0.0.1/8", "a"), ("proxy.example", "a"), ("", ""), ("", "a b")])
def test_settings_that_cannot_be_used_are_named(networks: str, header: str) -> None:
    with pytest.raises(SettingUnusable, match=r"FHIR_DMP_(TRUSTED_PROXIES|CLIENT_CERTIFICATE_HEADER) takes"):
        parse_proxies(networks, header)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "<b>x</b>", "10.0.0.1"),
        ("", "198.51.100.1", ""),
    ],
)
def test_address_of_a_client_is_the_last_that_is_no_trusted_proxys(peer: str, forwarded: str, client: str) -> None:
    proxies = parse_proxies("10.0.0.0/8", "Client-Cert")
    headers = {b"x-forwarded-for": forwarded} if forwarded else {}
    assert proxies.find_client(headers, peer) == client


@given(st.text(), st.text())
def test_whatever_is_forwarded_a_client_has_an_address(forwarded: str, peer: str) -> None:
    proxies = parse_proxies("0.0.0.0/0 ::/0", "Client-Cert")
    found = proxies.find_client({b"x-forwarded-for": forwarded}, peer)
    assert found == peer or ip_address(found)
