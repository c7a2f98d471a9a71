"""Which Consents can be interpreted; HL7's twelve examples, and what IHE PCF's examples imply."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.access.consent import check_consent, is_enforced, read_consent
from fhir_dmp.access.provision import Situation, compile_directive, related_targets
from fhir_dmp.json_text import parse_json
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.match import matches
from tests.strategies.access import NOW, READING, coding, concept, consent, facts, reference

Json = Any

SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared")) / "suites"
needs_suites = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the published Consents are not at {SHARED}")
ACTOR = {"role": concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP")}
GOOD = consent("c", {"type": "permit", "actor": ["Practitioner/petit"], "purpose": ["TREAT"]})
PROVISION = GOOD["provision"]


def nested(depth: int) -> Json:
    return {"type": "deny", "provision": [nested(depth - 1)]} if depth else {"type": "permit"}


def with_provision(**members: Json) -> Json:
    return {**GOOD, "provision": {**PROVISION, **members}}


BACKWARDS = {"start": "2025", "end": "2024"}
CUSTODIAN = {"role": concept("http://x", "CST"), "reference": reference("Practitioner/1")}
ELSEWHERE = "https://other.example/Observation/1"
FAULTS: dict[str, list[Json]] = {
    "consent-type": [{**GOOD, "provision": {"actor": PROVISION["actor"]}}, with_provision(provision=[{"action": []}])],
    "consent-policy-rule": [
        {**GOOD, "policyRule": {"text": "as the law says"}},
        {**GOOD, "policyRule": concept("http://x", "OPTIN")},
    ],
    "consent-modifier-extension": [
        {**GOOD, "modifierExtension": [{"url": "http://x"}]},
        {**GOOD, "implicitRules": "http://x"},
        with_provision(actor=[{**PROVISION["actor"][0], "modifierExtension": [{"url": "http://x"}]}]),
    ],
    "consent-contained": [with_provision(actor=[{**ACTOR, "reference": reference("#inside")}])],
    "consent-reference": [
        with_provision(actor=[{**ACTOR, "reference": {"display": "Dr Petit"}}]),
        with_provision(actor=[]),
    ],
    "consent-actor-role": [with_provision(actor=[CUSTODIAN])],
    "consent-size": [{**GOOD, "provision": nested(5)}, with_provision(provision=[{"type": "deny"}] * 200)],
    "consent-patient": [{key: value for key, value in GOOD.items() if key != "patient"}],
    "consent-empty": [{key: value for key, value in GOOD.items() if key != "provision"}],
    "consent-scope": [{**GOOD, "scope": {"text": "privacy"}}],
    "consent-period": [with_provision(period={"start": "2024-02-30"}), with_provision(period=BACKWARDS)],
    "consent-action": [
        with_provision(action=[{"text": "read"}]),
        with_provision(action=[concept("http://x", "access")]),
    ],
    "consent-purpose": [
        with_provision(purpose=[{"system": "http://x", "code": "TREAT"}]),
        with_provision(purpose=[{"display": "x"}]),
    ],
    "consent-class": [
        with_provision(**{"class": [{"display": "all"}]}),
        with_provision(**{"class": [{"code": "Observation"}]}),
    ],
    "consent-label": [
        with_provision(securityLabel=[{"display": "secret"}]),
        with_provision(securityLabel=[{"code": "R"}]),
    ],
    "consent-code": [
        with_provision(code=[{"text": "biology"}]),
        with_provision(code=[{"coding": [{"code": "11502-2"}]}]),
    ],
    "consent-data": [
        with_provision(data=[{"meaning": "near", "reference": reference("Observation/1")}]),
        with_provision(data=[{"meaning": "instance", "reference": reference(ELSEWHERE)}]),
        with_provision(data=[]),
    ],
}


def errors(row: Json) -> list[str]:
    return [issue.code for issue in check_consent(row, READING) if issue.severity == "error"]


@pytest.mark.parametrize(("code", "row"), [(code, row) for code, rows in FAULTS.items() for row in rows])
def test_what_cannot_be_interpreted_is_refused_and_not_read(code: str, row: Json) -> None:
    assert code in errors(row)
    assert read_consent(row, READING) is None


def test_a_plain_consent_has_no_fault() -> None:
    assert check_consent(GOOD, READING) == []


def test_four_levels_of_exceptions_are_read() -> None:
    assert errors({**GOOD, "provision": nested(4)}) == []


def test_an_exception_that_repeats_its_rule_is_a_warning() -> None:
    found = check_consent(with_provision(provision=[{"type": "permit"}]), READING)
    assert [(issue.severity, issue.code) for issue in found] == [("warning", "consent-same-type")]


@pytest.mark.parametrize("status", ["draft", "proposed", "rejected", "inactive", "entered-in-error"])
def test_only_an_active_consent_is_enforced(status: str) -> None:
    assert not is_enforced({**GOOD, "status": status})
    assert check_consent({**GOOD, "status": status, "provision": {}}, READING) == []


# reference/consent.md, fact 3: only notOrg says what its root means
NAMES_OF_HL7 = (
    "Emergency", "Out", "basic", "grantor", "notAuthor", "notOrg", "notThem", "notThis", "notTime", "pkb", "signature",
    "smartonfhir",
)  # fmt: skip
HL7: dict[str, list[str]] = {"notOrg": []}


@needs_suites
@pytest.mark.parametrize("name", NAMES_OF_HL7)
def test_of_hl7s_examples_only_the_one_that_says_what_it_means_is_accepted(name: str) -> None:
    row = parse_json((SHARED / "consent-hl7-r4-examples" / f"Consent-consent-example-{name}.json").read_bytes())
    found = errors(row)
    assert found == HL7[name] if name in HL7 else "consent-type" in found


PARTY = frozenset({"Practitioner/ex-practitioner", "Group/ex-privilegedUsers"})
LABELS: tuple[tuple[str, ...], ...] = (
    (),
    ("conf|N",),
    ("conf|R",),
    ("act|PSY",),
    ("conf|R", "act|PSY"),
    ("conf|R", "act|SDV"),
)
TIMES = ("2021-06-01", "2022-06-01", "2023-06-01")
WHERE: tuple[Json, ...] = ({}, {"encounter": reference("Encounter/ex-encounter")})
NAMES = ("ex-weight", "ex-alcoholUse", "other")
AUTHORS: tuple[Json, ...] = ([], [reference("Practitioner/ex-practitioner")])


def pcf_items() -> list[tuple[Json, Facts]]:
    items = []
    for labels, time, where, name, author in product(LABELS, TIMES, WHERE, NAMES, AUTHORS):
        meta = {"lastUpdated": "2024-01-01T00:00:00Z", "security": [coding(text) for text in labels]}
        item = {
            "resourceType": "Observation",
            "id": name,
            "meta": meta,
            "effectiveDateTime": time,
            "performer": author,
            **where,
        }
        items.append((item, facts(item)))
    return items


def residual_permits(rules: Sequence[Json], item: Json) -> bool:
    """PCF's reading: nothing forbids it, or only what forbids everything, and a permit overrides that."""
    forbids = [rule for rule in rules if rule["type"] in {"forbid", "deny"}]
    everything = [rule for rule in forbids if rule.keys() == {"type"}]
    if any(applies(rule, item) for rule in forbids if rule not in everything):
        return False
    return not everything or any(applies(rule, item) for rule in rules if rule["type"] == "permit")


