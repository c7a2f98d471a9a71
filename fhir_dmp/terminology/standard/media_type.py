"""Media types, BCP 13: the grammar of RFC 6838 §4.2 and of the parameters in RFC 2045 §5.1.

The value of a parameter is taken unquoted whatever characters it has: FHIR's own signatures name a canonicalization by
its url, without quotes, and HL7's terminology server looks at nothing behind the subtype.

https://hl7.org/fhir/R4/valueset-mimetypes.html, https://www.rfc-editor.org/info/bcp13
"""

from __future__ import annotations

import re

from fhir_dmp.terminology.codes import Rule
from fhir_dmp.terminology.membership import YES, Membership, refused, unknown
from fhir_dmp.terminology.standard.standard import Standard, remember

_NAME = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"
_TOKEN = r"[a-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 # a token of the grammar, no password
_VALUE = r'(?:[^\s;"]+|"[^"\\]*")'
_PARAMETER = rf"\s*;\s*{_TOKEN}={_VALUE}"
_MEDIA_TYPE = re.compile(rf"({_NAME})/{_NAME}(?:{_PARAMETER})*")
_REGISTERED = {
    "application", "audio", "example", "font", "haptics", "image", "message", "model", "multipart", "text", "video",
}  # fmt: skip
_UNREGISTERED = unknown("standard-open", "IANA has no such top-level media type")
_FORMAT = unknown("standard-open", "it is FHIR's short name of a format, good in CapabilityStatement.format only")
_ENDLESS = unknown("standard-endless", "media types are a grammar (BCP 13), not a list")
_MAX_LENGTH = 1000


def _decide(code: str) -> Membership:
    if code in {"json", "xml", "ttl"}:
        return _FORMAT
    match = _MEDIA_TYPE.fullmatch(code) if len(code) <= _MAX_LENGTH else None
    if match is None:
        return refused("it is not type/subtype (BCP 13)")
    return YES if match[1] in _REGISTERED or match[1].startswith("x-") else _UNREGISTERED


MEDIA_TYPE = Standard("urn:ietf:bcp:13", rest=Rule(remember(_decide), _ENDLESS), folded=True)
