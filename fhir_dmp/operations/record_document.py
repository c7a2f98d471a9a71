"""A document made of a patient's record: a Composition, what it refers to, and this server as its author.

https://hl7.org/fhir/R4/documents.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from fhir_dmp.instant import write_instant
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.bundles import build_entry
from fhir_dmp.resource import Version

LOINC = "http://loinc.org"
_COMPOSITION, _DEVICE = "Composition", "Device"
_NAME = "fhir-dmp"


@dataclass(frozen=True, slots=True)
class RecordDocument:
    """A document in the making: `base` is the URL under which resources are, `patient` that of the patient."""

    base: str
    patient: str
    now: str

    def url(self, name: str) -> str:
        """Returns the fullUrl of what the document alone has: the same for the same patient and time."""
        return f"urn:uuid:{uuid5(NAMESPACE_URL, f'{self.patient}#{self.now}#{name}')}"

    def build_composition(self, code: str, display: str, title: str) -> JsonObject:
        """Builds the Composition without its sections; `code` is that of LOINC."""
        return {
            "resourceType": _COMPOSITION,
            "language": "fr",
            "status": "final",
            "type": {"coding": [{"system": LOINC, "code": code, "display": display}]},
            "subject": {"reference": self.patient},
            "date": self.now,
            "author": [{"reference": self.url(_DEVICE), "display": _NAME}],
            "title": title,
        }

    def build_bundle(
        self, number: str, composition: JsonObject, told: Sequence[Version], others: Mapping[str, JsonObject],
        profiles: Sequence[str] = (),
    ) -> JsonObject:  # fmt: skip
        """Builds the document: `told` are stored, `others` it alone has, by the names of their URLs."""
        device = {"resourceType": _DEVICE, "deviceName": [{"name": _NAME, "type": "user-friendly-name"}]}
        own: list[JsonObject] = [
            {"fullUrl": self.url(name), "resource": resource}
            for name, resource in {_COMPOSITION: composition, _DEVICE: device, **others}.items()
        ]
        return {
            "resourceType": "Bundle",
            **({"meta": {"profile": list(profiles)}} if profiles else {}),
            "identifier": {"system": f"{self.base}/Bundle", "value": number},
            "type": "document",
            "timestamp": self.now,
            "entry": [own[0], *(build_entry(self.base, version) for version in told), *own[1:]],
        }


def begin_document(context: Context, request: Request) -> RecordDocument:
    """Returns the document of the Patient that the URL names, as of now."""
    patient = f"{context.base_url}/{request.identity}"
    return RecordDocument(context.base_url, patient, write_instant(context.now()))
