"""What a patient's own document may be: the types of the DMP that are for patients (JDV_J66). Pure.

Class 90, expression personnelle: EXPPAT_1 wishes and rights (organ donation among them, L1232-1), EXPPAT_2 other
documents, EXPPAT_3 advance directives (L1111-11), 74465-6 a questionnaire; and DOCPAT01 to DOCPAT09, what the patient
has of others. A type that is a professional's would make the patient's word look like a professional's.
"""

from __future__ import annotations

from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Issue
from fhir_dmp.record.document_type import class_of

PATIENTS = frozenset({"74465-6", "EXPPAT_1", "EXPPAT_2", "EXPPAT_3", *(f"DOCPAT0{number}" for number in range(1, 10))})


def find_foreign_types(document: JsonObject, previous: JsonObject | None) -> list[Issue]:
    """Returns the types of a patient's document that are a professional's; none that it had before."""
    known = {_pair(row) for row in _types(previous or {})}
    return [
        Issue("error", "document-type", _MESSAGE, f"DocumentReference.type.coding[{index}]", "code-invalid")
        for index, row in enumerate(_types(document))
        if _pair(row) not in known and class_of(*_pair(row)) and row.get("code") not in PATIENTS
    ]


_MESSAGE = (
    "The type is of what professionals write; for patients there are EXPPAT_1 to EXPPAT_3 and DOCPAT01 to DOCPAT09."
)


def _types(document: JsonObject) -> list[JsonObject]:
    return list(document.get("type", {}).get("coding", ()))


def _pair(coding: JsonObject) -> tuple[str, str]:
    return coding.get("system", ""), coding.get("code", "")
