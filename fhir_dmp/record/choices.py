"""What a patient chose, as Consents: whom he let in, whom he shut out, and what he settled for an emergency.

The rules of the profiles dmp-access-consent, dmp-block and dmp-emergency-opposition (profiles/dmp), found again among
the Directives of his record, whoever wrote them. What says more than such a rule is left as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from fhir_dmp.access.clauses import EVERYTHING
from fhir_dmp.access.consent import Reading
from fhir_dmp.access.directive import Directive, Provision, blocks, holds_at
from fhir_dmp.access.professional import BREAK_GLASS, REGULATION
from fhir_dmp.access.provision import Situation, compile_directive
from fhir_dmp.access.record import RecordState
from fhir_dmp.instant import Milliseconds, write_instant
from fhir_dmp.json_text import JsonObject
from fhir_dmp.record.consents import Act, build_consent, build_purpose, build_recipient
from fhir_dmp.search.links import bare_link
from fhir_dmp.search.security import ADMINISTRATOR, ATTENDING
from fhir_dmp.search.sensitivity import MASKED, VISIBILITY

_PROFILES = "https://fhir-dmp.fr/StructureDefinition/dmp-"
_EMERGENCIES = frozenset({BREAK_GLASS, REGULATION})
_PERSONS = ("Practitioner", "PractitionerRole")


@dataclass(frozen=True, slots=True)
class Party:
    """A professional or a structure of the directory: the Reference to it, and the texts by which it is known.

    `at` is the place of the parameter that named it.
    """

    reference: JsonObject
    texts: frozenset[str]
    at: str = ""

    @property
    def is_person(self) -> bool:
        """Tells whether it is a professional."""
        return str(self.reference["reference"]).startswith("Practitioner/")


@dataclass(frozen=True, slots=True)
class EmergencySettings:
    """What an emergency opens: to the SAMU's regulator, to who breaks the glass, and of masked documents to both."""

    regulation: bool
    break_glass: bool
    masked_documents: bool


def find_access(directives: Iterable[Directive], party: Party) -> list[Directive]:
    """Returns the Consents that let a party, and nobody else, read for care."""
    bare = [row for row in directives if row.base is None and not row.denies_only]
    return [row for row in bare if _is_access(row.root) and _is_of_alone(row.root, party)]


def find_permits(directives: Iterable[Directive], party: Party) -> list[Directive]:
    """Returns the Consents that let a party read something, whatever it is."""
    return [row for row in directives if row.root and row.root.effect == "permit" and _names(row.root, party)]


def find_blocks(directives: Iterable[Directive], party: Party, now: Milliseconds) -> list[Directive]:
    """Returns the Consents that shut a party out altogether."""
    return [row for row in directives if blocks(row, party.texts, now)]


def build_block(act: Act, party: Party) -> JsonObject:
    """Builds the Consent that shuts a party out: of a structure, everyone who comes from it."""
    provision = {"type": "deny", "period": {"start": write_instant(act.now)}, **build_recipient(party.reference)}
    return build_consent(act, "block", f"{_PROFILES}{'block' if party.is_person else 'consent'}", provision)


def end_for(consent: JsonObject, party: Party, reading: Reading) -> JsonObject:
    """Returns a Consent that is no more about a party: inactive where it was about nobody else."""
    provision = consent["provision"]
    others = [row for row in provision["actor"] if _texts(row["reference"], reading).isdisjoint(party.texts)]
    if not others:
        return {**consent, "status": "inactive"}
    return {**consent, "provision": {**provision, "actor": others}}


def declare_attending(patient: JsonObject, party: Party) -> JsonObject:
    """Returns the Patient with this médecin traitant; structures among his general practitioners stay."""
    others = [row for row in patient.get("generalPractitioner", ()) if not _is_person(row)]
    kept = [row for row in patient.get("extension", ()) if row.get("url") != ATTENDING]
    return _with_extensions({**patient, "generalPractitioner": [party.reference, *others]}, kept)


def name_administrator(patient: JsonObject, party: Party) -> JsonObject:
    """Returns the Patient with one more professional who has the rights of a médecin traitant."""
    added = {"url": ADMINISTRATOR, "valueReference": party.reference}
    return _with_extensions(patient, [*patient.get("extension", ()), added])


