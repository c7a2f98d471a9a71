"""How far an identity can be relied on: fr-core-identity-reliability of a Patient, and what may follow what.

Référentiel national d'identitovigilance: an identity is provisional until a document proves it, and qualified (VALI)
once the INSi answered for it too; only then its matricule INS travels.
"""

from __future__ import annotations

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.record.fr_core import RELIABILITY, STATUS, rows, text, values

PROVISIONAL = "PROV"
QUALIFIED = "VALI"
DOUBTFUL = frozenset({"DOUB", "DOUT", "DPOT", "COLP", "COLV", "ANOM", "IDVER", "IDRA", "USUR", "HOMD", "DOUA"})
"""Doubles, collisions, thefts and anomalies: who it is has to be found out first."""
FICTITIOUS = frozenset({"FICT", "CACH", "DESA", "INVA"})
"""Identities that are nobody's, hidden or no longer in use: no record is opened for them."""


def identity_status(patient: JsonObject) -> str:
    """Returns the code of fr-core-cs-v2-0445 that the Patient states; "" where he states none."""
    for found in _parts(patient, "identityStatus"):
        if text(found, "system") in {STATUS, ""}:
            return text(found, "code")
    return ""


def is_qualified(patient: JsonObject) -> bool:
    """Tells whether the Patient's identity is stated to be qualified."""
    return identity_status(patient) == QUALIFIED


def validation_mode(patient: JsonObject) -> str:
    """Returns the code of the document that proved the identity; "" where none is stated."""
    return next((text(found, "code") for found in _parts(patient, "validationMode")), "")


def _parts(patient: JsonObject, name: str) -> list[Json]:
    """The values of one part of the reliability, wherever it stands."""
    stated = [row for _, row in rows(patient.get("extension")) if row.get("url") == RELIABILITY]
    return [value for row in stated for value in values(row, name)]
