"""The demo records of examples/: whole, coherent, and loadable twice through the transaction endpoint.

https://hl7.org/fhir/R4/http.html#transaction. Every resource keeps R4, its bindings and the profiles that it claims
(the validator says so), and together they show every profile that a record uses and every rule of access of the DMP.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.bundle import Bundle

from fhir_dmp.commands.checks import Checks, build_checks, check_text
from fhir_dmp.ins.ins_c import INS_C, compute_ins_c
from fhir_dmp.outcome import Issue

Json = Any

EXAMPLES = Path(__file__).parents[1] / "examples"
DIRECTORY = "00-annuaire.json"
RECORDS = ("10-somme.json", "20-normandie.json", "30-haute-garonne.json")
ACCESS = "25-acces.json"
"""Small records, each for a rule of access or for a way to open a record: several patients in one file."""
PATIENTS = (*RECORDS, ACCESS)
FILES = (DIRECTORY, *PATIENTS)
BUNDLES: dict[str, Json] = {name: json.loads((EXAMPLES / name).read_text(encoding="utf-8")) for name in FILES}

MISSION_TYPES = {
    "Patient",
    "AllergyIntolerance",
    "MedicationStatement",
    "DiagnosticReport",
    "DocumentReference",
    "Consent",
}
INS_TEST = "urn:oid:1.2.250.1.213.1.4.10"
RPPS = "https://rpps.esante.gouv.fr"
FINESS = "https://finess.esante.gouv.fr"
BDPM = "https://smt.esante.gouv.fr/terminologie-bdpm"
PDSM_DOCUMENT = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-comprehensive-document-reference"
FR_CORE = "https://hl7.fr/ig/fhir/core/StructureDefinition/"
PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/"
DMP = "https://fhir-dmp.fr/StructureDefinition/"
VISIBILITY = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
SUBJECT_ELEMENTS = ("subject", "patient", "beneficiary")

MANDATORY = {
    "Patient": ("fr-core-patient-ins", "fr-core-patient"),
    "AllergyIntolerance": ("dmp-allergy-intolerance",),
    "MedicationStatement": ("dmp-medication-statement",),
    "DiagnosticReport": ("dmp-diagnostic-report",),
    "Condition": ("dmp-condition",),
    "Practitioner": ("fr-core-practitioner",),
    "PractitionerRole": ("fr-core-practitioner-role",),
    "RelatedPerson": ("fr-core-related-person",),
    "Encounter": ("fr-core-encounter",),
    "Consent": (
        "dmp-access-consent",
        "dmp-block",
        "dmp-mask",
        "dmp-emergency-opposition",
        "dmp-feeding-opposition",
        "dmp-consent",
    ),
}
"""The profiles of a type of which each of its resources claims one."""
OTHERS = {
    "dmp-patient",
    "dmp-practitioner",
    "dmp-organization",
    "dmp-observation-laboratory",
    "fr-core-location",
    "fr-core-organization",
    "fr-core-organization-etablissement",
    "fr-core-organization-uf",
    "fr-core-organization-uac",
    *(f"fr-core-observation-{sign}" for sign in ("bmi", "body-height", "body-temperature", "body-weight", "bp")),
    *(f"fr-core-observation-{sign}" for sign in ("head-circum", "heartrate", "resp-rate", "saturation-oxygen")),
    "pdsm-comprehensive-document-reference",
    "pdsm-simplified-publish",
    "pdsm-submissionset-comprehensive",
}
"""The other profiles that a record or its directory uses."""
UNAVOIDABLE = {
    ("Encounter", "fr-core-cs-identifier-type#VN"),
    ("Organization", "fr-core-cs-v2-0203#FINEG"),
    ("Organization", "fr-core-cs-v2-0203#FINEJ"),
}
"""Types of identifier that FR Core requires, alone, and that R4's extensible identifier-type has no code for."""

SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[2] / "shared"))
TYPE_CLASS_TABLE = SHARED / "packages" / "dmp-types" / "type-class-dmp.tsv"


def entries(name: str, *types: str) -> list[Json]:
    """The entries of one file, of the given resource types where some are given."""
    return [e for e in BUNDLES[name]["entry"] if not types or e["resource"]["resourceType"] in types]


def resources(name: str, *types: str) -> list[Json]:
    return [entry["resource"] for entry in entries(name, *types)]


