"""Claims → Requester: who is who, who is never let in, and what an issuer may not say."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.authentication.fault import RequesterUnknown
from fhir_dmp.authentication.judgement import Rules, build_requester
from fhir_dmp.authentication.statement import PATHS, read_statement
from tests.authentication.signing import BASE_URL, KIND, PROFESSION, PURPOSE, SPECIALTY, claims

SECTOR = "https://mos.esante.gouv.fr/NOS/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite"
ALL = Rules(frozenset(Kind))


def _coding(system: str, code: str) -> dict[str, str]:
    return {"system": system, "code": code}


def _iua(**members: Any) -> dict[str, Any]:
    return {"ihe_iua": members}


def _build(rules: Rules | None = None, **changed: Any) -> Requester:
    return build_requester(read_statement(claims(**changed)), rules or Rules(), BASE_URL)


DOCTOR = {"subject_role": [_coding(PROFESSION, "10")], "national_provider_identifier": "99900000011"}


def _as(kind: str, **members: Any) -> dict[str, Any]:
    return {"fhirUser": None, "extensions": _iua(subject_role=[_coding(KIND, kind)], **members)}


@pytest.mark.parametrize(
    ("changed", "kind", "patient"),
    [
        ({"fhirUser": "Practitioner/p1"}, Kind.PRACTITIONER, ""),
        ({"fhirUser": "PractitionerRole/p1"}, Kind.PRACTITIONER, ""),
        ({"fhirUser": None}, Kind.PRACTITIONER, ""),
        ({"fhirUser": f"{BASE_URL}/Practitioner/p1"}, Kind.PRACTITIONER, ""),
        ({"fhirUser": "Patient/a.b-1", "extensions": {}}, Kind.PATIENT, "a.b-1"),
        ({"fhirUser": f"{BASE_URL}/Patient/1", "extensions": {}}, Kind.PATIENT, "1"),
        ({"fhirUser": "Patient/1", "extensions": _iua(person_id="1")}, Kind.PATIENT, "1"),
        ({"fhirUser": "RelatedPerson/9", "extensions": _iua(person_id="1")}, Kind.REPRESENTATIVE, "1"),
        (_as("representative", person_id="1"), Kind.REPRESENTATIVE, "1"),
        (_as("helper", person_id="1"), Kind.HELPER, "1"),
        (_as("hospital"), Kind.HOSPITAL, ""),
        ({"fhirUser": None, "extensions": {}, "sub": "app"}, Kind.HOSPITAL, ""),
    ],
)
def test_kind_and_patient_follow_from_the_claims(changed: dict[str, Any], kind: Kind, patient: str) -> None:
    requester = _build(**changed)
    assert (requester.kind, requester.patient_id) == (kind, patient)


@pytest.mark.parametrize("kind", [Kind.ADMINISTRATOR, Kind.AUDITOR])
def test_administrators_and_auditors_come_from_issuers_that_may_say_so(kind: Kind) -> None:
    with pytest.raises(RequesterUnknown):
        _build(**_as(kind.value))
    assert _build(ALL, **_as(kind.value)).kind is kind


def test_the_assurance_maladie_is_named_by_an_issuer_that_may_and_names_its_structure() -> None:
    named = _as("health-insurance", subject_organization_id="180035024")
    requester = _build(ALL, **named)
    assert (requester.kind, requester.organization) == (Kind.HEALTH_INSURANCE, "180035024")
    with pytest.raises(RequesterUnknown):
        _build(**named)
    with pytest.raises(RequesterUnknown):
        _build(ALL, **_as("health-insurance"))


@pytest.mark.parametrize("other", ["insurer", "bank"])
def test_who_is_the_assurance_maladie_and_another_insurer_is_the_other(other: str) -> None:
    both = [_coding(KIND, "health-insurance"), _coding(KIND, other)]
    made = _build(ALL, fhirUser=None, extensions=_iua(subject_role=both, subject_organization_id="180035024"))
    assert made.kind is Kind.EXCLUDED


def test_issuer_of_patients_says_nothing_of_practitioners() -> None:
    with pytest.raises(RequesterUnknown):
        _build(Rules(frozenset({Kind.PATIENT})))


@pytest.mark.parametrize("kind", ["insurer", "bank", "employer", "occupational-medicine"])
@pytest.mark.parametrize("scope", ["system/*.cruds", "user/*.cruds", ""])
@pytest.mark.parametrize("user", ["Practitioner/p1", "Patient/1", None])
def test_excluded_stay_excluded_whatever_their_scope(kind: str, scope: str, user: str | None) -> None:
    roles = [_coding(KIND, kind), _coding(PROFESSION, "10")]
    extensions = _iua(subject_role=roles, national_provider_identifier="99900000011")
    assert _build(ALL, scope=scope, fhirUser=user, extensions=extensions).kind is Kind.EXCLUDED


def test_excluded_kind_beside_another_is_still_excluded() -> None:
    roles = [_coding(KIND, "administrator"), _coding(KIND, "insurer")]
    assert _build(ALL, extensions=_iua(subject_role=roles)).kind is Kind.EXCLUDED


def test_occupational_physician_is_excluded_by_his_specialty() -> None:
    roles = [_coding(PROFESSION, "10"), _coding(SPECIALTY, "SM25")]
    extensions = _iua(subject_role=roles, national_provider_identifier="99900000011")
    assert _build(extensions=extensions).kind is Kind.EXCLUDED


def test_sector_that_the_issuer_excludes_is_excluded() -> None:
    extensions = {**_iua(**DOCTOR), "fhir_dmp": {"sector": [_coding(SECTOR, "SA99")]}}
    assert _build(extensions=extensions).kind is Kind.PRACTITIONER
    assert _build(Rules(excluded_sectors=frozenset({"SA99"})), extensions=extensions).kind is Kind.EXCLUDED


@pytest.mark.parametrize(
    "changed",
    [
        {"fhirUser": None, "extensions": {}},
        {"fhirUser": "Practitioner/p1", "extensions": {}},
        {"extensions": _iua(**{**DOCTOR, "national_provider_identifier": "9990000001"})},
        {"extensions": _iua(**{**DOCTOR, "national_provider_identifier": 99900000011})},
        {"extensions": _iua(**{**DOCTOR, "subject_role": []})},
        {"extensions": _iua(**{**DOCTOR, "subject_role": [_coding(PROFESSION, "10"), _coding(PROFESSION, "21")]})},
        {"extensions": _iua(**{**DOCTOR, "subject_role": [_coding("urn:other", "10")]})},
        {"fhirUser": "https://other.example/fhir/Patient/1", "extensions": {}},
        {"fhirUser": "Patient/1/_history/2", "extensions": {}},
        {"fhirUser": "Patient/", "extensions": {}},
        {"fhirUser": "Patient/../1", "extensions": {}},
        {"fhirUser": "Patient?identifier=1", "extensions": {}},
        {"fhirUser": "Device/1", "extensions": {}},
        {"fhirUser": "Patient/1", "extensions": _iua(person_id="2")},
        {"fhirUser": "RelatedPerson/9", "extensions": {}},
        _as("representative"),
        _as("helper", person_id="a b"),
        _as("system"),
        _as("open"),
        {"fhirUser": None, "extensions": _iua(subject_role=[_coding(KIND, "helper"), _coding(KIND, "auditor")])},
    ],
)
def test_token_that_does_not_say_who_asks_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(RequesterUnknown):
        _build(ALL, **changed)


def test_patient_has_no_rights_of_a_professional_that_his_token_names_besides() -> None:
    requester = _build(fhirUser="Patient/1", extensions={**_iua(**DOCTOR), "fhir_dmp": {"regulation": True}})
    assert (requester.rpps, requester.profession, requester.is_regulator) == ("", "", False)


@pytest.mark.parametrize(
    ("role", "profession", "specialty"),
    [
        ([_coding(PROFESSION, "10"), _coding(SPECIALTY, "SM54")], "10", "SM54"),
        ([_coding("urn:oid:1.2.250.1.71.1.2.7", "10")], "10", ""),
        (["10^1.2.250.1.213.1.1.5.5", "SM54^1.2.250.1.71.4.2.5"], "10", "SM54"),
        (_coding(PROFESSION, "10"), "10", ""),
        ("10", "10", ""),
        (["10", "SM54"], "10", "SM54"),
        ([_coding(PROFESSION, "10"), _coding(PROFESSION, "10")], "10", ""),
        ([_coding(PROFESSION, "10"), _coding(SPECIALTY, "SM54"), _coding(SPECIALTY, "SM26")], "10", ""),
    ],
)
def test_roles_are_read_in_each_form(role: Any, profession: str, specialty: str) -> None:
    requester = _build(extensions=_iua(**{**DOCTOR, "subject_role": role}))
    assert (requester.profession, requester.specialty) == (profession, specialty)


@pytest.mark.parametrize(
    ("purpose", "found"),
    [
        ([_coding(PURPOSE, "TREAT"), _coding(PURPOSE, "BTG")], {"TREAT", "BTG"}),
        ("ETREAT", {"ETREAT"}),
        ([_coding("urn:other", "TREAT")], set()),
        ([], set()),
        (None, set()),
    ],
)
def test_purposes_are_codes_of_v3(purpose: Any, found: set[str]) -> None:
    assert _build(extensions=_iua(**DOCTOR, purpose_of_use=purpose)).purposes == found


@pytest.mark.parametrize(("value", "expected"), [(True, True), ("VRAI", False), ("true", False), (1, False)])
def test_only_true_is_a_regulator(value: Any, expected: bool) -> None:
    extensions = {**_iua(**DOCTOR), "fhir_dmp": {"regulation": value}}
    assert _build(extensions=extensions).is_regulator is expected


@pytest.mark.parametrize(
    ("scope", "expected"),
    [("a b", ("a", "b")), (["a", "b c"], ("a", "b", "c")), ("a  a", ("a",)), (None, ()), (7, ())],
)
def test_scopes_are_carried_as_granted(scope: Any, expected: tuple[str, ...]) -> None:
    assert _build(scope=scope).scopes == expected


def test_issuer_with_other_claims_names_their_paths() -> None:
    paths = {**PATHS, "rpps": ("https://psc.example/rpps",), "profession": ("job", "code"), "client": ("appid",)}
    told = {"https://psc.example/rpps": "99900000011", "job": {"code": "40"}, "appid": "other"}
    statement = read_statement({**claims(extensions={}, client_id=None), **told}, paths)
    requester = build_requester(statement, Rules(), BASE_URL)
    assert (requester.rpps, requester.profession, requester.client) == ("99900000011", "40", "other")
