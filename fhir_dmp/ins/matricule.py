"""The matricule INS: 13 characters (those of the NIR) and a key of two digits.

Référentiel INS, https://esante.gouv.fr/produits-services/referentiel-ins: sex, year, month, department and commune of
birth, order. A number is told by the OID it stands under: INS-NIR, INS-NIA (waiting for a NIR), of tests, of
demonstrations.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NIR = "urn:oid:1.2.250.1.213.1.4.8"
NIA = "urn:oid:1.2.250.1.213.1.4.9"
TEST = "urn:oid:1.2.250.1.213.1.4.10"
DEMO = "urn:oid:1.2.250.1.213.1.4.11"
SYSTEMS = (NIR, NIA, TEST, DEMO)
"""Where a matricule INS stands: the codes of its identifier's type are INS-NIR, INS-NIA, INS-NIR-TEST, INS-NIR-DEMO."""

_FORM = re.compile(r"([1-8])(\d\d)(\d\d)(?:\d\d|2[AB])\d{6}(\d\d)", re.ASCII)
_CORSICA = (("2A", "19"), ("2B", "18"))
_SEXES = {"1": "male", "2": "female", "7": "male", "8": "female"}
_DECEMBER = 12


@dataclass(frozen=True, slots=True)
class Matricule:
    """A matricule of right form: `number` has 13 characters, `key` two digits that may be wrong.

    `sex` is a code of administrative-gender, empty where the number does not say it (temporary numbers). `month` is 0
    where it is not one of the calendar: of someone whose month of birth is not known.
    """

    number: str
    key: str
    sex: str
    year: int
    month: int

    @property
    def is_right(self) -> bool:
        """Tells whether the key is that of the number."""
        return self.key == matricule_key(self.number)


def parse_matricule(text: str) -> Matricule | None:
    """Returns the parts of a matricule of 15 characters, None where it has not the form of one."""
    found = _FORM.fullmatch(text) if text.isascii() else None
    if found is None:
        return None
    sex, year, month, key = found.groups()
    number = int(month)
    return Matricule(text[:13], key, _SEXES.get(sex, ""), int(year), number if number <= _DECEMBER else 0)


def matricule_key(number: str) -> str:
    """Returns the key of 13 characters of a NIR; Corsica counts as 19 (2A) and 18 (2B)."""
    for letters, digits in _CORSICA:
        number = number.replace(letters, digits)
    return f"{97 - int(number) % 97:02d}"