def objects(value: Json) -> Iterator[Json]:
    """Every JSON object inside a value, the value itself first."""
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from objects(child)
    elif isinstance(value, list):
        for child in value:
            yield from objects(child)


def links(resource: Json) -> Iterator[str]:
    """What a resource points to: its references, and the addresses of its attachments."""
    for found in objects(resource):
        for element in ("reference", "url"):
            if isinstance(found.get(element), str) and (element == "reference" or "contentType" in found):
                yield found[element]


def identifiers(resource: Json) -> list[Json]:
    """The identifiers that the `identifier` search parameter sees, a document's masterIdentifier first."""
    own = resource.get("identifier", [])
    master = [resource["masterIdentifier"]] if "masterIdentifier" in resource else []
    return master + (own if isinstance(own, list) else [own])


def attachments(name: str) -> Iterator[Json]:
    for resource in resources(name):
        yield from (found for found in objects(resource) if {"url", "contentType"} <= found.keys())


def qualified(name: str) -> list[Json]:
    """The patients of one file whose identity is qualified: those who have a matricule INS."""
    found = [p for p in resources(name, "Patient") if "fr-core-patient-ins" in claimed(p)]
    assert found
    return found


def codes(system: str) -> set[str]:
    """Every code of one system that the examples use."""
    found = (o for bundle in BUNDLES.values() for o in objects(bundle))
    return {o["code"] for o in found if o.get("system") == system and "code" in o}


def identifier_values(system: str) -> set[str]:
    found = (o for bundle in BUNDLES.values() for o in objects(bundle))
    return {o["value"] for o in found if o.get("system") == system and "value" in o}


