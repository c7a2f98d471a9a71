"""Consent → Directive, and what is wrong with a Consent that cannot become one.

https://hl7.org/fhir/R4/consent-definitions.html. What is refused at write (422) closes the whole record where it is met
at read: a rule that is not understood might be a prohibition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, get_args

from fhir_dmp.access.directive import (
    MAX_DEPTH,
    MAX_PROVISIONS,
    Code,
    Data,
    Directive,
    Effect,
    Meaning,
    Provision,
    Span,
)
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.outcome import Issue
from fhir_dmp.search.facts import BEGINNING, END
from fhir_dmp.search.links import bare_link
from fhir_dmp.search.sensitivity import read_label
from fhir_dmp.search.span import parse_span

SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
PRIVACY = "patient-privacy"
SUSPENDED = "https://fhir-dmp.fr/CodeSystem/dmp-merge-suspended"
"""The system of the tag of a Consent of which a merge left the denials alone in force: only one record had it."""
_SCOPES = frozenset({PRIVACY, "research", "treatment", "adr"})
_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_BASES: dict[str, Effect] = {"OPTIN": "permit", "OPTOUT": "deny"}
_ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"
_ACTIONS = frozenset({"collect", "access", "use", "disclose", "correct"})
_RECIPIENTS = frozenset({"IRCP", "PRCP"})
_REASONS = frozenset({"http://terminology.hl7.org/CodeSystem/v3-ActReason", "urn:oid:2.16.840.1.113883.5.8"})
_MODES_SYSTEM = "https://mos.esante.gouv.fr/NOS/TRE_R248_ModeAcces/FHIR/TRE-R248-ModeAcces"
_MODES = {"normal": "TREAT", "bris_de_glace": "BTG", "centre_15": "ETREAT"}
_MODIFIER = "modifierExtension"


@dataclass(frozen=True, slots=True)
class Reading:
    """What it takes to read a Consent: this server's base URL, and the zone of dates that have none."""

    base_url: str
    zone: tzinfo


def is_enforced(consent: JsonObject) -> bool:
    """Tells whether a Consent has a say: it is active, and about privacy or about what nobody can tell."""
    if consent.get("status") != "active":
        return False
    scopes = {code for system, code in _codings(consent.get("scope")) if system == SCOPE}
    return PRIVACY in scopes or not scopes & _SCOPES


def read_consent(consent: JsonObject, reading: Reading) -> Directive | None:
    """Returns the rules of an enforced Consent, None where they cannot be interpreted (check_consent says why)."""
    reader = _Reader(reading)
    directive = reader.read(consent)
    return None if any(issue.severity == "error" for issue in reader.issues) else directive


def check_consent(consent: JsonObject, reading: Reading) -> list[Issue]:
    """Returns why a Consent cannot be interpreted (errors), and what is doubtful in it (warnings).

    A Consent that is not enforced is not looked at, except for the patient it belongs to.
    """
    reader = _Reader(reading)
    if is_enforced(consent):
        reader.read(consent)
    return reader.issues


