"""Generated records: valid in full, coherent, reproducible, and as the figures say."""

from __future__ import annotations

import base64
import hashlib
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from math import sqrt
from random import Random
from typing import Any

import orjson
import pytest

from fhir_dmp.commands.checks import Checks, build_checks, check_text
from fhir_dmp.commands.generate import DATA
from fhir_dmp.generation.links import Links
from fhir_dmp.generation.paris import age_at
from fhir_dmp.generation.records import Batch, Plan, generate
from fhir_dmp.generation.tables import Tables
from fhir_dmp.loader import data_folder
from tests.generation.conftest import UNTIL, Generate

Json = Any
MANY = 600
# types of identifier that FR Core requires, alone, and that R4's extensible identifier-type has no code for
EXPECTED_WARNINGS = ("fr-core-cs-identifier-type#VN", "fr-core-cs-v2-0203#FINEG")
NOT_RECORDS = {"Bundle", "Group", "Subscription"}
HOLDER = {
    "AllergyIntolerance": "patient", "Consent": "patient", "Coverage": "beneficiary", "Immunization": "patient",
    "ExplanationOfBenefit": "patient", "RelatedPerson": "patient", "Device": "patient", "EpisodeOfCare": "patient",
    "FamilyMemberHistory": "patient",
}  # fmt: skip
NO_HOLDER = {"Patient", "Binary", "Provenance", "Medication"}


@pytest.fixture(scope="session")
def many(generate_batches: Generate) -> list[Batch]:
    return generate_batches(MANY, seed=11)


@pytest.fixture(scope="session")
def checks() -> Checks:
    return build_checks((), ())


def _objects(value: Json) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from _objects(child)
    elif isinstance(value, list):
        for child in value:
            yield from _objects(child)


def _references(resource: Json) -> set[str]:
    return {found["reference"] for found in _objects(resource) if isinstance(found.get("reference"), str)}


def _resources(batches: list[Batch], *types: str) -> list[Json]:
    found = [r for b in batches for r in (*(s.resource for s in b.shared), *b.resources)]
    return [r for r in found if not types or r["resourceType"] in types]


def _records(batches: list[Batch]) -> list[tuple[Json, ...]]:
    return [batch.resources for batch in batches if batch.resources]


def _ages(batches: list[Batch]) -> list[int]:
    return [age_at(date.fromisoformat(p["birthDate"]), UNTIL) for p in _resources(batches, "Patient")]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("links", Links)
def test_every_resource_is_valid_without_error(
    seed: int, links: Links, generate_batches: Generate, checks: Checks
) -> None:
    found = []
    for resource in _resources(generate_batches(8, seed=seed, links=links)):
        findings = check_text(orjson.dumps(resource), checks)
        found += [f.issue.message for f in findings if f.issue.severity in {"error", "fatal", "warning"}]
    assert [text for text in found if not any(code in text for code in EXPECTED_WARNINGS)] == []


def test_every_type_of_the_record_is_generated(many: list[Batch]) -> None:
    groups = orjson.loads((data_folder("capability") / "server.json").read_bytes())["groups"]
    record = next(group["types"] for group in groups if "Patient" in group["types"])
    assert {r["resourceType"] for r in _resources(many)} == set(record) - NOT_RECORDS


def test_same_seed_gives_the_same_bytes(generate_batches: Generate) -> None:
    first, second = (orjson.dumps(_resources(generate_batches(6, seed=5))) for _ in range(2))
    assert first == second
    assert first != orjson.dumps(_resources(generate_batches(6, seed=6)))


def test_more_patients_only_add_to_fewer(generate_batches: Generate) -> None:
    few, more = _resources(generate_batches(5, seed=4)), _resources(generate_batches(9, seed=4))
    assert more[: len(few)] == few


def test_directory_is_the_same_for_every_seed(generate_batches: Generate) -> None:
    first, second = (
        {s.query: s.resource for b in generate_batches(30, seed=seed) for s in b.shared} for seed in (1, 2)
    )
    common = first.keys() & second.keys()
    assert common
    assert {query: first[query] for query in common} == {query: second[query] for query in common}


