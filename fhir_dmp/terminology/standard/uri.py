"""URIs as codes, RFC 3986: https://www.rfc-editor.org/rfc/rfc3986, https://hl7.org/fhir/R4/terminologies-systems.html."""

from __future__ import annotations

import re

from fhir_dmp.terminology.codes import Rule
from fhir_dmp.terminology.membership import YES, Membership, refused, unknown
from fhir_dmp.terminology.standard.standard import Standard

_ABSOLUTE = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=|-]|%[0-9A-Fa-f]{2}|[^\x00-\x7f])+"
)
_OID = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9]\d*))+", re.ASCII)
_UUID = re.compile(r"urn:uuid:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_STRICT = {"urn:oid:": _OID, "urn:uuid:": _UUID}
_ENDLESS = unknown("standard-endless", "URIs are a grammar (RFC 3986), not a list")


def _decide(code: str) -> Membership:
    grammar = next((strict for prefix, strict in _STRICT.items() if code.startswith(prefix)), _ABSOLUTE)
    return YES if grammar.fullmatch(code) else refused("it is no absolute URI (RFC 3986)")


URI = Standard("urn:ietf:rfc:3986", rest=Rule(_decide, _ENDLESS))
