"""What the OIDs of a CDA header are called in FHIR, and the formats that DMP and CI-SIS have for CDA. Data.

ASS_A11-CorresModeleCDA-XdsFormatCode-CISIS, v20260629120000; NOS tables of the ANS.
"""

from __future__ import annotations

from fhir_dmp.ins.matricule import SYSTEMS
from fhir_dmp.record.document_type import OWN_TYPE
from fhir_dmp.search.security import NATIONAL_ID
from fhir_dmp.search.sensitivity import CONFIDENTIALITY, ICD10, LOINC

_NOS = "https://mos.esante.gouv.fr/NOS"
URI = "urn:ietf:rfc:3986"
IHE_FORMAT = f"{_NOS}/TRE_A11-IheFormatCode/FHIR/TRE-A11-IheFormatCode"
CISIS_FORMAT = f"{_NOS}/TRE_A06-FormatCodeComplementaire/FHIR/TRE-A06-FormatCodeComplementaire"
SUFFICIENT = (
    "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
    "urn:ihe:iti:xds:2017:mimeTypeSufficient",
)
"""What a document of no known model has, as MHD says: its MIME type is all that there is to know."""
INS = frozenset(SYSTEMS)
PROFESSIONAL = NATIONAL_ID
STRUCTURE = "urn:oid:1.2.250.1.71.4.2.2"
FINESS = "https://finess.esante.gouv.fr"

_SYSTEMS = {
    "2.16.840.1.113883.6.1": LOINC,
    "1.2.250.1.213.1.1.4.12": OWN_TYPE,
    "2.16.840.1.113883.5.25": CONFIDENTIALITY,
    "2.16.840.1.113883.6.3": ICD10,
    "2.16.840.1.113883.6.96": "http://snomed.info/sct",
    "2.16.840.1.113883.5.4": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "2.16.840.1.113883.5.88": "http://terminology.hl7.org/CodeSystem/v3-ParticipationFunction",
    "1.2.250.1.213.2.5": "https://smt.esante.gouv.fr/terminologie-ccam",
    "1.2.250.1.213.1.1.4.5": f"{_NOS}/TRE_A02-ProfessionSavFaire-CISIS/FHIR/TRE-A02-ProfessionSavFaire-CISIS",
    "1.2.250.1.213.1.1.4.6": f"{_NOS}/TRE_A00-ProducteurDocNonPS/FHIR/TRE-A00-ProducteurDocNonPS",
    "1.2.250.1.213.1.1.4.9": f"{_NOS}/TRE_A01-CadreExercice/FHIR/TRE-A01-CadreExercice",
    "1.2.250.1.71.1.2.7": f"{_NOS}/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante",
    "1.2.250.1.71.4.2.4": f"{_NOS}/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite",
    "1.2.250.1.213.2.28": f"{_NOS}/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale",
}

_EMBEDDED = {
    "application/pdf": "urn:ihe:iti:xds-sd:pdf:2008",
    "text/plain": "urn:ihe:iti:xds-sd:text:2008",
    "image/jpeg": "urn:ihe:iti-fr:xds-sd:jpeg:2010",
    "image/tiff": "urn:ihe:iti-fr:xds-sd:tiff:2010",
    "text/rtf": "urn:ihe:iti-fr:xds-sd:rtf:2010",
    "application/rtf": "urn:ihe:iti-fr:xds-sd:rtf:2010",
}
"""The formats of documents whose body is not structured, by the MIME type of what is embedded."""

