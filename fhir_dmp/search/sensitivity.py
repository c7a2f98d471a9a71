"""Security labels as they are compared: one spelling per system, the order of confidentiality, what implies what. Data.

http://terminology.hl7.org/CodeSystem/v3-Confidentiality, /v3-ActCode (_InformationSensitivityPolicy), TRE_A07.
"""

from __future__ import annotations

from collections.abc import Iterator

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
VISIBILITY = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
ICD10 = "https://smt.esante.gouv.fr/terminologie-cim-10"
LOINC = "http://loinc.org"

MASKED = "MASQUE_PS"
HIDDEN_FROM_PATIENT = "INVISIBLE_PATIENT"
HIDDEN_FROM_REPRESENTATIVES = "INVISIBLE_REPRESENTANTS_LEGAUX"
MASKED_SOCIAL = "MASQUE_PSOCIAL"
MASKED_THIRD = "MASQUE_PT"

RANKS = ("U", "L", "M", "N", "R", "V")
"""Confidentiality from least to most; the code system itself is a flat list."""
NORMAL, RESTRICTED, HIGHEST = RANKS.index("N"), RANKS.index("R"), RANKS.index("V")

_ALIASES = {
    "http://hl7.org/fhir/v3/Confidentiality": CONFIDENTIALITY,
    "urn:oid:2.16.840.1.113883.5.25": CONFIDENTIALITY,
    "http://hl7.org/fhir/v3/ActCode": ACT_CODE,
    "urn:oid:2.16.840.1.113883.5.4": ACT_CODE,
}
_VISIBILITY_CODES = {
    MASKED: MASKED,
    HIDDEN_FROM_PATIENT: HIDDEN_FROM_PATIENT,
    HIDDEN_FROM_REPRESENTATIVES: HIDDEN_FROM_REPRESENTATIVES,
    "INVISIBLE_REP_LEGAUX": HIDDEN_FROM_REPRESENTATIVES,
    "CONNEXION_SECRETE": HIDDEN_FROM_REPRESENTATIVES,
    MASKED_SOCIAL: MASKED_SOCIAL,
    MASKED_THIRD: MASKED_THIRD,
}
_BROADER = {
    "BH": "SPI", "MH": "SPI", "PSY": "SPI", "PSYTHPN": "SPI", "SUD": "SPI", "COGN": "BH", "DVD": "BH",
    "EMOTDIS": "BH", "ETHUD": "SUD", "OPIOIDUD": "SUD", "ETH": "", "GDIS": "", "HIV": "", "SDV": "", "SEX": "",
    "STD": "", "VIO": "",
}  # fmt: skip
"""The code next above each sensitivity, as v3-ActCode of R4 nests them."""
_DOCUMENT_LABELS = {"68599-0": "PSY", "83901-9": "PSY", "51969-4": "GDIS"}
_ICD10_LABELS = (
    *((f"B2{digit}", "HIV") for digit in range(5)), ("F10", "ETHUD"), ("F11", "OPIOIDUD"), ("F1", "SUD"),
    ("A5", "STD"), ("A60", "STD"), ("A63", "STD"), ("A64", "STD"), ("F", "MH"),
)  # fmt: skip
"""Beginnings of CIM-10 codes that make an item sensitive; the first that fits."""


def read_label(system: str, code: str) -> tuple[str, str]:
    """Returns a label in the spelling that is compared. A visibility code counts in whatever system it is written."""
    visibility = _VISIBILITY_CODES.get(code.upper())
    return (VISIBILITY, visibility) if visibility else (_ALIASES.get(system, system), code)


def rank_of(code: str) -> int:
    """Returns the place of a confidentiality code in the order; of an unknown one the highest."""
    return RANKS.index(code.upper()) if code.upper() in RANKS else HIGHEST


def broader(system: str, code: str) -> Iterator[str]:
    """Yields a code and those above it."""
    while code:
        yield code
        code = _BROADER.get(code, "") if system == ACT_CODE else ""


def computed_label(system: str, code: str) -> str:
    """Returns the sensitivity (of v3-ActCode) that a clinical code alone gives an item, "" where none."""
    if system == LOINC:
        return _DOCUMENT_LABELS.get(code, "")
    if system == ICD10:
        return next((label for start, label in _ICD10_LABELS if code.startswith(start)), "")
    return ""
