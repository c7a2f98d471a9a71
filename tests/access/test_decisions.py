"""The decision table that a lawyer can read (tests/cases/access/decisions.yaml), cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from fhir_dmp.access.decide import Deny, decide, decide_item
from fhir_dmp.access.reason import Rule
from fhir_dmp.access.subscribing import name_subscriber
from fhir_dmp.search.match import matches
from fhir_dmp.search.security import SUBSCRIBER
from tests.strategies.access import (
    FINESS,
    MATRIX,
    SYSTEMS,
    TYPES,
    concept,
    consent,
    facts,
    inquiry,
    record,
    reference,
)

Json = Any

TABLE = yaml.safe_load((Path(__file__).parents[1] / "cases" / "access" / "decisions.yaml").read_text(encoding="utf8"))
LOINC = "http://loinc.org"
TRAITS = {"fermé": "is_closed", "enfant": "is_child", "majeur protégé": "is_protected"}
FEWEST_CELLS = 250


def document(name: str, type_system: str = LOINC, code: str = "34112-3", **rest: Json) -> Json:
    """A document of the author's, about care in 2023."""
    made = {
        "resourceType": "DocumentReference",
        "id": name,
        "meta": {"lastUpdated": "2024-05-20T08:00:00Z"},
        "status": "current",
        "subject": reference("Patient/p"),
        "date": "2024-05-20T08:00:00Z",
        "author": [reference("Practitioner/auteur")],
        "context": {"period": {"start": "2023-05-01", "end": "2023-05-08"}},
        **rest,
    }
    return {**made, "type": concept(type_system, code)} if code else made


def label(code: str) -> Json:
    system = "conf" if len(code) == 1 else "vis"
    return [{"coding": [{"system": SYSTEMS[system], "code": code}]}]


def benefit(name: str, day: str) -> Json:
    """What the assurance maladie paid for an act of the author's in that hospital."""
    return {
        "resourceType": "ExplanationOfBenefit",
        "id": name,
        "meta": {"lastUpdated": "2024-05-20T08:00:00Z"},
        "patient": reference("Patient/p"),
        "created": "2024-05-20",
        "billablePeriod": {"start": day, "end": day},
        "insurer": {"identifier": {"system": FINESS, "value": "180035024"}},
        "provider": reference("Organization/site"),
        "careTeam": [{"sequence": 1, "provider": reference("Practitioner/auteur")}],
    }


