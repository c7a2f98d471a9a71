"""The client certificate that a trusted proxy hands over, and the token bound to it (`cnf.x5t#S256`).

Client-Cert: https://www.rfc-editor.org/rfc/rfc9440; the binding: https://www.rfc-editor.org/rfc/rfc8705#section-3.1.
"""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fhir_dmp.authentication.fault import SettingUnusable

Network = IPv4Network | IPv6Network

_XFCC = b"x-forwarded-client-cert"
_XFCC_PAIR = re.compile(r'\s*([A-Za-z]+)=("(?:[^"\\]|\\.)*+"|[^";,]*+)\s*+([;,]|$)')
_HEADER = re.compile(r"[A-Za-z0-9-]+")
_DIGEST_BYTES = 32
_LARGEST = 32 * 1024


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What is known of a client's certificate: its SHA-256, and its subject (RFC 4514) where the proxy tells it."""

    digest: bytes
    subject: str = ""

    @property
    def thumbprint(self) -> str:
        """`x5t#S256`: the digest in base64url, without padding."""
        return urlsafe_b64encode(self.digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Who may speak for a client's certificate, and in which header (lower case); nobody else is heard."""

    networks: Sequence[Network] = ()
    header: bytes = b"client-cert"

    def read_certificate(self, headers: Mapping[bytes, str], peer: str) -> ClientCertificate | None:
        """Returns the certificate of the client of this request, or None where no trusted proxy hands one over."""
        text = headers.get(self.header, "")
        if not text or len(text) > _LARGEST or not self._trusts(peer):
            return None
        return _parse_forwarded(text) if self.header == _XFCC else _parse_certificate(text)

    def find_client(self, headers: Mapping[bytes, str], peer: str) -> str:
        """Returns the address a request comes from: the last in X-Forwarded-For that is no proxy's, where one is read.

        What stands before it is whatever the client wrote. Text that is no address is not returned.
        """
        client = peer
        for text in reversed(headers.get(b"x-forwarded-for", "").split(",")):
            if not self._trusts(client):
                break
            try:
                client = str(ip_address(text.strip()))
            except ValueError:
                break
        return client

    def _trusts(self, peer: str) -> bool:
        if not self.networks:
            return False
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)


def parse_proxies(networks: str, header: str) -> TrustedProxies:
    """Returns the proxies of the settings: addresses and networks by space or comma. Raises SettingUnusable."""
    try:
        found = tuple(ip_network(text) for text in networks.replace(",", " ").split())
    except ValueError as fault:
        raise SettingUnusable(f"FHIR_DMP_TRUSTED_PROXIES takes addresses and networks: {fault}") from None
    if not _HEADER.fullmatch(header):
        raise SettingUnusable(f"FHIR_DMP_CLIENT_CERTIFICATE_HEADER takes the name of a header, not {header[:80]!r}")
    return TrustedProxies(found, header.lower().encode())


def is_bound_to(confirmation: object, certificate: ClientCertificate | None) -> bool:
    """Tells whether a token's `cnf` names this certificate; one that names anything else besides is not understood.

    The digest may also be the base64 of its hexadecimal text, as the transport guide of the ANS has it.
    """
    if not isinstance(confirmation, dict) or set(confirmation) != {"x5t#S256"} or certificate is None:
        return False
    digest = _parse_thumbprint(confirmation["x5t#S256"])
    return digest is not None and hmac.compare_digest(digest, certificate.digest)


def _parse_thumbprint(text: object) -> bytes | None:
    if not isinstance(text, str):
        return None
    try:
        data = b64decode(
            text.replace("-", "+").replace("_", "/").rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True
        )
        digest = data if len(data) == _DIGEST_BYTES else bytes.fromhex(data.decode("ascii"))
    except ValueError:
        return None
    return digest if len(digest) == _DIGEST_BYTES else None


def _parse_forwarded(text: str) -> ClientCertificate | None:
    """Envoy's header: elements by comma, the nearest proxy's last; each has pairs by semicolon."""
    element: dict[str, str] = {}
    place = 0
    while place < len(text):
        found = _XFCC_PAIR.match(text, place)
        if not found:
            return None
        element[found[1].lower()] = re.sub(r"\\(.)", r"\1", found[2].rstrip().strip('"'))
        place = found.end()
        if found[3] == "," and place < len(text):
            element = {}
    try:
        digest = bytes.fromhex(element.get("hash", ""))
    except ValueError:
        return None
    return ClientCertificate(digest, element.get("subject", "")) if len(digest) == _DIGEST_BYTES else None


def _parse_certificate(text: str) -> ClientCertificate | None:
    """A certificate as RFC 9440 writes it (`:base64:`), as percent-encoded PEM (nginx), or as base64 (HAProxy)."""
    text = unquote(text) if "%" in text else text
    try:
        if "BEGIN CERTIFICATE" in text:
            found = x509.load_pem_x509_certificate(text.encode("ascii"))
        else:
            found = x509.load_der_x509_certificate(
                b64decode(text.strip().removeprefix(":").removesuffix(":"), validate=True)
            )
        subject = found.subject.rfc4514_string()
    except (ValueError, binascii.Error):
        return None
    return ClientCertificate(sha256(found.public_bytes(Encoding.DER)).digest(), subject)
