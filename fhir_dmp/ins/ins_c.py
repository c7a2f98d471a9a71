"""INS-C, the computed national health identifier of 2010: 22 digits out of a given name, a birth date and a NIR.

ASIP Santé, INS-C 1.0 (2009); retired, and found in records of that time. The given name in capitals A-Z, ten
characters, the birth date YYMMDD and the 13 characters of the NIR are hashed (SHA-256); the first 64 bits as 20 digits
and their key of two make the number.
"""

from __future__ import annotations

import unicodedata
from datetime import date
from hashlib import sha256

INS_C = "urn:oid:1.2.250.1.213.1.4.2"
_LETTERS = 10
_BYTES = 8
_DIGITS = 22
_JOINED = str.maketrans({"œ": "OE", "Œ": "OE", "æ": "AE", "Æ": "AE"})


def compute_ins_c(given: str, birth: date, number: str) -> str:
    """Returns the 22 digits. `given` is the first given name as written, `number` the 13 characters of the NIR."""
    named = normalise_given(given)[:_LETTERS].ljust(_LETTERS)
    digest = sha256(f"{named}{birth:%y%m%d}{number}".encode("ascii")).digest()
    digits = int.from_bytes(digest[:_BYTES])
    return f"{digits:020d}{97 - digits % 97:02d}"


def is_ins_c(text: str) -> bool:
    """Tells whether a text is 22 digits whose key is right."""
    if not (text.isascii() and text.isdigit() and len(text) == _DIGITS):
        return False
    return text[-2:] == f"{97 - int(text[:-2]) % 97:02d}"


def normalise_given(given: str) -> str:
    """Returns the letters A-Z of a given name, in capitals, accents taken off."""
    plain = unicodedata.normalize("NFKD", given.translate(_JOINED)).upper()
    return "".join(letter for letter in plain if "A" <= letter <= "Z")