OTHERS = [reference("Practitioner/confrere")]
INSURANCE = [{"identifier": {"system": FINESS, "value": "180035024"}}]
ITEMS: dict[str, Json] = {
    "compte rendu": document("compte-rendu"),
    "biologie": document(
        "biologie",
        code="11502-2",
        author=OTHERS,
        context={"period": {"start": "2024-03-01", "end": "2024-03-01"}, "encounter": [reference("Encounter/sejour")]},
    ),
    "psychiatrie": document("psychiatrie", code="68599-0", author=OTHERS),
    "directives anticipées": document("directives", TYPES, "EXPPAT_3", author=OTHERS),
    "accouchement": document("accouchement", code="15508-5", author=OTHERS),
    "résidence": document("residence", TYPES, "ATTEST-RESID", author=OTHERS),
    "sans type": document("sans-type", code="", author=OTHERS),
    "masqué": document("masque", securityLabel=label("MASQUE_PS")),
    "restreint": document("restreint", securityLabel=label("R")),
    "très restreint": document("tres-restreint", securityLabel=label("V")),
    "retenu": document("retenu", securityLabel=label("INVISIBLE_PATIENT")),
    "retenu il y a deux mois": document(
        "retenu-ancien", securityLabel=label("INVISIBLE_PATIENT"), date="2024-04-01T08:00:00Z"
    ),
    "caché aux parents": document("cache", securityLabel=label("INVISIBLE_REPRESENTANTS_LEGAUX")),
    "écrit par l'hôpital": document("hopital", author=[{"identifier": {"system": FINESS, "value": "750000002"}}]),
    "deux patients": document("deux", context={"related": [reference("Patient/q")]}),
    "autre dossier": document("autre", subject=reference("Patient/q")),
    "remboursement": benefit("remboursement", "2022-06-01"),
    "remboursement ancien": benefit("ancien", "2022-05-31"),
    "historique": document("historique", TYPES, "REMB", author=INSURANCE, context={}),
    "historique ancien": document(
        "historique-ancien", TYPES, "REMB", author=INSURANCE, context={"period": {"end": "2022-05-31"}}
    ),
    "observation": {
        "resourceType": "Observation",
        "id": "poids",
        "meta": {"lastUpdated": "2024-05-20T08:00:00Z"},
        "subject": reference("Patient/p"),
        "code": concept(LOINC, "29463-7"),
        "performer": OTHERS,
    },
    "allergie": {"resourceType": "AllergyIntolerance", "id": "a", "patient": reference("Patient/p")},
    "fiche patient": {"resourceType": "Patient", "id": "p"},
    "annuaire": {"resourceType": "Organization", "id": "chu"},
    "un consentement": {"resourceType": "Consent", "id": "c", "patient": reference("Patient/p")},
    "un avis au patient": {
        "resourceType": "Communication",
        "id": "avis",
        "subject": reference("Patient/p"),
        "recipient": [reference("Patient/p")],
        "meta": {"security": [{"system": SYSTEMS["conf"], "code": "R"}]},
    },
    "un avis au médecin traitant": {
        "resourceType": "Communication",
        "id": "avis-mt",
        "subject": reference("Patient/p"),
        "recipient": [reference("Practitioner/martin")],
        "meta": {"security": [{"system": SYSTEMS["conf"], "code": "R"}]},
    },
    "un abonnement du généraliste": {
        "resourceType": "Subscription",
        "id": "s",
        "extension": [
            {
                "url": SUBSCRIBER,
                "valueString": name_subscriber(inquiry(TABLE["people"]["Dr Petit, généraliste"]).requester),
            }
        ],
    },
    "une trace": {"resourceType": "AuditEvent", "id": "t", "entity": [{"what": reference("Patient/p")}]},
}
FACTS = {name: facts(resource) for name, resource in ITEMS.items()}


class Cell(NamedTuple):
    """One decision of the table."""

    row: str
    item: str
    expected: str


def cells() -> Iterator[Any]:
    for table in TABLE["tables"]:
        for row, answers in table["rows"].items():
            for item, expected in zip(table["items"], answers.split(), strict=True):
                yield pytest.param(Cell(row, item, expected), id=f"{row}: {item} {expected}")


def decide_cell(cell: Cell) -> str:
    who, *given = [part.strip() for part in cell.row.split(" + ")]
    traits = {TRAITS[name]: True for name in given if name in TRAITS}
    consents = [consent(name, TABLE["consents"][name]) for name in given if name not in TRAITS]
    asked, state, item = inquiry(TABLE["people"][who]), record(consents, **traits), FACTS[cell.item]
    verdict = decide_item(asked, state, MATRIX, item)
    decision = decide(asked, [state], MATRIX)
    shown = not isinstance(decision, Deny) and matches(decision.restriction.clause, item)
    assert shown == verdict.permitted, "the filter and the decision about the item differ"
    return f"{'+' if verdict.permitted else '-'}{verdict.reason.rule.value}"


@pytest.mark.parametrize("cell", list(cells()))
def test_the_table_of_decisions(cell: Cell) -> None:
    assert decide_cell(cell) == cell.expected


def test_the_table_is_large_and_uses_everything_it_names() -> None:
    rows = [row for table in TABLE["tables"] for row in table["rows"]]
    named = {part.strip() for row in rows for part in row.split(" + ")}
    assert sum(len(answers.split()) for table in TABLE["tables"] for answers in table["rows"].values()) >= FEWEST_CELLS
    assert named == {*TABLE["people"], *TABLE["consents"], *TRAITS}


def test_every_reason_of_a_reading_stands_in_the_table() -> None:
    told = {word[1:] for table in TABLE["tables"] for row in table["rows"].values() for word in row.split()}
    rules = list(Rule)
    of_reading = {rule.value for rule in rules[: rules.index(Rule.FEEDING)]}
    assert of_reading - told == {"too-many-records", "one-record-in-emergency"}
