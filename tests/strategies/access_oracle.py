"""Who sees what, a second time: slow and obvious, from the JSON itself. It shares no code with fhir_dmp.access.

No Facts, no clauses, no Directive: a Consent is walked as the specification tells it, an item is looked at directly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fhir_dmp.loader import load_habilitation

Json = Any

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2024, 6, 1, 10, tzinfo=UTC)
ORDER = "ULMNRV"
ABOVE = {"PSY": {"PSY", "SPI"}, "ETHUD": {"ETHUD", "SUD", "SPI"}, "SPI": {"SPI"}, "SUD": {"SUD", "SPI"}}
PUBLIC = {"Organization", "Practitioner", "Medication"}
KNOWN_AS = {
    "10000000001": {"Practitioner/martin"},
    "10000000002": {"Practitioner/admin"},
    "10000000003": {"Practitioner/auteur"},
    "10000000004": {"Practitioner/petit"},
    "10000000005": {"Practitioner/site"},
    "10000000006": {"Practitioner/equipier"},
    "10000000008": {"Practitioner/groupiste"},
    "10000000015": {"Practitioner/regulateur"},
}
MEMBER_OF = {
    "10000000004": {"CareTeam/numeros"},
    "10000000006": {"CareTeam/equipe"},
    "10000000008": {"Group/groupe"},
    "PractitionerRole/site-role": {"CareTeam/equipe"},
    "PractitionerRole/petit-ancien": {"CareTeam/anciens"},
    "https://finess.esante.gouv.fr|750000002": {"Group/numeros"},
}
ROLES = {
    ("10000000005", "750000002"): {"PractitionerRole/site-role"},
    ("10000000004", "750000009"): {"PractitionerRole/petit-role", "PractitionerRole/petit-ancien"},
}
OVER = {"PractitionerRole/petit-ancien", "CareTeam/anciens"}
STRUCTURES = {"750000002": {"Organization/site", "Organization/chu"}, "750000009": {"Organization/ville"}}
OWN_STRUCTURE = {"750000002": {"Organization/site", "https://finess.esante.gouv.fr|750000002"}}
FINESS, RPPS = "https://finess.esante.gouv.fr|", "https://rpps.esante.gouv.fr|"
TABLE = load_habilitation()


def may_see(who: Mapping[str, Json], consents: Sequence[Json], traits: Mapping[str, bool], item: Json) -> bool:
    kind = who.get("kind", "practitioner")
    if kind == "excluded" or not in_scope(who, item):
        return False
    if kind == "system" or item["resourceType"] in PUBLIC:
        return True
    if kind == "hospital":
        return bool(authors(item) & OWN_STRUCTURE.get(who["organization"], set()))
    if kind == "auditor":
        return bool(item["resourceType"] == "AuditEvent")
    if kind == "administrator" or patient_of(item) != "p":
        return False
    return sees_of_record(kind, who, consents, traits, item)


def sees_of_record(
    kind: str, who: Mapping[str, Json], consents: Sequence[Json], traits: Mapping[str, bool], item: Json
) -> bool:
    is_closed = traits.get("is_closed", False)
    if kind == "patient":
        left = not is_closed or item["resourceType"] in {"Patient", "Consent", "AuditEvent", "Communication"}
        return who["patient"] == "p" and left and not is_withheld(item) and not shows_others(item)
    if is_closed or shows_others(item):
        return False
    if kind == "practitioner":
        return professional_sees(who, consents, item)
    if not is_near(who) or is_withheld(item) or "INVISIBLE_REPRESENTANTS_LEGAUX" in visibility(item):
        return False
    if kind == "representative":
        return bool(traits.get("is_child") or traits.get("is_protected"))
    return helper_sees(who, consents, item)


def is_near(who: Mapping[str, Json]) -> bool:
    return who["patient"] == "p" and not who.get("ended")


def helper_sees(who: Mapping[str, Json], consents: Sequence[Json], item: Json) -> bool:
    if any(is_unreadable(consent) for consent in in_force(consents)) or item["resourceType"] in {
        "Consent",
        "AuditEvent",
        "Communication",
    }:
        return False
    if "MASQUE_PS" in visibility(item) or rank(item) > ORDER.index("N"):
        return False
    party = {who["reference"]}
    return any(
        permits_alone(consents, party, purpose, item) for purpose in who.get("purpose", "").split() or ["PATRQT"]
    )


def professional_sees(who: Mapping[str, Json], consents: Sequence[Json], item: Json) -> bool:
    own = self_of(who)
    if any(is_unreadable(consent) for consent in in_force(consents)) or item["resourceType"] == "Consent":
        return False
    if any(is_block(consent, own) for consent in in_force(consents)):
        return False
    if item["resourceType"] == "AuditEvent":
        return bool(own & {"Practitioner/martin", "Practitioner/admin"})
    if item["resourceType"] == "Communication":
        sent_to = {text for row in item.get("recipient", []) for text in texts(row)}
        return "Practitioner/martin" in own and bool(sent_to & own)
    if authors(item) & own or own & {"Practitioner/martin", "Practitioner/admin"}:
        return True
    return any(purpose_opens(who, consents, purpose, item) for purpose in who.get("purpose", "").split())


def purpose_opens(who: Mapping[str, Json], consents: Sequence[Json], purpose: str, item: Json) -> bool:
    if not habilitated(who.get("profession", ""), item):
        return False
    own = self_of(who)
    teams = {team for text in (who.get("rpps", ""), *own, *structures(who)) for team in MEMBER_OF.get(text, ())}
    party = own | teams | structures(who)
    says = {index: opinion(consent, party, purpose, item) for index, consent in enumerate(consents)}
    if "deny" in says.values():
        return False
    opening = "permit" in says.values()
    # what a policy rule says of all the rest names no label
    roots = [consent for consent in in_force(consents) if "provision" in consent and not is_suspended(consent)]
    named = [consent for consent in roots if value(consent["provision"], party, purpose, item) == "permit"]
    masks = visibility(item) & {"MASQUE_PS", "MASQUE_PT"}
    if purpose in {"BTG", "ETREAT"}:
        minutes = who.get("issued")
        allowed = who.get("regulator") if purpose == "ETREAT" else who.get("reason", "").strip()
        if not allowed or minutes is None or not 0 <= minutes < 240:
            return False
        return not masks or any(root_names(consent, "MASQUE_PS") for consent in named)
    if not opening or masks:
        return False
    return rank(item) < ORDER.index("V") or any(root_names(consent, "V") for consent in named)


def permits_alone(consents: Sequence[Json], party: set[str], purpose: str, item: Json) -> bool:
    said = [opinion(consent, party, purpose, item) for consent in consents]
    return "deny" not in said and "permit" in said


def opinion(consent: Json, party: set[str], purpose: str, item: Json) -> str | None:
    said = say(consent, party, purpose, item)
    return None if said == "permit" and is_suspended(consent) else said


def is_suspended(consent: Json) -> bool:
    return any(tag["system"].endswith("dmp-merge-suspended") for tag in consent.get("meta", {}).get("tag", []))


def say(consent: Json, party: set[str], purpose: str, item: Json) -> str | None:
    if consent not in in_force([consent]):
        return None
    inside = value(consent["provision"], party, purpose, item) if "provision" in consent else None
    if inside:
        return inside
    codes = [row["code"] for row in consent.get("policyRule", {}).get("coding", [])]
    return {"OPTIN": "permit", "OPTOUT": "deny"}.get(codes[0]) if codes else None


def value(node: Json, party: set[str], purpose: str, item: Json) -> str | None:
    """The normal form: silent unless all attributes match; exceptions decide where one matches; a deny wins."""
    if not all(test(node, party, purpose, item) for test in TESTS):
        return None
    kids = [value(child, party, purpose, item) for child in node.get("provision", [])]
    spoken = [said for said in kids if said]
    if spoken:
        return "deny" if "deny" in spoken else "permit"
    return str(node["type"])


def in_time(node: Json, _party: set[str], _purpose: str, _item: Json) -> bool:
    low, high = bounds(node.get("period", {}))
    return low <= NOW < high


def for_party(node: Json, party: set[str], _purpose: str, _item: Json) -> bool:
    named = party - OVER if node["type"] == "permit" else party
    return "actor" not in node or any(text in named for row in node["actor"] for text in texts(row["reference"]))


def for_reading(node: Json, _party: set[str], _purpose: str, _item: Json) -> bool:
    codes = {coding["code"] for row in node.get("action", []) for coding in row["coding"]}
    reading = {"access", "use", "disclose"} if node["type"] == "deny" else {"access"}
    return "action" not in node or bool(codes & reading)


def for_purpose(node: Json, _party: set[str], purpose: str, _item: Json) -> bool:
    modes = {"bris_de_glace": "BTG", "centre_15": "ETREAT", "normal": "TREAT"}
    return "purpose" not in node or purpose in {modes.get(row["code"], row["code"]) for row in node["purpose"]}


def of_class(node: Json, _party: set[str], _purpose: str, item: Json) -> bool:
    return "class" not in node or any(is_of(row["system"], row["code"], item) for row in node["class"])


def is_of(system: str, code: str, item: Json) -> bool:
    if system == "http://hl7.org/fhir/resource-types":
        return bool(item["resourceType"] == code)
    if system == "urn:ietf:rfc:3986":
        return code in item.get("meta", {}).get("profile", [])
    if system == "urn:ietf:bcp:13":
        return code in {row["attachment"]["contentType"] for row in item.get("content", [])}
    return False


def of_code(node: Json, _party: set[str], _purpose: str, item: Json) -> bool:
    wanted = {(row["system"], row["code"]) for concept in node.get("code", []) for row in concept["coding"]}
    return "code" not in node or bool(wanted & codes_of(item))


def of_label(node: Json, _party: set[str], _purpose: str, item: Json) -> bool:
    return "securityLabel" not in node or any(has_label(row, node["type"], item) for row in node["securityLabel"])


def has_label(row: Json, effect: str, item: Json) -> bool:
    if row["system"].endswith("v3-Confidentiality"):
        asked = ORDER.index(row["code"])
        return rank(item) <= asked if effect == "permit" else rank(item) >= asked
    return row["code"] in visibility(item) | sensitivity(item)


def of_time(node: Json, _party: set[str], _purpose: str, item: Json) -> bool:
    if "dataPeriod" not in node:
        return True
    span, (low, high) = time_of(item), bounds(node["dataPeriod"])
    if span is None:
        return bool(node["type"] == "deny")
    inside, apart = low <= span[0] and span[1] <= high, span[0] >= high or span[1] <= low
    return inside if node["type"] == "permit" else not apart


def of_data(node: Json, _party: set[str], _purpose: str, item: Json) -> bool:
    return "data" not in node or any(is_datum(row, item) for row in node["data"])


def is_datum(row: Json, item: Json) -> bool:
    named = texts(row["reference"])
    target, itself = named[0], f"{item['resourceType']}/{item['id']}"
    match row["meaning"]:
        case "instance":
            return itself == target
        case "dependents":
            return itself == target or target in references(item)
        case "authoredby":
            return bool(set(named) & authors(item))
    cited = {"Encounter/sejour": {"Observation/2"}}.get(target, set())
    return itself == target or itself in cited or (target.startswith("Encounter/") and target in references(item))


TESTS = (in_time, for_party, for_reading, for_purpose, of_class, of_code, of_label, of_time, of_data)


def in_force(consents: Sequence[Json]) -> list[Json]:
    privacy = [row for row in consents if row["scope"]["coding"][0]["code"] == "patient-privacy"]
    return [row for row in privacy if row["status"] == "active"]


def is_unreadable(consent: Json) -> bool:
    if "provision" not in consent:
        return "policyRule" not in consent
    return any("type" not in node or "modifierExtension" in node for node in nodes(consent["provision"]))


def nodes(node: Json) -> Iterator[Json]:
    yield node
    for child in node.get("provision", []):
        yield from nodes(child)


def is_block(consent: Json, own: set[str]) -> bool:
    node = consent.get("provision", {})
    is_bare = node.keys() <= {"type", "actor", "period"} and node.get("type") == "deny" and "actor" in node
    return is_bare and for_party(node, own, "", {}) and in_time(node, own, "", {})


def root_names(consent: Json, code: str) -> bool:
    root = consent.get("provision", {})
    return root.get("type") == "permit" and code in {row["code"] for row in root.get("securityLabel", [])}


def in_scope(who: Mapping[str, Json], item: Json) -> bool:
    scopes = who.get("scopes")
    return scopes is None or any(
        scope == f"user/{name}.rs" for scope in scopes.split() for name in (item["resourceType"], "*")
    )


def habilitated(profession: str, item: Json) -> bool:
    cells = TABLE["professions"].get(profession, {"cells": []})["cells"]
    is_document = item["resourceType"] == "DocumentReference"
    member = "documents" if is_document else "resources"
    kinds = [row["code"] for row in item.get("type", {}).get("coding", [])] if is_document else [item["resourceType"]]
    judged = [verdict for kind in kinds for verdict in [judge_kind(kind, member, cells)] if verdict is not None]
    return bool(judged) and all(judged)


def judge_kind(kind: str, member: str, cells: Sequence[Json]) -> bool | None:
    single = [cell["permit"] for cell in cells if kind in cell.get(member, [])]
    grouped = [
        cell["permit"] for cell in cells for group in cell.get("groups", []) if kind in TABLE["groups"][group][member]
    ]
    found = single or grouped
    return all(found) if found else None


def self_of(who: Mapping[str, Json]) -> set[str]:
    number = who.get("rpps", "")
    roles = ROLES.get((number, who.get("organization", "")), set())
    return {f"{RPPS}{number}"} | KNOWN_AS.get(number, set()) | roles


def structures(who: Mapping[str, Json]) -> set[str]:
    number = who.get("organization", "")
    above = {f"{FINESS}750000001"} if number == "750000002" else set()
    return ({f"{FINESS}{number}"} if number else set()) | STRUCTURES.get(number, set()) | above


def texts(reference: Json) -> list[str]:
    found = [reference["reference"]] if "reference" in reference else []
    identifier = reference.get("identifier")
    return [*found, f"{identifier['system']}|{identifier['value']}"] if identifier else found


def authors(item: Json) -> set[str]:
    rows = item.get("author", []) + item.get("performer", [])
    found = {text for row in rows for text in texts(row)}
    inside = {f"#{row['id']}": row for row in item.get("contained", [])}
    for row in rows:
        for identifier in inside.get(row.get("reference"), {}).get("identifier", []):
            found.add(f"{identifier['system']}|{identifier['value']}")
    return found


def references(item: Json) -> set[str]:
    if isinstance(item, list):
        return set().union(*map(references, item)) if item else set()
    if not isinstance(item, dict):
        return set()
    own = {item["reference"]} if isinstance(item.get("reference"), str) else set()
    return own.union(*map(references, item.values()))


def patient_of(item: Json) -> str:
    if item["resourceType"] == "Patient":
        return str(item["id"])
    link = item.get("subject") or item.get("patient") or {}
    if item["resourceType"] == "AuditEvent":
        link = item["entity"][0]["what"]
    return str(link.get("reference", "/")).partition("/")[2]


def shows_others(item: Json) -> bool:
    if item["resourceType"] == "Patient":
        return False
    return any(link.startswith("Patient/") and link != f"Patient/{patient_of(item)}" for link in references(item))


def codes_of(item: Json) -> set[tuple[str, str]]:
    concepts = [item.get("type"), item.get("code")]
    return {(row["system"], row["code"]) for concept in concepts if concept for row in concept["coding"]}


def labels(item: Json) -> list[Json]:
    inner = [row for concept in item.get("securityLabel", []) for row in concept["coding"]]
    return [*item.get("meta", {}).get("security", []), *inner]


def visibility(item: Json) -> set[str]:
    return {row["code"] for row in labels(item) if "TRE_A07" in row["system"]}


def sensitivity(item: Json) -> set[str]:
    written = {row["code"] for row in labels(item) if row["system"].endswith("v3-ActCode")}
    computed = {"PSY" for _, code in codes_of(item) if code == "68599-0"}
    return {above for code in written | computed for above in ABOVE[code]}


def rank(item: Json) -> int:
    ranks = [ORDER.index(row["code"]) for row in labels(item) if row["system"].endswith("v3-Confidentiality")]
    return max(ranks, default=ORDER.index("N"))


def is_withheld(item: Json) -> bool:
    if "INVISIBLE_PATIENT" not in visibility(item):
        return False
    written = [item["meta"]["lastUpdated"], *([item["date"]] if "date" in item else [])]
    deposit = min(span_of(text)[0] for text in written)
    month_later = deposit.replace(year=deposit.year + deposit.month // 12, month=deposit.month % 12 + 1)
    return month_later > NOW


def time_of(item: Json) -> tuple[datetime, datetime] | None:
    period = item.get("context", {}).get("period") or item.get("period")
    if period:
        return bounds(period)
    if "date" in item:
        at = datetime.fromisoformat(item["date"])
        return at, at + timedelta(milliseconds=1)
    return span_of(item["effectiveDateTime"]) if "effectiveDateTime" in item else None


def bounds(period: Json) -> tuple[datetime, datetime]:
    low = span_of(period["start"])[0] if "start" in period else datetime.min.replace(tzinfo=UTC)
    high = span_of(period["end"])[1] if "end" in period else datetime.max.replace(tzinfo=UTC)
    return low, high


def span_of(text: str) -> tuple[datetime, datetime]:
    if len(text) == len("2024"):
        return datetime(int(text), 1, 1, tzinfo=PARIS), datetime(int(text) + 1, 1, 1, tzinfo=PARIS)
    if len(text) == len("2024-01-01"):
        day = datetime.fromisoformat(text)
        return day.replace(tzinfo=PARIS), (day + timedelta(days=1)).replace(tzinfo=PARIS)
    at = datetime.fromisoformat(text)
    return at, at + timedelta(seconds=1)