def applies(rule: Json, item: Json) -> bool:
    return all(ASKED[key](asked, item, rule["type"]) for key, asked in rule.items() if key != "type")


def has_label(asked: Json, item: Json, effect: str) -> bool:
    own = {row["code"] for row in item["meta"]["security"]}
    rank = max([("N", "R").index(code) for code in own & {"N", "R"}], default=0)
    return any(
        (rank <= "NR".index(row["code"]) if effect == "permit" else rank >= "NR".index(row["code"]))
        if row["code"] in {"N", "R"}
        else row["code"] in own
        for row in asked
    )


def is_in_time(asked: Json, item: Json, _effect: str) -> bool:
    return bool(asked.get("start", "") <= item["effectiveDateTime"] <= asked.get("end", "9"))


def is_named(asked: Json, item: Json, _effect: str) -> bool:
    for row in asked:
        link = row["reference"]["reference"].removeprefix("http://example.org/fhir/")
        seen = {
            "instance": link == f"Observation/{item['id']}",
            "related": item.get("encounter") == reference(link),
            "authoredby": reference(link) in item["performer"],
        }
        if seen[row["meaning"]]:
            return True
    return False


ASKED = {"securityLabel": has_label, "dataPeriod": is_in_time, "data": is_named}
NARROWER = {"ex-consent-advanced-normal-focused-psy", "ex-consent-advanced-normal-focused-psy-or-sdv"}
"""A permit inside a permit narrows nothing here and widens nothing; PCF reads it as one more permit."""


def pcf_cases() -> list[str]:
    file = SHARED / "ihe-pcf" / "expected-residuals.json"
    rows = parse_json(file.read_bytes()) if file.is_file() else {}
    return sorted(name for name, row in rows.items() if row.get("residual"))


@needs_suites
@pytest.mark.parametrize("name", pcf_cases())
def test_ihe_pcf_examples_imply_their_residual_rules(name: str) -> None:
    row = parse_json((SHARED / "ihe-pcf" / "json" / f"{name}.json").read_bytes())
    rules = parse_json((SHARED / "ihe-pcf" / "expected-residuals.json").read_bytes())[name]["residual"]
    directive = read_consent(row, READING)
    assert directive is not None
    references = dict.fromkeys(related_targets([directive]), frozenset[str]())
    opinion = compile_directive(directive, Situation(PARTY, "TREAT", "access", NOW, references))
    for item, found in pcf_items():
        ours, theirs = matches(opinion.permit, found), residual_permits(rules, item)
        assert ours <= theirs, item
        assert ours == theirs or name in NARROWER, item


@needs_suites
def test_ihe_pcf_examples_can_be_interpreted_but_for_a_purpose_that_nobody_knows() -> None:
    files = sorted((SHARED / "ihe-pcf" / "json").glob("*.json"))
    found = {file.stem: errors(parse_json(file.read_bytes())) for file in files}
    assert found
    assert {name: codes for name, codes in found.items() if codes} == {
        "ex-consent-intermediate-purpose": ["consent-purpose"]
    }
