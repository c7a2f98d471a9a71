"""Random records: items, Consents and requesters over few values, so that they often concern each other."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.strategies.access import SYSTEMS, TYPES, coding, concept, consent, named, reference

Json = Any

LOINC = "http://loinc.org"
PROFILE = "https://fhir-dmp.fr/StructureDefinition/x"
DATES = ("2022", "2023", "2023-05-01", "2023-12-31", "2024-03-01", "2024-05-20T08:00:00Z")
INSTANTS = ("2022-06-01T00:00:00Z", "2024-04-30T12:00:00Z", "2024-05-01T10:00:00Z", "2024-05-20T08:00:00Z")
PERIODS = (
    {"start": "2023", "end": "2023"}, {"start": "2024-01-01"}, {"end": "2022"},
    {"start": "2023-05-01", "end": "2024-03-01"},
)  # fmt: skip
NOW_PERIODS = (
    {"end": "2024-05-31"}, {"end": "2024-06-01"}, {"start": "2024-06-02"}, {"start": "2024-01-01", "end": "2025"},
)  # fmt: skip
LABELS = (
    "conf|N", "conf|R", "conf|V", "conf|U", "act|PSY", "act|ETHUD", "act|SPI", "act|SUD", "vis|MASQUE_PS",
    "vis|INVISIBLE_PATIENT", "vis|INVISIBLE_REPRESENTANTS_LEGAUX",
)  # fmt: skip
ACTORS = (
    "Practitioner/petit", "Practitioner/auteur", "Practitioner/equipier", "Organization/chu", "Organization/site",
    "CareTeam/equipe", "Group/groupe", "RelatedPerson/aidant", "https://rpps.esante.gouv.fr|10000000004",
    "PractitionerRole/site-role", "PractitionerRole/petit-role", "PractitionerRole/petit-ancien", "CareTeam/numeros",
    "CareTeam/anciens", "Group/numeros", "Practitioner/inconnu", "https://finess.esante.gouv.fr|750000002",
)  # fmt: skip
AUTHORS = (
    "Practitioner/petit", "Practitioner/auteur", "https://rpps.esante.gouv.fr|10000000004", "Organization/site",
    "https://finess.esante.gouv.fr|750000002", "Practitioner/equipier", "Patient/p", "#inside", "Organization/chu",
)  # fmt: skip
RECIPIENTS = ("Patient/p", "Practitioner/martin", "https://rpps.esante.gouv.fr|10000000001", "Practitioner/petit")
DOCUMENT_TYPES = (
    (LOINC, "34112-3"),
    (LOINC, "11502-2"),
    (LOINC, "68599-0"),
    (TYPES, "ATTEST-RESID"),
    (LOINC, "15508-5"),
)
PURPOSES = ("TREAT", "HPAYMT", "BTG", "ETREAT", "mode|bris_de_glace", "mode|centre_15", "mode|normal", "PATRQT")
DATA = (
    "instance|DocumentReference/1", "instance|Observation/2", "authoredby|Practitioner/auteur",
    "related|Encounter/sejour", "authoredby|https://rpps.esante.gouv.fr|10000000004", "dependents|Encounter/sejour",
    "related|Observation/3", "dependents|DocumentReference/1",
)  # fmt: skip
PEOPLE: tuple[Json, ...] = (
    *({"rpps": f"100000000{end}"} for end in ("01", "02", "03", "04", "04", "04", "05", "06", "08")),
    {"rpps": "10000000004", "scopes": "user/Observation.rs"},
    {"rpps": "10000000004", "scopes": ""},
    {"rpps": "10000000004", "organization": "750000009"},
    {"rpps": "10000000004", "organization": "750000002"},
    {"rpps": "10000000005", "organization": "750000002"},
    {"rpps": "10000000005", "organization": "750000009"},
    {"rpps": "10000000015", "regulator": True, "purpose": "ETREAT", "issued": 5},
    {"rpps": "10000000004", "reason": "x", "purpose": "BTG", "issued": 239},
    {"rpps": "10000000004", "reason": "x", "purpose": "BTG TREAT", "issued": 240},
    {"rpps": "10000000003", "reason": "", "purpose": "BTG", "issued": 5},
    {"kind": "patient", "patient": "p"},
    {"kind": "patient", "patient": "q"},
    {"kind": "representative", "patient": "p", "reference": "RelatedPerson/mere"},
    {"kind": "helper", "patient": "p", "reference": "RelatedPerson/aidant"},
    {"kind": "helper", "patient": "p", "reference": "RelatedPerson/aidant", "ended": True},
    {"kind": "hospital", "organization": "750000002"},
    {"kind": "administrator"},
    {"kind": "auditor"},
    {"kind": "excluded"},
    {"kind": "system"},
)
PROFESSIONS = ("10", "10", "10", "21", "40", "60", "80", "93", "26", "")


def some(random: Random, values: tuple[str, ...], most: int = 2) -> list[str]:
    return random.sample(values, random.randint(1, most))


def make_item(random: Random, number: int) -> Json:
    kind = random.choice(
        ("DocumentReference",) * 4
        + ("Observation",) * 3
        + ("Encounter", "Consent", "AuditEvent", "Patient", "Organization", "Medication")
    )
    item: Json = {"resourceType": kind, "id": str(number), "meta": {"lastUpdated": "2024-05-25T08:00:00Z"}}
    about = reference("Patient/" + random.choice("pppppq"))
    if kind in {"Organization", "Medication"}:
        return item
    if kind == "Patient":
        return {**item, "id": "p"} if number == 0 else {**item, "id": f"q{number}"}
    if kind == "AuditEvent" and number % 2:
        # every other one is a notice: nothing is drawn for it, so that seeds stand for the same worlds as before
        sent_to = named(RECIPIENTS[number // 2 % len(RECIPIENTS)])
        return {**item, "resourceType": "Communication", "subject": about, "recipient": [sent_to]}
    if kind == "AuditEvent":
        return {**item, "entity": [{"what": about}]}
    if kind == "Consent":
        return {**item, "patient": about}
    item["subject"] = about
    if random.random() < 0.3:
        item["meta"]["security"] = [coding(text) for text in some(random, LABELS)]
    if random.random() < 0.2:
        item["meta"]["profile"] = [PROFILE]
    {"DocumentReference": _fill_document, "Observation": _fill_observation, "Encounter": _fill_encounter}[kind](
        random, item
    )
    return item


def _fill_document(random: Random, item: Json) -> None:
    if random.random() < 0.9:
        pairs = random.sample(DOCUMENT_TYPES, random.choice((1, 1, 1, 2)))
        item["type"] = {"coding": [{"system": system, "code": code} for system, code in pairs]}
    if random.random() < 0.4:
        item["securityLabel"] = [{"coding": [coding(text)]} for text in some(random, LABELS)]
    if random.random() < 0.7:
        item["date"] = random.choice(INSTANTS)
    if random.random() < 0.3:
        item["content"] = [{"attachment": {"contentType": "application/pdf"}}]
    context: Json = {"period": random.choice(PERIODS)} if random.random() < 0.5 else {}
    if random.random() < 0.3:
        context["encounter"] = [reference("Encounter/sejour")]
    if random.random() < 0.05:
        context["related"] = [reference("Patient/z")]
    if context:
        item["context"] = context
    _sign(random, item, "author")


def _fill_observation(random: Random, item: Json) -> None:
    item["code"] = concept(LOINC, random.choice(("29463-7", "11502-2", "68599-0")))
    if random.random() < 0.7:
        item["effectiveDateTime"] = random.choice(DATES)
    if random.random() < 0.3:
        item["encounter"] = reference("Encounter/sejour")
    _sign(random, item, "performer")


def _fill_encounter(random: Random, item: Json) -> None:
    if random.random() < 0.5:
        item["period"] = random.choice(PERIODS)


def _sign(random: Random, item: Json, key: str) -> None:
    if random.random() < 0.6:
        names = some(random, AUTHORS)
        item[key] = [reference(name) if name.startswith("#") else named(name) for name in names]
        if "#inside" in names:
            identifier = {"system": "https://rpps.esante.gouv.fr", "value": "10000000003"}
            item["contained"] = [{"resourceType": "Practitioner", "id": "inside", "identifier": [identifier]}]


def make_rule(random: Random, depth: int, effect: str | None = None) -> Json:
    """The short form of a provision; with an effect, of this effect all the way down."""
    rule: Json = {"type": effect or random.choice(("permit", "permit", "deny"))}
    chances = {
        "actor": (0.4, ACTORS), "purpose": (0.4, PURPOSES),
        "action": (0.15, ("access", "use", "disclose", "collect", "correct")),
        "label": (0.2, LABELS), "code": (0.15, (f"{LOINC}|11502-2", f"{LOINC}|68599-0", f"{LOINC}|34112-3")),
        "class": (0.15, ("http://hl7.org/fhir/resource-types|Observation", f"urn:ietf:rfc:3986|{PROFILE}",
                         "urn:ietf:bcp:13|application/pdf")),
        "data": (0.2, DATA),
    }  # fmt: skip
    for name, (chance, values) in chances.items():
        if random.random() < chance:
            rule[name] = some(random, values, 3)
    if random.random() < 0.2:
        rule["period"] = random.choice(NOW_PERIODS)
    if random.random() < 0.2:
        rule["dataPeriod"] = random.choice(PERIODS)
    if depth and effect is None and random.random() < 0.5:
        rule["provision"] = [make_rule(random, depth - 1) for _ in range(random.randint(1, 2))]
    return rule


def make_consent(random: Random, name: str) -> Json:
    rule = {} if random.random() < 0.05 else make_rule(random, 4)
    if not rule or random.random() < 0.1:
        rule["policy"] = random.choice(("OPTIN", "OPTOUT"))
    if random.random() < 0.1:
        rule["status"] = random.choice(("draft", "inactive", "entered-in-error"))
    if random.random() < 0.05:
        rule["scope"] = "research"
    if random.random() < 0.1:
        rule["suspended"] = True
    if rule.get("type") and random.random() < 0.03:
        del rule["type"]
    return consent(name, rule)


def make_person(random: Random) -> Json:
    person = {
        "profession": random.choice(PROFESSIONS),
        "purpose": random.choice(("TREAT", "TREAT", "TREAT HPAYMT", "HPAYMT", "")),
    }
    chosen = random.choice(PEOPLE)
    return {**(person if "rpps" in chosen else {}), **chosen}


def make_traits(random: Random) -> dict[str, bool]:
    return {name: random.random() < 0.1 for name in ("is_closed", "is_child", "is_protected")}


__all__ = ["SYSTEMS", "make_consent", "make_item", "make_person", "make_rule", "make_traits"]
