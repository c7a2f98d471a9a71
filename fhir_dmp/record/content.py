"""Is a content what it is said to be, and is its name one: hostile files do not get into a record. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import puremagic

HEAD = 8192
"""Bytes of a content that tell what it is."""
_ACTIVE = frozenset({
    "text/html", "application/xhtml+xml", "image/svg+xml", "text/javascript", "application/javascript",
    "application/ecmascript", "application/x-msdownload", "application/x-msdos-program", "application/x-dosexec",
    "application/vnd.microsoft.portable-executable", "application/x-executable", "application/x-elf",
    "application/x-sh", "application/x-shellscript", "application/x-httpd-php", "application/java-archive",
    "application/hta", "application/x-bat",
})  # fmt: skip
"""Types of what would run where somebody opens it."""
_EXECUTABLE = (
    b"MZ",
    b"\x7fELF",
    b"#!",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
)
_SIGNED = {
    "application/pdf": "application/pdf", "image/jpeg": "image/jpeg", "image/jpg": "image/jpeg",
    "image/png": "image/png", "image/gif": "image/gif", "image/tiff": "image/tiff",
    "application/dicom": "application/dicom", "application/rtf": "application/rtf", "text/rtf": "application/rtf",
}  # fmt: skip
"""Types that a content begins with the signature of, and how puremagic names each."""
_JSON_STARTS = frozenset(b'{ [ " - 0 1 2 3 4 5 6 7 8 9 t f n'.split())
_CONTROLS = frozenset(range(32)) - {9, 10, 12, 13, 27}
"""Bytes that no text has; 27 begins the escapes of HL7 v2 and ISO 2022."""
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")
_PROGRAM = re.compile(
    r"\.(exe|com|bat|cmd|scr|pif|msi|dll|js|jse|vbs|vbe|wsf|hta|ps1|jar|sh|lnk|html?|svg|php)\s*$", re.IGNORECASE
)
_ESCAPES = re.compile(r"\.\.[/\\]|^[A-Za-z]:\\|^[/\\]{1,2}\w")
_UNSAFE = re.compile(r"(data|javascript|vbscript|file):", re.IGNORECASE)
"""URLs that are a content or a program themselves, or lead into the machine of whoever opens them."""
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
_JOINERS = frozenset({"\u200c", "\u200d", "\u00ad"})
"""Of the invisible characters those that writing needs."""


def explain_type(declared: str, head: bytes) -> str:
    """Returns what is wrong with a content of a declared MIME type, "" where nothing is; `head` are its first bytes."""
    name = declared.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(name):
        return f"{declared[:64]!r} is no MIME type."
    if name in _ACTIVE:
        return f"A content of the type {name} would run where it is opened: none is taken."
    if head.startswith(_EXECUTABLE) and (head.startswith(b"#!") or not _is_text(head)):
        return f"The content is a program, not of the type {name}."
    if name in _SIGNED:
        return "" if _SIGNED[name] in _guess(head) else f"The content is not of the type {name}."
    return "" if not _is_textual(name) or _fits(name, head) else f"The content is no text, as {name} says."


def explain_name(name: str) -> str:
    """Returns what is wrong with the name or title of a file, "" where nothing is."""
    if any(unicodedata.category(sign) in _INVISIBLE and sign not in _JOINERS for sign in name):
        return "The name has control characters, or such as hide how it ends."
    if _ESCAPES.search(name):
        return "The name is a path: it would lead out of the folder in which it is saved."
    if _PROGRAM.search(name):
        return "The name is that of a program."
    return ""


def explain_url(url: str) -> str:
    """Returns what is wrong with the URL of a content, "" where nothing is."""
    if not (found := _UNSAFE.match(url)):
        return ""
    return f"A content is in data, in a Binary or at an address: no URL of the scheme {found[1].lower()} is taken."


def _guess(head: bytes) -> frozenset[str]:
    return frozenset(_candidates(head[:HEAD]))


def _candidates(head: bytes) -> Iterator[str]:
    try:
        yield from (found.mime_type for found in puremagic.magic_string(head))
    except (puremagic.PureError, ValueError):
        return


def _is_textual(name: str) -> bool:
    return name.startswith("text/") or name.endswith(("+xml", "+json", "/xml", "/json"))


def _fits(name: str, head: bytes) -> bool:
    """A text; XML and JSON begin as such."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if name.endswith(("+xml", "/xml")):
        return start == b"<" or head[:2] in {b"\xff\xfe", b"\xfe\xff"}
    if name.endswith(("+json", "/json")):
        return start in _JSON_STARTS and _is_text(head)
    return _is_text(head)


def _is_text(head: bytes) -> bool:
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return True
    return _CONTROLS.isdisjoint(head[:HEAD])
