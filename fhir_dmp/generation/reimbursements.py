"""ExplanationOfBenefits of the last 24 months, as the health insurance feeds them into the record."""

from __future__ import annotations

from datetime import date, timedelta

from fhir_dmp.generation.chance import happens
from fhir_dmp.generation.codes import concept, euros, hl7, own_identifier
from fhir_dmp.generation.documents import Filing, add_document
from fhir_dmp.generation.narrative import narrate
from fhir_dmp.generation.paris import add_months, write_day, write_instant
from fhir_dmp.generation.professionals import Professional
from fhir_dmp.generation.record import Record

_MONTHS = -24
_PHARMACY = hl7("claim-type", "pharmacy", "Pharmacy")
_INSTITUTIONAL = hl7("claim-type", "institutional", "Institutional")
_PROFESSIONAL = hl7("claim-type", "professional", "Professional")
_TYPES = {"pharmacy": _PHARMACY, "stay": _INSTITUTIONAL, "emergency": _INSTITUTIONAL}
_SUBMITTED = hl7("adjudication", "submitted", "Submitted Amount")
_BENEFIT = hl7("adjudication", "benefit", "Benefit Amount")
_DELAY = timedelta(days=4)


def add_reimbursement(record: Record, kind: str, day: date, provider: Professional, *, text: str = "") -> None:
    """Adds what the insurance paid for an act of a day, where that is within the 24 months."""
    if day < add_months(record.until, _MONTHS):
        return
    label, fee, share = record.tables.care["fees"][kind]
    name = text or label
    paid = fee if record.diseases else fee * share
    number = record.new_id()
    record.reimbursed.append(f"{name}, le {write_day(day)} : {_write_euros(paid)}")
    record.add("ExplanationOfBenefit", {
        "text": narrate(f"{name}, le {write_day(day)} : {_write_euros(paid)} remboursés sur {_write_euros(fee)}."),
        "identifier": [own_identifier("decompte", number)],
        "status": "active",
        "type": _TYPES.get(kind, _PROFESSIONAL),
        "use": "claim",
        "patient": record.subject,
        "billablePeriod": {"start": day.isoformat(), "end": day.isoformat()},
        "created": write_instant(min(day + _DELAY, record.until), 480),
        "insurer": record.payer.reference,
        "provider": provider.structure.reference,
        "outcome": "complete",
        "careTeam": [{"sequence": 1, "provider": provider.reference}],
        "insurance": [{"focal": True, "coverage": record.coverage}],
        "item": [{
            "sequence": 1,
            "productOrService": concept(text=name),
            "servicedDate": day.isoformat(),
            "quantity": {"value": 1},
            "net": euros(fee),
        }],
        "total": [
            {"category": _SUBMITTED, "amount": euros(fee)},
            {"category": _BENEFIT, "amount": euros(paid)},
        ],
    }, number)  # fmt: skip


def add_reimbursement_history(record: Record) -> None:
    """Adds the insurer's document that lists the acts of the 24 months, where it was fed."""
    if record.reimbursed and happens(record.chance, record.share("practice", "reimbursement_history")):
        title = "Historique des remboursements des 24 derniers mois"
        add_document(record, Filing("reimbursements", record.until, 480, title, record.reimbursed, is_insurers=True))


def _write_euros(amount: float) -> str:
    return f"{amount:.2f} €".replace(".", ",")
