"""What stands around the care: the opening of the record, episodes of care, family history, devices."""

from __future__ import annotations

from fhir_dmp.generation.chance import draw_one, happens
from fhir_dmp.generation.codes import CIM10, coding, concept, hl7, own_identifier
from fhir_dmp.generation.links import refer
from fhir_dmp.generation.narrative import narrate
from fhir_dmp.generation.paris import write_instant
from fhir_dmp.generation.record import Record

_CREATE = hl7("v3-DataOperation", "CREATE", "create")
_AUTHOR = hl7("provenance-participant-type", "author", "Author")
_ENTERER = hl7("provenance-participant-type", "enterer", "Enterer")
_PARENTS = [("MTH", "mother", "Mère"), ("FTH", "father", "Père")]
_METER = "Lecteur de glycémie capillaire"
_DIABETES = "E11"


def add_opening(record: Record) -> None:
    """Adds who opened the record: its holder or a guardian, with the physician who entered it."""
    holder = record.guardians[0] if record.guardians else record.subject
    day = max(record.start, record.person.birth)
    record.add("Provenance", {
        "text": narrate(f"Ouverture du dossier : {record.person.name}, avec {record.physician.name}."),
        "target": [refer(record.links, "Patient", record.patient_id)],
        "recorded": write_instant(day, record.draw_minute()),
        "activity": _CREATE,
        "agent": [
            {"type": _AUTHOR, "who": holder},
            {"type": _ENTERER, "who": record.physician.reference,
             "onBehalfOf": record.physician.structure.reference},
        ],
    })  # fmt: skip


def add_episode(record: Record) -> None:
    """Adds the episode in which the physician follows the first chronic condition, of some who have one."""
    if not record.diseases or not happens(record.chance, record.share("practice", "episode")):
        return
    disease = record.diseases[0]
    record.add("EpisodeOfCare", {
        "text": narrate(f"Suivi : {disease.row['text']}, {record.physician.name}."),
        "identifier": [own_identifier("episode", record.patient_id)],
        "status": "active",
        "type": [{"text": "Suivi d'une maladie chronique"}],
        "diagnosis": [{"condition": disease.reference}],
        "patient": record.subject,
        "managingOrganization": record.physician.structure.reference,
        "period": {"start": max(disease.onset, record.start).isoformat()},
        "careManager": record.physician.reference,
    })  # fmt: skip


def add_family_history(record: Record) -> None:
    """Adds what a parent has, of some."""
    if not happens(record.chance, record.share("practice", "family_history")):
        return
    code, display, text = draw_one(record.chance, _PARENTS)
    illness = draw_one(record.chance, record.tables.medicine["chronic"])
    record.add("FamilyMemberHistory", {
        "text": narrate(f"{text} : {illness['text']}."),
        "status": "completed",
        "patient": record.subject,
        "date": record.draw_day().isoformat(),
        "relationship": {**hl7("v3-RoleCode", code, display), "text": text},
        "condition": [{"code": concept(coding(CIM10, illness["code"]), text=illness["text"])}],
    })  # fmt: skip


def add_device(record: Record) -> None:
    """Adds the blood glucose meter that some diabetics have from the pharmacy."""
    is_diabetic = any(disease.row["code"] == _DIABETES for disease in record.diseases)
    if not is_diabetic or not happens(record.chance, record.share("practice", "device")):
        return
    serial = f"LG-{record.new_id()[:8]}"
    record.add("Device", {
        "text": narrate(f"{_METER} n° {serial}."),
        "identifier": [own_identifier("dispositif", serial)],
        "status": "active",
        "manufacturer": "Fabricant de démonstration",
        "serialNumber": serial,
        "deviceName": [{"name": _METER, "type": "user-friendly-name"}],
        "type": {"text": _METER},
        "patient": record.subject,
        "owner": record.directory.staff["pharmacy"][0].structure.reference,
    })  # fmt: skip
