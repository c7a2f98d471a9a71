"""AuditEvent → a line that the patient understands: when, who, how, what (CSP R1111-43, EHDS art. 9)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from types import MappingProxyType

from fhir_dmp.access.reason import SYSTEM as ACCESS_RULE
from fhir_dmp.access.reason import Rule
from fhir_dmp.audit.code import (
    ACCESS_MODE,
    FINESS,
    PROFESSION,
    PROVIDER,
    ROLE_QUERY,
    RPPS,
    Mode,
    Outcome,
)
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
_ACTS = {
    "dmp-announce": "a annoncé {items}",
    "dmp-attending": "a déclaré le médecin traitant",
    "dmp-authorize": "a autorisé un professionnel ou une structure à lire le dossier",
    "dmp-block": "a bloqué un professionnel ou une structure",
    "dmp-cda": "a déposé {items}",
    "dmp-close": "a fermé le dossier",
    "dmp-delete-request": "a demandé l'effacement du dossier",
    "dmp-emergency-settings": "a consulté ou changé les choix pour les urgences",
    "dmp-explain-access": "a demandé qui peut lire le dossier",
    "dmp-hide-from-representatives": "a masqué {items} aux représentants légaux",
    "dmp-hold-back": "a retenu {items} jusqu'à la consultation d'annonce",
    "dmp-mask": "a masqué {items} aux professionnels",
    "dmp-name-administrator": "a nommé un administrateur du dossier",
    "dmp-open": "a ouvert le dossier",
    "dmp-qualify": "a qualifié l'identité",
    "dmp-remove-administrator": "a retiré un administrateur du dossier",
    "dmp-reopen": "a rouvert le dossier",
    "dmp-show-to-representatives": "a montré {items} aux représentants légaux",
    "dmp-status": "a demandé s'il y a un dossier à alimenter",
    "dmp-unblock": "a débloqué un professionnel ou une structure",
    "dmp-unmask": "a démasqué {items}",
    "dmp-unmerge": "a séparé deux dossiers qui avaient été réunis",
    "merge": "a réuni deux dossiers d'une même personne",
    "meta-add": "a modifié {items}",
    "meta-delete": "a modifié {items}",
}
"""The operations that are no reading, by name."""
_CALLED = "operation"
_RULES = frozenset(rule.value for rule in Rule)
_OPERATION = re.compile(r"\$([a-z-]+)")
_NOT_AS_ASKED = "la demande n'était pas recevable"
"""Why an act was refused for what it was: what the server says of that is for programs."""
_NAMES = {
    "AllergyIntolerance": ("allergie", "allergies"),
    "AuditEvent": ("trace", "traces"),
    "Binary": ("fichier", "fichiers"),
    "CarePlan": ("plan de soins", "plans de soins"),
    "CareTeam": ("équipe de soins", "équipes de soins"),
    "Communication": ("avis", "avis"),
    "Composition": ("document structuré", "documents structurés"),
    "Condition": ("problème de santé", "problèmes de santé"),
    "Consent": ("consentement", "consentements"),
    "Coverage": ("couverture", "couvertures"),
    "Device": ("dispositif médical", "dispositifs médicaux"),
    "DiagnosticReport": ("compte rendu d'examen", "comptes rendus d'examen"),
    "DocumentReference": ("document", "documents"),
    "Encounter": ("venue", "venues"),
    "EpisodeOfCare": ("épisode de soins", "épisodes de soins"),
    "ExplanationOfBenefit": ("remboursement", "remboursements"),
    "FamilyMemberHistory": ("antécédent familial", "antécédents familiaux"),
    "ImagingStudy": ("examen d'imagerie", "examens d'imagerie"),
    "Immunization": ("vaccination", "vaccinations"),
    "List": ("liste", "listes"),
    "MedicationAdministration": ("administration de médicament", "administrations de médicaments"),
    "MedicationDispense": ("délivrance", "délivrances"),
    "MedicationRequest": ("prescription", "prescriptions"),
    "MedicationStatement": ("traitement", "traitements"),
    "Observation": ("résultat", "résultats"),
    "Patient": ("fiche d'identité", "fiches d'identité"),
    "Procedure": ("acte", "actes"),
    "Provenance": ("provenance", "provenances"),
    "RelatedPerson": ("proche", "proches"),
    "ServiceRequest": ("demande", "demandes"),
    "Specimen": ("prélèvement", "prélèvements"),
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
        refusal=_describe_refusal(event) if is_refused else "",
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
    if act := _ACTS.get(_operation_of(event)):
        return act.format(items=_enumerate(counts) if counts else "un document")
    verb = _VERBS.get(code, _CONSULTED)
    if not counts:
        return "a cherché dans le dossier, sans rien y trouver" if code.startswith("search") else f"{verb} le dossier"
    return f"{verb} {_enumerate(counts)}"


def _operation_of(event: JsonObject) -> str:
    """Returns the name of the operation that was called, "" of any other interaction."""
    asked = [str(row.get("description", "")) for row in event.get("entity", ()) if row.get("role") == ROLE_QUERY]
    found = _OPERATION.search(asked[0].partition("?")[0]) if asked and event["subtype"][0]["code"] == _CALLED else None
    return found[1] if found else ""


def _describe_refusal(event: JsonObject) -> str:
    """The sentence of the rule of access, which is French; of what is refused for another reason a general one."""
    named = [row.get("what", {}).get("identifier", {}) for row in event.get("entity", ())]
    rules = [row.get("value") for row in named if row.get("system") == ACCESS_RULE]
    is_other = bool(rules) and not _RULES.intersection(rules)
    return _NOT_AS_ASKED if is_other else event.get("outcomeDesc", "règle non précisée")


def _enumerate(counts: Mapping[str, int]) -> str:
    return ", ".join(_count(name, number) for name, number in counts.items())


def _count(resource_type: str, number: int) -> str:
    one, many = _NAMES.get(resource_type, (resource_type, resource_type))
    return f"{number} {one if number == 1 else many}"
