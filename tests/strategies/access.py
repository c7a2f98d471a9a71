"""A small world for access: one patient's record, the professionals around it, and how a case is put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from fhir_dmp.access.closure import build_closure
from fhir_dmp.access.consent import Reading
from fhir_dmp.access.inquiry import Inquiry
from fhir_dmp.access.matrix import Matrix, parse_matrix
from fhir_dmp.access.record import RecordState, build_record
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.access.scopes import parse_scopes
from fhir_dmp.loader import load_capability, load_habilitation, load_registry
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.index import Indexer
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import Clause, Handling
from fhir_dmp.search.sensitivity import ACT_CODE, CONFIDENTIALITY, VISIBILITY
from fhir_dmp.search.space import SearchSpace

Json = Any

BASE_URL = "https://dmp.example/fhir"
ZONE = ZoneInfo("Europe/Paris")
READING = Reading(BASE_URL, ZONE)
NOW = 1_717_236_000_000
"""2024-06-01T10:00:00Z: noon in Paris."""
RPPS, FINESS = "https://rpps.esante.gouv.fr", "https://finess.esante.gouv.fr"
TYPES = "https://mos.esante.gouv.fr/NOS/TRE_A05-TypeDocComplementaire/FHIR/TRE-A05-TypeDocComplementaire"
V3 = "http://terminology.hl7.org/CodeSystem/"
SYSTEMS = {
    "conf": CONFIDENTIALITY,
    "act": ACT_CODE,
    "vis": VISIBILITY,
    "mode": "https://mos.esante.gouv.fr/NOS/TRE_R248_ModeAcces/FHIR/TRE-R248-ModeAcces",
}
EXPOSED = load_capability().types
SPACE = SearchSpace(
    load_registry(),
    {name: list(load_registry().search_parameters(name)) for name in EXPOSED},
    base_url=BASE_URL,
    zone=ZONE,
)
INDEXER = Indexer(SPACE)
MATRIX: Matrix = parse_matrix(load_habilitation())

PERSONS = {
    "martin": "01", "admin": "02", "auteur": "03", "petit": "04", "site": "05", "equipier": "06", "parti": "07",
    "groupiste": "08", "regulateur": "15", "psychologue": "93",
}  # fmt: skip


def practitioner(name: str, number: str) -> Json:
    return {"resourceType": "Practitioner", "id": name, "identifier": [{"system": RPPS, "value": number}]}


def reference(text: str) -> Json:
    return {"reference": text}


def numbered(system: str, number: str) -> Json:
    return {"system": system, "value": number}


DIRECTORY: list[Json] = [
    *(practitioner(name, f"100000000{end}") for name, end in PERSONS.items()),
    {"resourceType": "Organization", "id": "chu", "identifier": [{"system": FINESS, "value": "750000001"}]},
    {
        "resourceType": "Organization",
        "id": "site",
        "identifier": [{"system": FINESS, "value": "750000002"}],
        "partOf": reference("Organization/chu"),
    },
    {"resourceType": "Organization", "id": "ville", "identifier": [{"system": FINESS, "value": "750000009"}]},
    {
        "resourceType": "PractitionerRole",
        "id": "site-role",
        "practitioner": reference("Practitioner/site"),
        "organization": reference("Organization/site"),
    },
    {
        "resourceType": "CareTeam",
        "id": "equipe",
        "status": "active",
        "participant": [
            {"member": reference("Practitioner/equipier")},
            {"member": reference("Practitioner/parti"), "period": {"end": "2024-01-31"}},
            {"member": reference("PractitionerRole/site-role")},
        ],
    },
    {
        "resourceType": "Group",
        "id": "groupe",
        "actual": True,
        "member": [{"entity": reference("Practitioner/groupiste")}],
    },
    # who is named by number alone, and a role whose time is over
    *(
        {
            "resourceType": "PractitionerRole", "id": name,
            "practitioner": {"identifier": numbered(RPPS, "10000000004")},
            "organization": {"identifier": numbered(FINESS, "750000009")}, **period,
        }
        for name, period in (("petit-role", {}), ("petit-ancien", {"period": {"end": "2024-05-31"}}))
    ),
    {
        "resourceType": "CareTeam", "id": "numeros", "status": "active",
        "participant": [{"member": {"identifier": numbered(RPPS, "10000000004")}}],
    },
    {
        "resourceType": "CareTeam", "id": "anciens", "status": "active",
        "participant": [{"member": reference("PractitionerRole/petit-ancien")}],
    },
    {
        "resourceType": "Group", "id": "numeros", "actual": True,
        "member": [{"entity": {"identifier": numbered(FINESS, "750000002")}}],
    },
]  # fmt: skip


def patient(*, is_closed: bool = False, is_child: bool = False, is_protected: bool = False) -> Json:
    ours = "https://fhir-dmp.fr/StructureDefinition"
    extensions: list[Json] = [{"url": f"{ours}/dmp-administrator", "valueReference": reference("Practitioner/admin")}]
    if is_protected:
        extensions.append({"url": f"{ours}/dmp-protected-adult", "valueBoolean": True})
    return {
        "resourceType": "Patient",
        "id": "p",
        "active": not is_closed,
        "birthDate": "2012-06-02" if is_child else "1970-01-01",
        "generalPractitioner": [reference("Practitioner/martin"), reference("Organization/chu")],
        "extension": extensions,
    }


def requester(row: Mapping[str, Json]) -> Requester:
    minutes = row.get("issued")
    return Requester(
        kind=Kind(row.get("kind", "practitioner")),
        name="someone",
        rpps=row.get("rpps", ""),
        profession=row.get("profession", ""),
        organization=row.get("organization", ""),
        is_regulator=row.get("regulator", False),
        patient_id=row.get("patient", ""),
        purposes=frozenset(row.get("purpose", "").split()),
        reason=row.get("reason", ""),
        reference=row.get("reference", ""),
        has_ended=row.get("ended", False),
        issued_at=0 if minutes is None else NOW - int(minutes * 60_000),
    )


def search_clause(resource_type: str, parameters: Sequence[tuple[str, str]]) -> Clause:
    return parse_search(resource_type, parameters, space=SPACE, handling=Handling.STRICT, now=NOW).clause


def inquiry(row: Mapping[str, Json], interaction: str = "read", records: int = 1) -> Inquiry:
    who = requester(row)
    default = "" if who.kind is Kind.EXCLUDED else "user/*.cruds"
    scopes = None if who.kind is Kind.SYSTEM else parse_scopes(row.get("scopes", default).split(), search_clause)
    return Inquiry(who, build_closure(who, DIRECTORY, NOW, READING), scopes, interaction, NOW, records)


def concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def coding(text: str) -> Json:
    system, _, code = text.partition("|")
    return {"system": SYSTEMS.get(system, system), "code": code}


def provision(row: Mapping[str, Json]) -> Json:
    """The provision of a short form (tests/cases/access/decisions.yaml)."""
    made: Json = {key: row[key] for key in ("type", "period", "dataPeriod", "modifierExtension") if key in row}
    role = concept(f"{V3}v3-ParticipationType", "IRCP")
    if "actor" in row:
        made["actor"] = [{"role": role, "reference": named(text)} for text in row["actor"]]
    if "purpose" in row:
        made["purpose"] = [
            coding(text) if "|" in text else {"system": f"{V3}v3-ActReason", "code": text} for text in row["purpose"]
        ]
    if "action" in row:
        made["action"] = [concept(f"{V3}consentaction", code) for code in row["action"]]
    for key, name in (("label", "securityLabel"), ("class", "class")):
        if key in row:
            made[name] = [coding(text) for text in row[key]]
    if "code" in row:
        made["code"] = [{"coding": [coding(text)]} for text in row["code"]]
    if "data" in row:
        pairs = [text.split("|", 1) for text in row["data"]]
        made["data"] = [{"meaning": meaning, "reference": named(text)} for meaning, text in pairs]
    if "provision" in row:
        made["provision"] = [provision(child) for child in row["provision"]]
    return made


def named(text: str) -> Json:
    system, _, number = text.partition("|")
    return {"identifier": {"system": system, "value": number}} if number else reference(text)


def consent(name: str, row: Mapping[str, Json]) -> Json:
    made: Json = {
        "resourceType": "Consent",
        "id": name,
        "status": row.get("status", "active"),
        "scope": concept(f"{V3}consentscope", row.get("scope", "patient-privacy")),
        "patient": reference("Patient/p"),
    }
    if row.get("suspended"):
        made["meta"] = {"tag": [{"system": "https://fhir-dmp.fr/CodeSystem/dmp-merge-suspended", "code": "q"}]}
    if "policy" in row:
        made["policyRule"] = concept(f"{V3}v3-ActCode", row["policy"])
    inner = provision(row)
    return {**made, "provision": inner} if inner else made


def record(consents: Sequence[Json] = (), **traits: bool) -> RecordState:
    references = {"Encounter/sejour": frozenset({"Observation/2"}), "Observation/3": frozenset[str]()}
    return build_record(patient(**traits), consents, READING, references)


def facts(resource: Json) -> Facts:
    return INDEXER.facts(resource)
