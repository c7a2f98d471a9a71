"""The class of each type of document in the DMP: ASS_X16-CorrespondanceType-Classe-DMP, v20240223120000. Data."""

from __future__ import annotations

from fhir_dmp.search.sensitivity import LOINC

_NOS = "https://mos.esante.gouv.fr/NOS"
CLASS = f"{_NOS}/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument"
"""The system of classes, in DocumentReference.category."""
OWN_TYPE = f"{_NOS}/TRE_A05-TypeDocComplementaire/FHIR/TRE-A05-TypeDocComplementaire"
"""The system of the types that LOINC does not have."""

_TYPES = {
    "10": "11488-4 11490-0 11502-2 11505-5 11506-3 11526-1 15507-7 15508-5 28653-4 29274-8 34112-3 34749-2 34794-8 "
    "34874-8 34875-5 47420-5 51969-4 59283-2 60568-3 67851-6 70004-7 75482-0 75492-9 75496-0 77436-4 78513-9 78601-2 "
    "83981-1 85208-7 93024-8 96349-6 BIL_AUTO DOCPAT03 DOCPAT05 DOCPAT06",
    "11": "18761-7 34133-9 34842-5 56445-0 57057-2 57055-6 57075-4 60591-5 68599-0 68817-6 74207-2 78489-2 80820-4 "
    "83901-9 83836-7 88348-8 89235-6 DOCPAT01 DOCPAT08 SYNTH",
    "31": "18748-4 52040-3 DOCPAT04 IMG-KOS",
    "42": "55115-0 57828-6 57832-8 57833-6 61357-0 75468-9 DOCPAT02 PRESC-AAT PRESC-BIO PRESC-KINE PRESC-INF "
    "PRESC-PEDI PRESC-ORTHOPHO PRESC-ORTHOPTIE",
    "43": "60593-1 DISP_AUT",
    "44": "18776-5 77604-7 80771-9 80788-3 83869-8 PROT_ALD",
    "45": "80565-5",
    "52": "11369-6 87273-9 89601-9 96173-0 96874-3 CERT_DECL DOCPAT07",
    "60": "REMB",
    "90": "74465-6 EXPPAT_1 EXPPAT_2 EXPPAT_3",
    "95": "59284-0 86531-1 AUTORIS-SOINS ATTEST-RESID ATTEST-DROITS-AM ATTEST-ASS-COMPL ATTEST-HEBGT DOCPAT09",
}
_CLASSES = {code: name for name, codes in _TYPES.items() for code in codes.split()}


CLASSES = tuple(sorted(_TYPES))
"""The classes, by their codes."""


def class_of(system: str, code: str) -> str:
    """Returns the class of a type, "" where the DMP has no such type."""
    expected = LOINC if code[:1].isdigit() else OWN_TYPE
    return _CLASSES.get(code, "") if system == expected else ""
