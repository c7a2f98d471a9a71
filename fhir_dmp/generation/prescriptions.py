"""What a consultation prescribes: MedicationRequests, what the pharmacy gives, the document of the prescription."""

from __future__ import annotations

from datetime import date, timedelta

from fhir_dmp.generation.chance import draw_one, happens
from fhir_dmp.generation.codes import HL7, UCUM, coding, concept, medicine, own_identifier
from fhir_dmp.generation.conditions import build_dosage
from fhir_dmp.generation.documents import Filing, add_document, is_deposited
from fhir_dmp.generation.narrative import narrate
from fhir_dmp.generation.paris import write_day, write_instant
from fhir_dmp.generation.record import Record
from fhir_dmp.generation.reimbursements import add_reimbursement
from fhir_dmp.json_text import JsonObject

_CONTINUOUS = {
    "courseOfTherapyType": concept(
        coding(f"{HL7}medicationrequest-course-of-therapy", "continuous", "Continuous long term therapy")
    )
}
_RENEWED = 0.15
_DAYS = {"value": 30, "unit": "jour", "system": UCUM, "code": "d"}
_SHORT = "5 jours"


def add_prescription(record: Record, time: tuple[date, int], encounter: JsonObject, reason: list[str] | None) -> None:
    """Adds what a consultation prescribes: something for its reason, or the usual treatments again."""
    lines = []
    if reason and reason[3]:
        product = {"atc": reason[3], "name": reason[4], "text": reason[5]}
        lines.append(_add_request(record, time, encounter, product, {}))
    for treatment in record.treatments if happens(record.chance, _RENEWED) else record.treatments[:1]:
        body = {
            **_CONTINUOUS,
            "reasonReference": [treatment["reason"]],
            "dosageInstruction": [build_dosage(treatment["product"])],
        }
        lines.append(_add_request(record, time, encounter, treatment["product"], body))
    if not lines:
        return
    day, minute = time
    if is_deposited(record, "prescription", day):
        title = f"Ordonnance du {write_day(day)}"
        filing = Filing("prescription", day, minute + 15, title, lines, record.physician, encounter)
        add_document(record, filing)


def _add_request(
    record: Record, time: tuple[date, int], encounter: JsonObject, product: JsonObject, body: JsonObject
) -> str:
    """Adds the request of a product, and perhaps what the pharmacy gave; returns its line in the prescription."""
    day = time[0]
    code = medicine(product["atc"], product["name"], product["text"])
    line = f"{product['text']} : {product.get('dosage', _SHORT)}"
    request = record.add("MedicationRequest", {
        "text": narrate(f"{line}, {record.physician.name}, le {write_day(day)}."),
        "status": "completed",
        "intent": "order",
        "medicationCodeableConcept": code,
        **record.of_patient(),
        "encounter": encounter,
        "authoredOn": write_instant(*time),
        "requester": record.physician.reference,
        **({"dosageInstruction": [{"text": _SHORT}]} | body),
    })  # fmt: skip
    if happens(record.chance, record.share("practice", "dispensed_box")):
        _add_dispense(record, min(day + timedelta(days=1), record.until), request, product)
    return line


def _add_dispense(record: Record, day: date, request: JsonObject, product: JsonObject) -> None:
    pharmacist = draw_one(record.chance, record.directory.staff["pharmacy"])
    code = medicine(product["atc"], product["name"], product["text"])
    dispense_id = record.new_id()
    record.add("MedicationDispense", {
        "text": narrate(f"{product['text']}, {pharmacist.structure.name}, le {write_day(day)}."),
        "identifier": [own_identifier("dispensation", dispense_id)],
        "status": "completed",
        "medicationCodeableConcept": code,
        **record.of_patient(),
        "performer": [{"actor": pharmacist.reference}, {"actor": pharmacist.structure.reference}],
        "authorizingPrescription": [request],
        "quantity": {"value": 1, "unit": "boîte"},
        "daysSupply": _DAYS,
        "whenHandedOver": write_instant(day, record.draw_minute()),
        "dosageInstruction": [{"text": product.get("dosage", _SHORT)}],
    }, dispense_id)  # fmt: skip
    add_reimbursement(record, "pharmacy", day, pharmacist, text=product["text"])