def luhn_is_valid(digits: str) -> bool:
    """The mod 10 check that LOINC, RPPS and FINESS numbers end with."""
    doubled = [int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def ean13_is_valid(digits: str) -> bool:
    """The check digit of a 13-digit article number, CIP13 among them."""
    return len(digits) == 13 and sum(int(d) * (3 if place % 2 else 1) for place, d in enumerate(digits)) % 10 == 0


def dihedral(left: int, right: int) -> int:
    """Product in the group of a pentagon's symmetries: 0 to 4 turn it, 5 to 9 flip it first."""
    turned = left + right if left < 5 else left - right
    return turned % 5 + (0 if (left < 5) == (right < 5) else 5)


def verhoeff_is_valid(digits: str) -> bool:
    """Verhoeff's check, which a SNOMED CT identifier ends with."""
    step = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    check = 0
    for place, digit in enumerate(reversed(digits)):
        permuted = int(digit)
        for _ in range(place % 8):
            permuted = step[permuted]
        check = dihedral(check, permuted)
    return check == 0


def ins_key(matricule: str) -> str:
    """The two digits that follow the thirteen of an INS: 97 less the remainder by 97."""
    return f"{97 - int(matricule) % 97:02d}"


def claimed(resource: Json) -> set[str]:
    """The profiles that a resource claims, without the path of their guide."""
    return {profile.rsplit("/", 1)[-1] for profile in resource.get("meta", {}).get("profile", [])}


@pytest.fixture(scope="module")
def checks() -> Checks:
    """R4, its bindings and the profiles that the server brings."""
    return build_checks([], [])


def is_unavoidable(name: str, issue: Issue) -> bool:
    """Whether a finding is about one of the types of identifier that no other code could accompany."""
    place = re.fullmatch(r"Bundle\.entry\[(\d+)\]\.resource\.identifier\[\d+\]\.type", issue.expression)
    if not place or issue.code != "binding" or not issue.message.endswith("/ValueSet/identifier-type"):
        return False
    kind = entries(name)[int(place[1])]["resource"]["resourceType"]
    return any(kind == of and f"/{code}' is not in " in issue.message for of, code in UNAVOIDABLE)


@pytest.mark.parametrize("name", FILES)
def test_file_is_valid_without_a_warning(name: str, checks: Checks) -> None:
    found = [finding.issue for finding in check_text((EXAMPLES / name).read_bytes(), checks)]
    told = [issue for issue in found if issue.severity != "information" and not is_unavoidable(name, issue)]

    assert [(issue.expression, issue.message) for issue in told] == []


@pytest.mark.parametrize("kind", MANDATORY)
def test_resource_claims_a_profile_of_its_type(kind: str) -> None:
    found = [resource for name in FILES for resource in resources(name, kind)]

    assert found
    assert [resource["identifier"] for resource in found if not claimed(resource) & {*MANDATORY[kind]}] == []


def test_every_profile_that_a_record_uses_has_an_example() -> None:
    wanted = OTHERS | {profile for profiles in MANDATORY.values() for profile in profiles}
    shown = {profile for name in FILES for resource in resources(name) for profile in claimed(resource)}

    assert shown == wanted


@pytest.mark.parametrize("name", FILES)
def test_narrative_is_french_and_generated(name: str) -> None:
    for resource in resources(name):
        for told in (resource, *resource.get("contained", [])):
            if told["resourceType"] != "Binary":
                assert told["text"]["status"] == "generated"
                assert re.search(r"<p>.{8,}</p>", told["text"]["div"]), told["text"]["div"]


@pytest.mark.parametrize("name", FILES)
def test_file_is_pretty_printed_utf8_with_its_accents(name: str) -> None:
    written = json.dumps(BUNDLES[name], ensure_ascii=False, indent=2) + "\n"

    assert (EXAMPLES / name).read_text(encoding="utf-8") == written
    assert any(ord(character) > 127 for character in written)


@pytest.mark.parametrize("name", FILES)
def test_bundle_is_read_by_an_independent_reader(name: str) -> None:
    bundle = Bundle.model_validate(BUNDLES[name])

    assert bundle.type == "transaction"
    assert len(bundle.entry or []) == len(entries(name)) > 0


@pytest.mark.parametrize("name", FILES)
def test_entry_posts_to_its_type_under_a_uuid_of_its_own(name: str) -> None:
    for entry in entries(name):
        assert entry["request"]["method"] == "POST"
        assert entry["request"]["url"] == entry["resource"]["resourceType"]
        assert "id" not in entry["resource"]
        assert uuid.UUID(entry["fullUrl"].removeprefix("urn:uuid:")).version == 5


def test_no_uuid_is_used_twice_in_the_examples() -> None:
    uses = Counter(entry["fullUrl"] for name in FILES for entry in entries(name))

    assert [url for url, count in uses.items() if count > 1] == []


@pytest.mark.parametrize("name", FILES)
def test_uuid_reference_resolves_inside_its_bundle(name: str) -> None:
    present = {entry["fullUrl"] for entry in entries(name)}
    wanted = {link for resource in resources(name) for link in links(resource) if link.startswith("urn:uuid:")}

    assert wanted - present == set()
    assert wanted, "a Bundle whose entries do not know one another tests nothing"


@pytest.mark.parametrize("name", FILES)
def test_contained_reference_resolves_inside_its_resource(name: str) -> None:
    for resource in resources(name):
        contained = {f"#{inner['id']}" for inner in resource.get("contained", [])}

        assert {link for link in links(resource) if link.startswith("#")} == contained


def test_directory_knows_no_conditional_reference() -> None:
    assert {link for resource in resources(DIRECTORY) for link in links(resource) if "?" in link} == set()


@pytest.mark.parametrize("name", PATIENTS)
def test_conditional_reference_matches_exactly_one_entry_of_the_directory(name: str) -> None:
    known = Counter(
        f"{resource['resourceType']}?identifier={identifier['system']}|{identifier['value']}"
        for resource in resources(DIRECTORY)
        for identifier in identifiers(resource)
    )
    wanted = {link for resource in resources(name) for link in links(resource) if "?" in link}

    assert {link: known[link] for link in wanted if known[link] != 1} == {}
    assert wanted


@pytest.mark.parametrize("name", FILES)
def test_reference_is_local_conditional_or_contained(name: str) -> None:
    for resource in resources(name):
        for link in links(resource):
            assert link.startswith(("urn:uuid:", "#")) or "?identifier=" in link


@pytest.mark.parametrize("name", FILES)
def test_if_none_exist_names_the_first_identifier_wherever_the_type_has_one(name: str) -> None:
    for entry in entries(name):
        resource = entry["resource"]
        expected = None
        if "identifier" in get_fhir_model_class(resource["resourceType"]).model_fields:
            first = identifiers(resource)[0]
            expected = f"identifier={first['system']}|{first['value']}"

        assert entry["request"].get("ifNoneExist") == expected


def test_if_none_exist_is_unique_within_the_examples() -> None:
    asked = [(e["request"]["url"], e["request"].get("ifNoneExist")) for name in FILES for e in entries(name)]
    uses = Counter(pair for pair in asked if pair[1])

    assert [pair for pair, count in uses.items() if count > 1] == []


def test_identifier_belongs_to_one_resource_of_its_type() -> None:
    uses = Counter(
        (resource["resourceType"], identifier["system"], identifier["value"])
        for name in FILES
        for resource in resources(name)
        for identifier in identifiers(resource)
    )

    assert [triple for triple, count in uses.items() if count > 1] == []


@pytest.mark.parametrize("name", PATIENTS)
def test_ins_has_the_test_oid_and_a_correct_key(name: str) -> None:
    for patient in qualified(name):
        [value] = [i["value"] for i in patient["identifier"] if i["use"] == "official" and i["system"] == INS_TEST]

        assert len(value) == 15
        assert value[13:] == ins_key(value[:13])


@pytest.mark.parametrize("name", PATIENTS)
def test_ins_agrees_with_the_traits_of_its_holder(name: str) -> None:
    for patient in qualified(name):
        value = patient["identifier"][0]["value"]
        born = date.fromisoformat(patient["birthDate"])
        [birth_place] = [e["valueAddress"] for e in patient["extension"] if e["url"].endswith("patient-birthPlace")]

        assert value[0] == {"male": "1", "female": "2"}[patient["gender"]]
        assert value[1:5] == born.strftime("%y%m")
        assert value[5:10] == birth_place["extension"][0]["valueCoding"]["code"]


def test_ins_key_agrees_with_published_vectors() -> None:
    assert [ins_key(n) for n in ("2550814168025", "2940375120005", "1531245007231")] == ["38", "91", "60"]


@pytest.mark.parametrize("name", PATIENTS)
def test_contained_patient_repeats_the_identity_of_the_record(name: str) -> None:
    holders = {e["fullUrl"]: e["resource"] for e in entries(name, "Patient")}
    inner = [(d, c) for d in resources(name) for c in d.get("contained", []) if c["resourceType"] == "Patient"]

    assert inner
    for document, copy in inner:
        patient = holders[document["subject"]["reference"]]
        [official] = [n for n in patient["name"] if n["use"] == "official"]

        assert copy["identifier"] == patient["identifier"][:1]
        assert (copy["name"][0]["family"], copy["name"][0]["given"]) == (official["family"], official["given"])
        assert (copy["gender"], copy["birthDate"]) == (patient["gender"], patient["birthDate"])


@pytest.mark.parametrize("name", PATIENTS)
def test_resource_is_about_the_patient_of_its_record(name: str) -> None:
    holders = {entry["fullUrl"] for entry in entries(name, "Patient")}
    for resource in resources(name):
        for element in SUBJECT_ELEMENTS:
            if element in resource:
                assert resource[element]["reference"] in holders, (resource["resourceType"], element)


@pytest.mark.parametrize("name", RECORDS)
def test_record_is_that_of_one_patient_and_holds_every_mission_type(name: str) -> None:
    assert len(entries(name, "Patient")) == 1
    assert {resource["resourceType"] for resource in resources(name)} >= MISSION_TYPES


@pytest.mark.parametrize("name", PATIENTS)
def test_attachment_tells_size_and_hash_of_the_binary_it_points_to(name: str) -> None:
    binaries = {entry["fullUrl"]: entry["resource"] for entry in entries(name, "Binary")}
    for attachment in attachments(name):
        binary = binaries[attachment["url"]]
        content = base64.b64decode(binary["data"], validate=True)

        assert attachment["contentType"] == binary["contentType"]
        assert attachment["size"] == len(content) > 0
        assert attachment["hash"] == base64.b64encode(hashlib.sha1(content).digest()).decode()


@pytest.mark.parametrize("name", PATIENTS)
def test_binary_belongs_to_the_one_document_that_cites_it(name: str) -> None:
    citing = {
        attachment["url"]: e["fullUrl"]
        for e in entries(name, "DocumentReference")
        for attachment in [e["resource"]["content"][0]["attachment"]]
        if "url" in attachment
    }

    assert {e["fullUrl"]: e["resource"]["securityContext"]["reference"] for e in entries(name, "Binary")} == citing


@pytest.mark.parametrize("name", PATIENTS)
def test_binary_holds_what_its_content_type_says(name: str) -> None:
    for binary in resources(name, "Binary"):
        content = base64.b64decode(binary["data"])
        if binary["contentType"] == "application/pdf":
            assert content.startswith(b"%PDF-")
            assert content.endswith(b"%%EOF\n")
        else:
            assert binary["contentType"] == "text/plain; charset=UTF-8"
            assert "é" in content.decode("utf-8")


@pytest.mark.parametrize("name", PATIENTS)
def test_active_consent_can_be_enforced(name: str) -> None:
    grantors = {
        *(entry["fullUrl"] for entry in entries(name, "Patient")),
        *(entry["fullUrl"] for entry in entries(name, "RelatedPerson")),
    }
    for consent in resources(name, "Consent"):
        assert consent["scope"]["coding"][0]["code"] == "patient-privacy"
        assert consent["provision"]["type"] in {"permit", "deny"}
        assert {who["reference"] for who in consent["performer"]} <= grantors
        assert consent["policy"][0]["uri"].startswith("https://www.legifrance.gouv.fr/")


def test_consent_for_the_child_is_given_by_a_legal_representative() -> None:
    parents = {entry["fullUrl"]: entry["resource"] for entry in entries("30-haute-garonne.json", "RelatedPerson")}
    given_by = {c["performer"][0]["reference"] for c in resources("30-haute-garonne.json", "Consent")}

    assert given_by == parents.keys()
    assert all(p["relationship"][0]["coding"][0]["code"] == "GUARD" for p in parents.values())


@pytest.mark.parametrize("name", PATIENTS)
def test_published_document_contains_its_author_and_its_patient(name: str) -> None:
    published = [
        d for d in resources(name, "DocumentReference") if PDSM_DOCUMENT in d.get("meta", {}).get("profile", [])
    ]

    assert published
    for document in published:
        assert all(author["reference"].startswith("#") for author in document["author"])
        assert document["context"]["sourcePatientInfo"] == {"reference": "#patient"}


@pytest.mark.parametrize("name", FILES)
def test_profile_is_an_unversioned_canonical_of_a_french_guide_or_of_ours(name: str) -> None:
    profiles = {p for resource in resources(name) for p in resource.get("meta", {}).get("profile", [])}

    assert profiles
    assert {p for p in profiles if not p.startswith((FR_CORE, PDSM, DMP))} == set()
    assert {p for p in profiles if "|" in p} == set()


def test_document_type_has_the_class_the_dmp_gives_it() -> None:
    if not TYPE_CLASS_TABLE.exists():
        pytest.skip(f"needs the table of document types: {TYPE_CLASS_TABLE} is absent")
    with TYPE_CLASS_TABLE.open(encoding="utf-8", newline="") as table:
        classes = {(row["system"], row["code"]): row["class"] for row in csv.DictReader(table, delimiter="\t")}
    documents = [document for name in PATIENTS for document in resources(name, "DocumentReference")]

    assert documents
    for document in documents:
        [coding] = document["type"]["coding"]
        assert document["category"][0]["coding"][0]["code"] == classes[coding["system"], coding["code"]]


def rules_stated() -> Counter[str]:
    """How many Consents claim each profile of a rule of the DMP."""
    return Counter(p for name in PATIENTS for consent in resources(name, "Consent") for p in claimed(consent))


def test_every_rule_of_the_dmp_is_stated_by_a_consent() -> None:
    assert rules_stated().keys() == {*MANDATORY["Consent"]}
    assert rules_stated()["dmp-access-consent"] > 5


def test_every_label_that_hides_a_document_is_worn_by_one_and_alone() -> None:
    documents = [document for name in PATIENTS for document in resources(name, "DocumentReference")]
    labels = [[c["code"] for row in d["securityLabel"] for c in row["coding"]] for d in documents]

    assert Counter(row[0] for row in labels if len(row) == 2).keys() == {
        "MASQUE_PS",
        "INVISIBLE_PATIENT",
        "INVISIBLE_REPRESENTANTS_LEGAUX",
    }
    assert {tuple(row[1:]) for row in labels} == {(), ("R",)}
    assert {row[0] for row in labels if len(row) == 1} == {"N"}
    assert codes(VISIBILITY) == {row[0] for row in labels if len(row) == 2}


@pytest.mark.parametrize("name", PATIENTS)
def test_author_of_a_document_or_report_is_known_by_his_number_or_is_of_the_record(name: str) -> None:
    own = {entry["fullUrl"] for entry in entries(name, "Patient", "RelatedPerson")} | {"#patient"}
    for resource in resources(name, "DocumentReference", "DiagnosticReport"):
        authors = resource.get("author") or resource["performer"]
        known = {author.get("identifier", {}).get("system") == RPPS for author in authors}

        assert any(known) or {author["reference"] for author in authors} <= own


def test_one_record_is_closed_and_a_minor_keeps_a_secret_from_a_legal_representative() -> None:
    active = [patient["active"] for patient in resources(ACCESS, "Patient")]
    [hidden] = [d for d in resources(ACCESS, "DocumentReference") if "INVISIBLE_REPRESENTANTS_LEGAUX" in str(d)]
    [parent] = resources(ACCESS, "RelatedPerson")
    [minor] = [e["resource"] for e in entries(ACCESS, "Patient") if e["fullUrl"] == hidden["subject"]["reference"]]

    assert active.count(False) == 1
    assert parent["patient"]["reference"] == hidden["subject"]["reference"]
    assert parent["relationship"][0]["coding"][0]["code"] == "GUARD"
    assert int(hidden["date"][:4]) - int(minor["birthDate"][:4]) < 18


def test_records_were_opened_by_a_physician_a_pharmacist_and_the_fund() -> None:
    openings = [row for row in resources(ACCESS, "Provenance") if row["activity"]["coding"][0]["code"] == "open"]
    holders = {e["fullUrl"] for e in entries(ACCESS, "Patient")}
    consents = {e["fullUrl"] for e in entries(ACCESS, "Consent")}

    assert sorted(row["reason"][0]["coding"][0]["code"] for row in openings) == ["fund", "pharmacy", "physician"]
    for row in openings:
        targets = {target["reference"] for target in row["target"]}
        assert (len(targets & holders), len(targets & consents)) == (1, 1)
        assert {row["agent"][1]["who"]["reference"]} == targets & holders


def test_the_record_of_2011_has_the_computed_number_of_its_holder() -> None:
    [patient] = [p for p in resources(ACCESS, "Patient") if any(row["system"] == INS_C for row in p["identifier"])]
    [opened] = [row["recorded"] for row in resources(ACCESS, "Provenance") if row["recorded"] < "2012"]
    [given] = next(name["given"] for name in patient["name"] if name["use"] == "official")
    number = patient["identifier"][0]["value"][:13]

    assert patient["identifier"][1]["value"] == compute_ins_c(given, date.fromisoformat(patient["birthDate"]), number)
    assert opened.startswith("2011")


def test_loinc_codes_have_a_valid_check_digit() -> None:
    terms = {code for code in codes("http://loinc.org") if not code.startswith("LA")}  # an answer, not a term

    assert len(terms) > 40
    assert {term for term in terms if not luhn_is_valid(term.replace("-", ""))} == set()


def test_snomed_ct_codes_have_a_valid_check_digit() -> None:
    numbers = codes("http://snomed.info/sct")

    assert numbers
    assert {n for n in numbers if not verhoeff_is_valid(n)} == set()


def test_medicine_packs_have_a_valid_check_digit() -> None:
    assert codes(BDPM)
    assert {pack for pack in codes(BDPM) if not ean13_is_valid(pack)} == set()


@pytest.mark.parametrize(("system", "length"), [(RPPS, 11), (FINESS, 9), ("https://sirene.fr", 9)])
def test_national_numbers_have_their_length_and_a_valid_check_digit(system: str, length: int) -> None:
    numbers = identifier_values(system)

    assert numbers
    assert {n for n in numbers if len(n) != length or not luhn_is_valid(n)} == set()


@pytest.mark.parametrize(("system", "prefix"), [(RPPS, "9990000"), (FINESS, "9900")])
def test_professionals_and_structures_bear_numbers_of_the_demonstration_range(system: str, prefix: str) -> None:
    assert {n for n in identifier_values(system) if not n.startswith(prefix)} == set()