class _Reader:
    """Reads one Consent and collects what is wrong with it."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._count = 0
        self.issues: list[Issue] = []

    def read(self, consent: JsonObject) -> Directive:
        if PRIVACY not in {code for system, code in _codings(consent.get("scope")) if system == SCOPE}:
            self._fault("consent-scope", "The scope is none of the codes of consentscope.", "Consent.scope")
        if not _text(_object(consent.get("patient")), "reference"):
            self._fault("consent-patient", "A Consent about privacy names its patient.", "Consent.patient")
        if consent.get("implicitRules") or _has_modifier(consent):
            self._fault("consent-modifier-extension", "A modifier extension is not understood.", "Consent")
        base = self._base(consent)
        root = consent.get("provision")
        if root is None and base is None:
            self._fault("consent-empty", "It has neither a provision nor a policy rule.", "Consent.provision")
        return Directive(
            str(consent.get("id", "")),
            base,
            None if root is None else self._provision(_object(root), "Consent.provision", depth=0),
            denies_only=any(system == SUSPENDED for system, _ in _tags(consent)),
        )

    def _base(self, consent: JsonObject) -> Effect | None:
        rule = consent.get("policyRule")
        if rule is None:
            return None
        codes = [code for system, code in _codings(rule) if system == _ACT_CODE]
        found = {_BASES[code] for code in codes if code in _BASES}
        if len(found) != 1 or len(codes) != 1:
            self._fault("consent-policy-rule", "A policy rule is OPTIN or OPTOUT of v3-ActCode.", "Consent.policyRule")
        return "deny" if "deny" in found else next(iter(found), None)

    def _provision(self, node: JsonObject, path: str, *, depth: int) -> Provision:
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_PROVISIONS:
            limit = f"Provisions nest {MAX_DEPTH} deep, and a Consent has at most {MAX_PROVISIONS}."
            self._fault("consent-size", limit, path)
            return Provision("deny")
        effect = self._effect(node, path)
        exceptions = [
            self._provision(child, f"{path}.provision[{index}]", depth=depth + 1)
            for index, child in enumerate(_objects(node.get("provision")))
        ]
        if any(child.effect == effect for child in exceptions):
            message = "An exception says the same as the rule it is an exception to."
            self.issues.append(Issue("warning", "consent-same-type", message, path))
        return Provision(
            effect=effect,
            period=self._period(node.get("period"), f"{path}.period"),
            actors=self._actors(node.get("actor"), path),
            actions=self._codes_of(node.get("action"), path, "action"),
            purposes=self._purposes(node.get("purpose"), path),
            classes=self._classes(node.get("class"), f"{path}.class"),
            codes=self._concepts(node.get("code"), path),
            labels=self._labels(node.get("securityLabel"), path),
            data_period=self._period(node.get("dataPeriod"), f"{path}.dataPeriod"),
            data=self._data(node.get("data"), path),
            exceptions=tuple(exceptions),
        )

    def _effect(self, node: JsonObject, path: str) -> Effect:
        match node.get("type"):
            case "permit":
                return "permit"
            case "deny":
                return "deny"
        self._fault("consent-type", "Every provision, the root too, says permit or deny.", f"{path}.type")
        return "deny"

    def _period(self, value: Json, path: str) -> Span | None:
        if value is None:
            return None
        period, zone = _object(value), self._reading.zone
        start, end = _text(period, "start"), _text(period, "end")
        low = parse_span(start, zone) if start else (BEGINNING, BEGINNING)
        high = parse_span(end, zone) if end else (END, END)
        if low is None or high is None or not (start or end) or low[0] >= high[1]:
            self._fault("consent-period", "A period has a start or an end, in this order.", path)
            return None
        return low[0], high[1]

    def _actors(self, value: Json, path: str) -> frozenset[str] | None:
        if value is None:
            return None
        found: set[str] = set()
        for actor in _objects(value):
            if not {code for _, code in _codings(actor.get("role"))} & _RECIPIENTS:
                message = "An actor is a recipient: its role is IRCP or PRCP."
                self._fault("consent-actor-role", message, f"{path}.actor")
            found.update(self._texts(actor.get("reference"), f"{path}.actor"))
        return frozenset(found) or self._unread("consent-reference", f"{path}.actor")

    def _texts(self, value: Json, path: str) -> tuple[str, ...]:
        """The texts by which a referenced party or resource is known."""
        reference = _object(value)
        link = bare_link(self._reading.base_url, _text(reference, "reference"))
        identifier = _object(reference.get("identifier"))
        system, number = _text(identifier, "system"), _text(identifier, "value")
        if link.startswith("#"):
            self._fault("consent-contained", "A contained resource is known to nobody else.", path)
        elif not link and not (system and number):
            self._fault("consent-reference", "It names nobody: neither a reference nor an identifier.", path)
        return tuple(text for text in (link, f"{system}|{number}" if system and number else "") if text)

    def _codes_of(self, value: Json, path: str, name: str) -> frozenset[str] | None:
        if value is None:
            return None
        found = {code for concept in _objects(value) for system, code in _codings(concept) if system == _ACTION}
        if not found or found - _ACTIONS or any(not _codings(concept) for concept in _objects(value)):
            self._fault("consent-action", "An action is a code of consentaction.", f"{path}.{name}")
        return frozenset(found)

    def _purposes(self, value: Json, path: str) -> frozenset[str] | None:
        if value is None:
            return None
        found = set()
        for system, code in _codings({"coding": value}):
            known = code if system in _REASONS else _MODES.get(code, "") if system == _MODES_SYSTEM else ""
            if not known:
                message = "A purpose is a code of v3-ActReason or of TRE_R248."
                self._fault("consent-purpose", message, f"{path}.purpose")
            found.add(known)
        return frozenset(found) if found else self._unread("consent-purpose", f"{path}.purpose")

    def _pairs(self, value: Json, path: str, code: str) -> tuple[Code, ...] | None:
        if value is None:
            return None
        found = _codings({"coding": value})
        if len(found) != len(_objects(value)) or not found:
            self._fault(code, "Each has a code.", path)
        return tuple(found)

    def _require_systems(self, found: Iterable[Code] | None, code: str, path: str) -> None:
        """What has no system is found nowhere: a denial of it would hide nothing."""
        if not all(system for system, _ in found or ()):
            self._fault(code, "Each has a code and its system.", path)

    def _labels(self, value: Json, path: str) -> tuple[Code, ...] | None:
        path = f"{path}.securityLabel"
        found = self._pairs(value, path, "consent-label")
        labels = None if found is None else tuple(read_label(system, code) for system, code in found)
        self._require_systems(labels, "consent-label", path)
        return labels

    def _classes(self, value: Json, path: str) -> tuple[Code, ...] | None:
        found = self._pairs(value, path, "consent-class")
        self._require_systems(found, "consent-class", path)
        return found

    def _concepts(self, value: Json, path: str) -> tuple[Code, ...] | None:
        if value is None:
            return None
        concepts = _objects(value)
        if not concepts or any(not _codings(concept) for concept in concepts):
            self._fault("consent-code", "Each has a coding: a text alone is not found anywhere.", f"{path}.code")
        for concept in concepts:
            self._require_systems(_codings(concept), "consent-code", f"{path}.code")
        return tuple(code for concept in concepts for code in _codings(concept))

    def _data(self, value: Json, path: str) -> tuple[Data, ...] | None:
        if value is None:
            return None
        found = []
        for item in _objects(value):
            meaning: Any = item.get("meaning")
            if meaning not in get_args(Meaning):
                self._fault("consent-data", "The meaning of data is not known.", f"{path}.data.meaning")
            texts = self._texts(item.get("reference"), f"{path}.data")
            if meaning != "authoredby" and not _is_relative(texts[:1]):
                self._fault("consent-data", "Data are resources of this server.", f"{path}.data.reference")
            found.append(Data(meaning, texts))
        if not found:
            self._fault("consent-data", "It is there, and says nothing.", f"{path}.data")
        return tuple(found)

    def _unread(self, code: str, path: str) -> frozenset[str]:
        self._fault(code, "It is there, and says nothing.", path)
        return frozenset()

    def _fault(self, code: str, message: str, path: str) -> None:
        self.issues.append(Issue("error", code, message, path))


def _is_relative(texts: Sequence[str]) -> bool:
    return any(text.count("/") == 1 and ":" not in text and "|" not in text and "?" not in text for text in texts)


def _has_modifier(value: Json) -> bool:
    """Tells whether a modifier extension stands anywhere in it, nested provisions and their actors included."""
    if isinstance(value, list):
        return any(map(_has_modifier, value))
    return isinstance(value, dict) and (_MODIFIER in value or any(map(_has_modifier, value.values())))


def _codings(concept: Json) -> list[Code]:
    return list(_iterate_codings(_object(concept).get("coding")))


def _tags(consent: JsonObject) -> Iterator[Code]:
    return _iterate_codings(_object(consent.get("meta")).get("tag"))


def _iterate_codings(value: Json) -> Iterator[Code]:
    for coding in _objects(value):
        code = _text(coding, "code")
        if code:
            yield _text(coding, "system"), code


def _objects(value: Json) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _text(value: JsonObject, key: str) -> str:
    text = value.get(key)
    return text if isinstance(text, str) else ""