def remove_administrator(patient: JsonObject, party: Party, reading: Reading) -> JsonObject:
    """Returns the Patient without an administrator."""
    kept = [row for row in patient.get("extension", ()) if not _is_administrator(row, party, reading)]
    return _with_extensions(patient, kept)


def settings_of(state: RecordState, now: Milliseconds) -> EmergencySettings:
    """Returns what an emergency opens, as the Consents that are in force have it."""
    opened = all(_permit_of_masked(state, code, now) for code in _EMERGENCIES)
    return EmergencySettings(
        not _is_opposed(state, REGULATION, now), not _is_opposed(state, BREAK_GLASS, now), masked_documents=opened
    )


def find_settings(state: RecordState) -> list[str]:
    """Returns the ids of the Consents that say nothing but what an emergency opens."""
    return [row.consent for row in state.directives if row.base is None and _is_setting(row.root)]


def build_settings(act: Act, wanted: EmergencySettings) -> list[JsonObject]:
    """Builds the Consents that make these settings; what the law opens needs none."""
    refused = [code for code, is_open in _modes(wanted) if not is_open]
    start = {"period": {"start": write_instant(act.now)}}
    built = []
    if refused:
        provision = {"type": "deny", **start, "purpose": [build_purpose(code) for code in refused]}
        built.append(build_consent(act, "emergency-opposition", f"{_PROFILES}emergency-opposition", provision))
    if wanted.masked_documents:
        label = {"system": VISIBILITY, "code": MASKED}
        purposes = [build_purpose(code) for code in sorted(_EMERGENCIES)]
        provision = {"type": "permit", **start, "securityLabel": [label], "purpose": purposes}
        built.append(build_consent(act, "", f"{_PROFILES}consent", provision))
    return built


def _modes(settings: EmergencySettings) -> Collection[tuple[str, bool]]:
    return ((REGULATION, settings.regulation), (BREAK_GLASS, settings.break_glass))


def _is_access(root: Provision | None) -> bool:
    wanted = Provision("permit", actions=frozenset({"access"}), purposes=frozenset({"TREAT"}))
    return root is not None and replace(root, period=None, actors=None) == wanted


def _names(root: Provision | None, party: Party) -> bool:
    return root is not None and root.actors is not None and not root.actors.isdisjoint(party.texts)


def _is_of_alone(root: Provision | None, party: Party) -> bool:
    return root is not None and bool(root.actors) and not (root.actors or frozenset()) - party.texts


def _is_setting(root: Provision | None) -> bool:
    if root is None or not root.purposes or root.purposes - _EMERGENCIES:
        return False
    bare = replace(root, period=None, purposes=None)
    return bare in (Provision("deny"), Provision("permit", labels=((VISIBILITY, MASKED),)))


def _is_opposed(state: RecordState, purpose: str, now: Milliseconds) -> bool:
    return any(
        compile_directive(row, Situation(frozenset(), purpose, "access", now)).deny == EVERYTHING
        for row in state.directives
    )


def _permit_of_masked(state: RecordState, purpose: str, now: Milliseconds) -> bool:
    given = [row.root for row in state.directives if not row.denies_only]
    roots = [root for root in given if root and root.effect == "permit" and _is_setting(root)]
    return any(purpose in (root.purposes or ()) and holds_at(root.period, now) for root in roots)


def _is_person(reference: JsonObject) -> bool:
    link = str(reference.get("reference", ""))
    return any(f"{name}/" in link for name in _PERSONS) or (not link and reference.get("type") != "Organization")


def _is_administrator(extension: JsonObject, party: Party, reading: Reading) -> bool:
    named = extension.get("valueReference")
    is_one = extension.get("url") == ADMINISTRATOR and isinstance(named, dict)
    return is_one and not _texts(named or {}, reading).isdisjoint(party.texts)


def _with_extensions(patient: JsonObject, extensions: list[JsonObject]) -> JsonObject:
    rest = {name: value for name, value in patient.items() if name != "extension"}
    return {**rest, "extension": extensions} if extensions else rest


def _texts(reference: JsonObject, reading: Reading) -> frozenset[str]:
    """The texts of a Reference, as a Directive has them."""
    link = bare_link(reading.base_url, str(reference.get("reference", "")))
    identifier = reference.get("identifier") or {}
    number = f"{identifier.get('system')}|{identifier.get('value')}" if identifier else ""
    return frozenset({link, number} - {""})