def test_memory_does_not_grow_with_the_patients(tables: Tables) -> None:
    batches = generate(Plan(240, 1, UNTIL, 3, Links.BY_ID), tables, Random)
    tracemalloc.start()
    sizes = [tracemalloc.get_traced_memory()[0] for batch in batches if not batch.shared]
    tracemalloc.stop()
    # what is kept is the directory of a département, of which there are 101
    assert sizes[-1] - sizes[len(sizes) // 2] < 6_000_000


def test_ids_are_used_once(many: list[Batch]) -> None:
    ids = [resource["id"] for resource in _resources(many)]
    assert len(ids) == len(set(ids))


def test_reference_by_id_leads_to_what_came_before_or_with_it(many: list[Batch]) -> None:
    known: set[str] = set()
    for batch in many:
        found = [*(s.resource for s in batch.shared), *batch.resources]
        known |= {f"{r['resourceType']}/{r['id']}" for r in found}
        wanted = {reference for r in found for reference in _references(r) if not reference.startswith("#")}
        assert wanted <= known


def test_reference_in_a_bundle_is_a_full_url_or_finds_one_of_the_directory(generate_batches: Generate) -> None:
    batches = generate_batches(20, seed=3, links=Links.IN_BUNDLE)
    queries = Counter(f"{s.resource['resourceType']}?{s.query}" for b in batches for s in b.shared)
    assert set(queries.values()) == {1}
    for batch in batches:
        found = [*(s.resource for s in batch.shared), *batch.resources]
        own = {f"urn:uuid:{r['id']}" for r in found}
        wanted = {reference for r in found for reference in _references(r) if not reference.startswith("#")}
        assert wanted <= own | queries.keys()


def test_every_resource_of_a_record_is_about_its_patient(many: list[Batch]) -> None:
    for record in _records(many):
        patient = f"Patient/{record[0]['id']}"
        for resource in record:
            kind = resource["resourceType"]
            if kind not in NO_HOLDER:
                assert resource[HOLDER.get(kind, "subject")]["reference"] == patient, kind


def test_matricules_are_of_the_test_range_and_differ(many: list[Batch]) -> None:
    numbers = [i for p in _resources(many, "Patient") for i in p["identifier"] if i["use"] == "official"]
    assert {number["system"] for number in numbers} == {"urn:oid:1.2.250.1.213.1.4.10"}
    assert len({number["value"] for number in numbers}) == len(numbers) > 0.95 * MANY


def test_attachment_is_the_content_of_its_binary(many: list[Batch]) -> None:
    binaries = {f"Binary/{b['id']}": b for b in _resources(many, "Binary")}
    for document in _resources(many, "DocumentReference"):
        attachment = document["content"][0]["attachment"]
        binary = binaries.pop(attachment["url"])
        data = base64.b64decode(binary["data"])
        assert attachment["size"] == len(data)
        assert attachment["hash"] == base64.b64encode(hashlib.sha1(data).digest()).decode()
        assert attachment["contentType"] == binary["contentType"]
        assert data.startswith(b"%PDF-1.4") == (binary["contentType"] == "application/pdf")
        assert binary["securityContext"]["reference"] == f"DocumentReference/{document['id']}"
    assert binaries == {}


def test_nothing_happens_after_the_last_day_or_before_birth(many: list[Batch]) -> None:
    for record in _records(many):
        birth = record[0]["birthDate"]
        for resource in record[1:]:
            for name in ("recordedDate", "authoredOn", "issued", "occurrenceDateTime", "whenHandedOver", "created"):
                assert birth <= resource.get(name, birth)[:10] <= UNTIL.isoformat(), (resource["resourceType"], name)


def test_reimbursements_are_of_the_last_24_months(many: list[Batch]) -> None:
    days = [e["billablePeriod"]["start"] for e in _resources(many, "ExplanationOfBenefit")]
    assert min(days) >= "2024-11-22"
    assert max(days) <= UNTIL.isoformat()


def test_earlier_last_day_moves_the_record(generate_batches: Generate) -> None:
    until = date(2023, 6, 30)
    for record in _records(generate_batches(5, until=until)):
        latest = max((e["period"]["end"][:10] for e in record if e["resourceType"] == "Encounter"), default="")
        assert latest <= until.isoformat()


# ---- distributions: within four standard deviations of what the tables say


def _is_near(count: int, share: float, total: int = MANY) -> bool:
    return abs(count - share * total) <= 4 * sqrt(total * share * (1 - share)) + 1


def test_ages_are_those_of_the_population(many: list[Batch]) -> None:
    ages = _ages(many)
    assert len(ages) == MANY
    # Insee, 2024: 23 % under 20, 22 % from 65 on, 10 % from 75 on
    for low, high, share in ((0, 19, 0.233), (65, 120, 0.216), (75, 120, 0.104)):
        assert _is_near(sum(low <= age <= high for age in ages), share), (low, high)


def test_a_little_over_half_are_women(many: list[Batch]) -> None:
    assert _is_near(sum(p["gender"] == "female" for p in _resources(many, "Patient")), 0.51)


def test_departments_are_as_full_as_they_are(many: list[Batch]) -> None:
    codes = Counter(p["address"][0]["postalCode"][:2] for p in _resources(many, "Patient"))
    assert _is_near(codes["59"], 2611 / 68_000)
    assert _is_near(codes["75"], 2133 / 68_000)
    assert codes["59"] + codes["75"] > codes["48"] + codes["23"]


@pytest.mark.parametrize(("code", "share"), [("I10", 0.155), ("E11", 0.057), ("J45.0", 0.06), ("E03.9", 0.041)])
def test_chronic_conditions_are_as_frequent_as_in_france(code: str, share: float, many: list[Batch]) -> None:
    found = sum(
        c["code"]["coding"][0]["code"] == code and c["category"][0]["coding"][0]["code"] == "problem-list-item"
        for c in _resources(many, "Condition")
    )
    assert _is_near(found, share)


def test_most_have_an_attending_physician(many: list[Batch]) -> None:
    assert _is_near(sum("generalPractitioner" in p for p in _resources(many, "Patient")), 0.89)


def test_consultations_are_as_many_as_in_france(many: list[Batch]) -> None:
    visits = sum(e["type"][0]["text"] == "Consultation de médecine générale" for e in _resources(many, "Encounter"))
    assert visits / MANY / 3 == pytest.approx(3.9, rel=0.1)


def test_laboratory_reports_are_the_most_frequent_documents(many: list[Batch]) -> None:
    types = Counter(d["type"]["coding"][0]["code"] for d in _resources(many, "DocumentReference"))
    assert types.most_common(1)[0][0] == "11502-2"
    assert types["11502-2"] > types["57833-6"] > types["11490-0"] > 0


def test_few_refuse_anything_and_few_documents_are_hidden(many: list[Batch]) -> None:
    rules = Counter(c["category"][0]["coding"][1]["code"] for c in _resources(many, "Consent"))
    assert _is_near(rules["access"], 0.6)
    assert sum(rules.values()) - rules["access"] < 0.06 * MANY
    labels = Counter(d["securityLabel"][0]["coding"][0]["code"] for d in _resources(many, "DocumentReference"))
    assert 0 < labels.total() - labels["N"] < 0.02 * labels.total()


def test_nobody_blocks_the_attending_physician(many: list[Batch]) -> None:
    blocks = 0
    for record in _records(many):
        physicians = {reference["reference"] for reference in record[0].get("generalPractitioner", [])}
        for consent in (r for r in record if r["resourceType"] == "Consent"):
            if consent["category"][0]["coding"][1]["code"] == "block":
                blocks += 1
                assert consent["provision"]["actor"][0]["reference"]["reference"] not in physicians
    assert blocks


def test_documents_of_the_last_year_are_as_many_as_in_france(many: list[Batch]) -> None:
    # 420 million in the twelve months before January 2026, for 68.6 million people
    last = [d for d in _resources(many, "DocumentReference") if d["date"][:10] > "2025-11-22"]
    assert len(last) / MANY == pytest.approx(6.2, rel=0.2)


@pytest.mark.parametrize(
    ("types", "millions"),
    [(("11502-2",), 17.4), (("57833-6",), 10.8), (("34112-3", "11490-0", "15507-7"), 6)],
    ids=["biology", "prescriptions", "hospital"],
)
def test_documents_of_a_kind_are_as_many_as_in_france(
    types: tuple[str, ...], millions: float, many: list[Batch]
) -> None:
    # what was fed in January 2026, for 68.6 million people
    codes = [d["type"]["coding"][0]["code"] for d in _resources(many, "DocumentReference") if d["date"][:4] == "2026"]
    months = (UNTIL - date(2026, 1, 1)).days / 365 * 12
    monthly = sum(code in types for code in codes) / MANY / months
    assert monthly == pytest.approx(millions / 68.6, rel=0.3)


def test_withheld_documents_are_recent(many: list[Batch]) -> None:
    withheld = [
        d for d in _resources(many, "DocumentReference")
        if d["securityLabel"][0]["coding"][0]["code"] == "INVISIBLE_PATIENT"
    ]  # fmt: skip
    assert all(d["date"][:10] > (UNTIL - timedelta(days=30)).isoformat() for d in withheld)


def test_minors_have_a_guardian_who_consents(many: list[Batch]) -> None:
    for record in _records(many):
        guardians = [f"RelatedPerson/{r['id']}" for r in record if r["resourceType"] == "RelatedPerson"]
        is_minor = age_at(date.fromisoformat(record[0]["birthDate"]), UNTIL) < 18
        assert guardians or not is_minor
        for consent in (r for r in record if r["resourceType"] == "Consent" and is_minor):
            assert consent["performer"][0]["reference"] in guardians


def test_mothers_are_women_of_an_age_for_it(many: list[Batch]) -> None:
    for record in _records(many):
        deliveries = [
            c for c in record
            if c["resourceType"] == "Condition" and c["code"]["coding"][0]["code"] == "O80.9"
        ]  # fmt: skip
        birth = date.fromisoformat(record[0]["birthDate"])
        for delivery in deliveries:
            assert record[0]["gender"] == "female"
            assert 15 <= age_at(birth, date.fromisoformat(delivery["onsetDateTime"])) < 45


def test_every_table_names_its_source_and_year() -> None:

    for file in DATA.glob("*.json"):
        for name, table in orjson.loads(file.read_bytes()).items():
            assert table["source"], (file.name, name)
            assert 2000 < table["year"] <= 2026, (file.name, name)
