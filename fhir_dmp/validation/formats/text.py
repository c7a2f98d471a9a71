"""string, markdown, code, id, the family of uri, and base64Binary.

https://hl7.org/fhir/R4/datatypes.html#primitive
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from functools import partial

from fhir_dmp.validation.formats.format import Format

MAX_STRING = 1024 * 1024
"""Characters in a string or markdown."""

_SPACES = " \t\r\n"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What FHIR does not allow, and the two code points beyond that XML cannot say."""
_WHITESPACE = re.compile(r"[\s\x00-\x1f]")
_UUID_TEXT = r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_OID_TEXT = r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+"
_UUID = re.compile(_UUID_TEXT)
_OID = re.compile(_OID_TEXT)
_UUID_URI = re.compile(rf"{_UUID_TEXT}(?:[#|?]\S*)?", re.IGNORECASE)
_OID_URI = re.compile(rf"{_OID_TEXT}(?:[#|?]\S*)?")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


def _explain_string(text: str) -> str:
    if not text.strip(_SPACES):
        return "it holds only whitespace"
    control = _CONTROL.search(text)
    if control:
        return f"it holds the control character U+{ord(control[0]):04X} at position {control.start()}"
    return f"it is longer than {MAX_STRING} characters" if len(text) > MAX_STRING else ""


def _explain_code(text: str) -> str:
    if text != text.strip():
        return "a code has no whitespace at its ends"
    if _WHITESPACE.search(text.replace("  ", "\t").replace(" ", "")):
        return "a code has no whitespace but single spaces between words"
    return ""


def _explain_uri(text: str) -> str:
    space = _WHITESPACE.search(text)
    if space:
        return f"it holds whitespace at position {space.start()}"
    if text.startswith("urn:uuid:"):
        return _explain_pattern(_UUID_URI, "a UUID has 8, 4, 4, 4 and 12 hexadecimal digits with '-' between", text)
    if text.startswith("urn:oid:"):
        return _explain_pattern(_OID_URI, "an OID has numbers with dots between, as in urn:oid:1.2.250", text)
    return ""


def _explain_pattern(pattern: re.Pattern[str], expected: str, text: str) -> str:
    return "" if pattern.fullmatch(text) else expected


def _is_base64(text: str) -> bool:
    """Tells whether the text decodes; only decoding it lets nothing slip through. Lines may be broken anywhere."""
    try:
        return bool(a2b_base64("".join(text.split()) if text.isascii() else text, strict_mode=True))
    except ValueError:
        return False


def _explain_base64(text: str) -> str:
    return "" if _is_base64(text) else "the data do not decode as base64"


_SURELY_STRING = re.compile(r"[^\x00-\x20\ufffe\uffff][^\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]{0,65535}").fullmatch
_SURELY_URI = re.compile(rf"(?!urn:[uo])[!-~]+|{_UUID_TEXT}|{_OID_TEXT}").fullmatch
_EXPECTED_ID = "an id is 1 to 64 letters (A-Z, a-z), digits, '-' and '.'"

TEXT_FORMATS = (
    Format("string", "a string", _SURELY_STRING, _explain_string),
    Format("markdown", "a markdown", _SURELY_STRING, _explain_string),
    Format("code", "a code", re.compile(r"[!-~]+(?: [!-~]+)*").fullmatch, _explain_code),
    Format("id", "an id", _ID.fullmatch, partial(_explain_pattern, _ID, _EXPECTED_ID)),
    Format("uri", "a uri", _SURELY_URI, _explain_uri),
    Format("url", "a url", _SURELY_URI, _explain_uri),
    Format("canonical", "a canonical", _SURELY_URI, _explain_uri),
    Format(
        "oid",
        "an oid",
        _OID.fullmatch,
        partial(_explain_pattern, _OID, "expected urn:oid: and numbers with dots between"),
    ),
    Format(
        "uuid", "a uuid", _UUID.fullmatch, partial(_explain_pattern, _UUID, "expected urn:uuid: and a lower-case UUID")
    ),
    Format("base64Binary", "a base64Binary", _is_base64, _explain_base64),
)
ELEMENT_ID = Format("string", "an element's id", re.compile(r"[!-~]+").fullmatch, _explain_uri)
"""The id of an element, unlike a resource's, is any string without spaces."""
