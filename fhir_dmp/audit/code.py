"""The codes of AuditEvents, as IHE BALP and R4 give them: https://profiles.ihe.net/ITI/BALP/."""

from __future__ import annotations

from enum import Enum

from fhir_dmp.json_text import JsonObject

PROFILE = "https://fhir-dmp.fr/StructureDefinition/dmp-audit-event"
EXPORT_PROFILE = "https://fhir-dmp.fr/StructureDefinition/dmp-audit-event-export"

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ACCESS_MODE = "https://mos.esante.gouv.fr/NOS/TRE_R248_ModeAcces/FHIR/TRE-R248-ModeAcces"
PROFESSION = "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante"
SPECIALTY = "https://mos.esante.gouv.fr/NOS/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale"
RPPS = "https://rpps.esante.gouv.fr"
FINESS = "https://finess.esante.gouv.fr"
TOKEN_PREFIX = "urn:ietf:params:oauth:jti:"  # noqa: S105  the name of a namespace

MATRIX_PREFIX = "https://fhir-dmp.fr/habilitation/"
"""Stands before a version of the habilitation matrix, percent-encoded: AuditEvent.agent.policy holds URIs."""

INTERACTION = "http://hl7.org/fhir/restful-interaction"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"


class Mode(Enum):
    """How a record was opened: codes of TRE_R248."""

    NORMAL = "normal"
    BREAK_GLASS = "bris_de_glace"
    REGULATION = "centre_15"


class Outcome(Enum):
    """How it ended: codes of http://hl7.org/fhir/audit-event-outcome."""

    SUCCESS = "0"
    REFUSED = "4"
    FAILED = "8"


def coding(system: str, code: str) -> JsonObject:
    """Builds a Coding."""
    return {"system": system, "code": code}


def concept(system: str, code: str) -> JsonObject:
    """Builds a CodeableConcept of one coding."""
    return {"coding": [coding(system, code)]}


REST = coding("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest")
SECURITY_ALERT = coding(_DCM, "110113")
DECISION_BY_CONSENT = coding("https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType", "AuthZ-Consent")
DECISION_BY_ROLE = coding("https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType", "AuthZ-Role")

DESTINATION = concept(_DCM, "110152")
SOURCE = concept(_DCM, "110153")
APPLICATION = concept(_DCM, "110150")
CUSTODIAN = concept("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "custodian")
AUTHOR = concept("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "author")
RECIPIENT = concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP")
PROVIDER = concept("http://terminology.hl7.org/CodeSystem/v3-RoleClass", "PROV")
AUTHORIZER = concept("http://terminology.hl7.org/CodeSystem/extra-security-role-type", "authserver")

IP_ADDRESS = "2"
URI_ADDRESS = "5"
"""Codes of http://hl7.org/fhir/network-type."""

PERSON = coding(_ENTITY_TYPE, "1")
OBJECT = coding(_ENTITY_TYPE, "2")
ORGANIZATION = coding(_ENTITY_TYPE, "3")
OTHER = coding(_ENTITY_TYPE, "4")
REQUEST_ID = coding("https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "XrequestId")
CONSENT = coding("http://hl7.org/fhir/resource-types", "Consent")
TOKEN = coding("https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes", "UserOauthAgent")

ROLE_PATIENT = coding(_OBJECT_ROLE, "1")
ROLE_RESOURCE = coding(_OBJECT_ROLE, "4")
ROLE_SECURITY = coding(_OBJECT_ROLE, "13")
ROLE_QUERY = coding(_OBJECT_ROLE, "24")

WEB_SERVER = coding("http://terminology.hl7.org/CodeSystem/security-source-type", "3")
