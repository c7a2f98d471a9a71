"""AuditEvent → a line that the patient understands: when, who, how, what (CSP R1111-43, EHDS art. 9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from types import MappingProxyType

from fhir_dmp.audit.code import ACCESS_MODE, FINESS, PROFESSION, PROVIDER, RPPS, Mode, Outcome
from fhir_dmp.audit.event import items_of
from fhir_dmp.json_text import JsonObject

_MONTHS = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)
_MODES = {
    Mode.NORMAL.value: "",
    Mode.BREAK_GLASS.value: "en urgence (bris de glace)",
    Mode.REGULATION.value: "en urgence (régulation du Samu)",
}
_VERBS = {
    "read": "a consulté",
    "vread": "a consulté une ancienne version :",
    "search-type": "a consulté par une recherche",
    "search-system": "a consulté par une recherche",
    "history-instance": "a consulté l'historique :",
    "history-type": "a consulté l'historique :",
    "history-system": "a consulté l'historique :",
    "create": "a ajouté",
    "update": "a modifié",
    "patch": "a modifié",
    "delete": "a supprimé",
}
_CONSULTED = "a consulté"
_NAMES = {
    "AllergyIntolerance": ("allergie", "allergies"),
    "Binary": ("fichier", "fichiers"),
    "CarePlan": ("plan de soins", "plans de soins"),
    "Condition": ("problème de santé", "problèmes de santé"),
    "Consent": ("consentement", "consentements"),
    "DiagnosticReport": ("compte rendu d'examen", "comptes rendus d'examen"),
    "DocumentReference": ("document", "documents"),
    "Encounter": ("venue", "venues"),
    "ExplanationOfBenefit": ("remboursement", "remboursements"),
    "Immunization": ("vaccination", "vaccinations"),
    "MedicationRequest": ("prescription", "prescriptions"),
    "MedicationStatement": ("traitement", "traitements"),
    "Observation": ("résultat", "résultats"),
    "Patient": ("fiche d'identité", "fiches d'identité"),
    "Procedure": ("acte", "actes"),
}
_KINDS = {"Patient": "le titulaire du dossier", "RelatedPerson": "un proche"}


@dataclass(frozen=True, slots=True)
class TraceLine:
    """What a patient reads of one event, in French. `refusal` is why it was refused, empty where it was not."""

    when: str
    who: str
    mode: str
    what: str
    reason: str
    refusal: str

    def __str__(self) -> str:
        """Returns the line."""
        mode = f" {self.mode}" if self.mode else ""
        reason = f" Motif donné : « {self.reason} »." if self.reason else ""
        refusal = f" Accès refusé : {self.refusal.rstrip('.')}." if self.refusal else ""
        return f"Le {self.when}, {self.who} {self.what}{mode}.{refusal}{reason}"


def build_line(event: JsonObject, zone: tzinfo, professions: Mapping[str, str] = MappingProxyType({})) -> TraceLine:
    """Builds the line of an event of ours; `professions` names the codes of TRE_G15, which else stand as they are."""
    purpose = event.get("purposeOfEvent", [{}])[0]
    is_refused = event["outcome"] != Outcome.SUCCESS.value
    return TraceLine(
        when=write_day_and_time(event["recorded"], zone),
        who=describe_requestor(event, professions),
        mode=next(
            (_MODES.get(row["code"], "") for row in purpose.get("coding", ()) if row["system"] == ACCESS_MODE), ""
        ),
        what="a demandé l'accès au dossier" if is_refused else _describe_action(event),
        reason=purpose.get("text", ""),
        refusal=event.get("outcomeDesc", "règle non précisée") if is_refused else "",
    )


def write_day_and_time(instant: str, zone: tzinfo) -> str:
    """Returns an instant in French, in a time zone: `1er mars 2026 à 14 h 05`."""
    at = datetime.fromisoformat(instant).astimezone(zone)
    day = "1er" if at.day == 1 else str(at.day)
    return f"{day} {_MONTHS[at.month - 1]} {at.year} à {at.hour} h {at.minute:02d}"


def describe_requestor(event: JsonObject, professions: Mapping[str, str] = MappingProxyType({})) -> str:
    """Returns who asked: his name and, as far as they are known, profession, RPPS and organisation (FINESS)."""
    agent = next((row for row in event["agent"] if row["requestor"]), None)
    if agent is None:
        return "un système"
    who = agent["who"]
    identifier = who.get("identifier", {})
    known = agent.get("name") or who.get("display") or identifier.get("value", "")
    name = known if who.get("display") else _KINDS.get(who.get("type", ""), known)
    details = [*_describe_profession(agent, professions)]
    if identifier.get("system") == RPPS:
        details.append(f"RPPS {identifier['value']}")
    details += [f"établissement {row}" for row in _organizations(event)]
    return f"{name} ({', '.join(details)})" if details else str(name)


def _describe_profession(agent: JsonObject, professions: Mapping[str, str]) -> list[str]:
    codings = [row for role in agent.get("role", ()) for row in role["coding"]]
    return [professions.get(row["code"], f"profession {row['code']}") for row in codings if row["system"] == PROFESSION]


def _organizations(event: JsonObject) -> list[str]:
    agents = [row["who"] for row in event["agent"] if row["type"] == PROVIDER]
    return [who["identifier"]["value"] for who in agents if who.get("identifier", {}).get("system") == FINESS]


def _describe_action(event: JsonObject) -> str:
    code = event["subtype"][0]["code"]
    counts = Counter(reference.partition("/")[0] for reference in items_of(event))
    verb = _VERBS.get(code, _CONSULTED)
    if not counts:
        return "a cherché dans le dossier, sans rien y trouver" if code.startswith("search") else f"{verb} le dossier"
    return f"{verb} {', '.join(_count(name, number) for name, number in counts.items())}"


def _count(resource_type: str, number: int) -> str:
    one, many = _NAMES.get(resource_type, (resource_type, resource_type))
    return f"{number} {one if number == 1 else many}"