_MODEL, _IHE, _APSR = "1.2.250.1.213.1.1.1.", "urn:ihe:", "1.3.6.1.4.1.19376.1.8.1.1."
_CISIS_MODELS = {
    "5.1": "cse-cs8:2017", "5.2": "cse-cs9:2017", "5.3": "cse-cs24:2017", "8": "frcp:2011", "9": "idap:2011",
    "10": "cva:2017", "12.1": "obp-sap:2023", "12.2": "obp-snm:2023", "12.3": "obp-sne:2023", "12.4": "obp-scm:2023",
    "12.5": "obp-sem:2023", "13": "vsm:2012", "15": "aunv:2013", "16": "eunv:2013", "17": "sunv:2013",
    "18": "crrtn:2013", "2.1.1": "avk:2009", "2.1.2": "tap:2009", "2.1.3": "dci:2009", "2.1.4": "psc:2009",
    "2.1.5": "ppv:2009", "20": "pps-paerpa:2017", "21": "ldl-ees:2017", "22": "dlu:2015", "23": "fludt:2017",
    "24": "fludr:2017", "25": "pavc:2016", "26": "pps-cancer:2017", "27": "d2lm-fin:2017", "28": "d2lm-fidd:2017",
    "29": "ldl-ses:2017", "30": "sdm-mr:2017", "32": "crgm:2018", "36": "hr:2019", "37": "vac:2019",
    "38": "tlm-da:2020", "40": "cr-anest:2020", "41": "cr-cpa:2020", "46": "vac-note:2021", "48": "dlu-dlu-dom:2022",
    "49": "dlu-fludt-dom:2022", "50": "dlu-fludr-dom:2022", "56": "ppp:2023", "58": "export-dui:2023",
}  # fmt: skip
_ANS_MODELS = {
    f"{_MODEL}5.4": "cse-mde:2023", f"{_MODEL}47": "img-da:2022", f"{_MODEL}52": "bio-ep-bio:2022",
    "1.2.250.1.213.1.11.1.19.1": "mso-rougeole:2026", "1.2.250.1.213.1.11.1.19.2": "mso-dengue:2026",
    "1.2.250.1.213.1.11.1.19.3": "mso-chikungunya:2026", "1.2.250.1.213.1.11.1.19.4": "mso-zika:2026",
    "1.2.250.1.213.1.11.1.19.5": "mso-westnile:2026",
}  # fmt: skip
_IHE_MODELS = {
    f"{_MODEL}39": "pharm:pre:2010", f"{_MODEL}54": "pharm:dis:2010", f"{_MODEL}42": "eyecare:geneyeevalcn:2014",
    f"{_MODEL}43": "eyecare:geneyeevalcn:2014", f"{_MODEL}44": "eyecare:geneyeevalcn:2014",
    f"{_MODEL}45": "rad:CDA:ImagingReportStructuredHeadings:2013", f"{_MODEL}55": "lab:xd-lab:2008",
    f"{_MODEL}57": "palm:apsr:2016", f"{_MODEL}51": "pcc:ips:2020", "1.3.6.1.4.1.19376.1.3.3": "lab:xd-lab:2008",
    f"{_APSR}1": "pat:apsr:all:2010",
}  # fmt: skip
_ORGANS = (
    "breast", "colon", "prostate", "thyroid", "lung", "skin", "kidney", "cervix", "endometrium", "ovary", "esophagus",
    "stomach", "liver", "pancreas", "testis", "urinary_bladder", "lip_oral_cavity", "pharynx", "salivary_gland",
    "larynx",
)  # fmt: skip
_FORMATS = {
    **{f"{_MODEL}{model}": (CISIS_FORMAT, f"urn:asip:ci-sis:{name}") for model, name in _CISIS_MODELS.items()},
    **{model: (CISIS_FORMAT, f"urn:ans:ci-sis:{name}") for model, name in _ANS_MODELS.items()},
    **{model: (IHE_FORMAT, f"{_IHE}{name}") for model, name in _IHE_MODELS.items()},
    **{
        f"{_APSR}2.{number}": (IHE_FORMAT, f"{_IHE}pat:apsr:{organ}:2010")
        for number, organ in enumerate(_ORGANS, start=1)
    },
}


def system_of(oid: str) -> str:
    """Returns the URI of a code system, `urn:oid:` and its number where it has no other."""
    return _SYSTEMS.get(oid, f"urn:oid:{oid}")


def embedded_format(media_type: str) -> tuple[str, str] | None:
    """Returns system and code of the format of a level 1 document, None where nothing of that type may be embedded."""
    code = _EMBEDDED.get(media_type)
    return (IHE_FORMAT, code) if code else None


def structured_format(templates: list[str]) -> tuple[str, str]:
    """Returns system and code of the format of a level 3 document, out of the OIDs of the models that it follows."""
    return next((_FORMATS[oid] for oid in templates if oid in _FORMATS), SUFFICIENT)
