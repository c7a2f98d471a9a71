"""RecordState: what decides who may see one patient's record, as the Patient and his Consents say.

A record is open where Patient.active is true, no death and no dmp-fermeture is past (CSP L1111-13-1, R1111-36). The
médecin traitant is the one in ANS's extension dmp-medecin-traitant, else Patient.generalPractitioner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fhir_dmp.access.consent import Reading, is_enforced, read_consent
from fhir_dmp.access.directive import Directive, instants_of
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.search.facts import BEGINNING, END
from fhir_dmp.search.links import bare_link
from fhir_dmp.search.security import ADMINISTRATOR, ATTENDING
from fhir_dmp.search.span import parse_span

CLOSING = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition/dmp-fermeture"
CLOSED_ON = "dateFermeture"
PROTECTED = "https://fhir-dmp.fr/StructureDefinition/dmp-protected-adult"

_MAJORITY = 18
_PERSONS = ("Practitioner/", "PractitionerRole/")


@dataclass(frozen=True, slots=True)
class RecordState:
    """One record as decisions see it.

    `closes` is when it closed or will, None where it stays open; `majority` when the patient comes of age, None where
    no birth date tells it; `attending` and `administrators` are texts (see Closure). `uninterpretable` are the ids of
    enforced Consents that could not be read: one closes the whole record.
    `references` is that of provision.Situation.
    """

    patient_id: str
    closes: Milliseconds | None = None
    majority: Milliseconds | None = None
    is_protected: bool = False
    attending: frozenset[str] = frozenset()
    administrators: frozenset[str] = frozenset()
    directives: tuple[Directive, ...] = ()
    uninterpretable: tuple[str, ...] = ()
    references: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def is_open(self, now: Milliseconds) -> bool:
        """Tells whether anyone may read or feed it."""
        return self.closes is None or now < self.closes

    def changes_after(self, now: Milliseconds) -> Milliseconds:
        """Returns the first instant after `now` at which a professional may see something else; END: never.

        Of what is written now: a closing, and the periods of the rules.
        """
        instants = [at for directive in self.directives for at in instants_of(directive)]
        instants += [] if self.closes is None else [self.closes]
        return min((at for at in instants if at > now), default=END)

    def is_represented(self, now: Milliseconds) -> bool:
        """Tells whether a legal representative acts for the patient: he is a minor, or a protected adult."""
        return self.is_protected or (self.majority is not None and now < self.majority)


def build_record(
    patient: JsonObject,
    consents: Iterable[JsonObject],
    reading: Reading,
    references: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> RecordState:
    """Returns the state of the record of a Patient, with all his Consents, whatever their status."""
    enforced = [consent for consent in consents if is_enforced(consent)]
    read = {str(consent.get("id", "")): read_consent(consent, reading) for consent in enforced}
    return RecordState(
        patient_id=str(patient.get("id", "")),
        closes=_closes(patient, reading),
        majority=_birthday(patient.get("birthDate"), _MAJORITY, reading),
        is_protected=any(value is True for value in _extensions(patient, PROTECTED, "valueBoolean")),
        attending=_attending(patient, reading),
        administrators=_professionals(_extensions(patient, ADMINISTRATOR, "valueReference"), reading),
        directives=tuple(directive for directive in read.values() if directive),
        uninterpretable=tuple(name for name, directive in read.items() if directive is None),
        references=references,
    )


def _closes(patient: JsonObject, reading: Reading) -> Milliseconds | None:
    if patient.get("active") is not True or patient.get("deceasedBoolean") is True:
        return BEGINNING
    ends = [patient["deceasedDateTime"]] if "deceasedDateTime" in patient else []
    for closing in _objects(patient.get("extension")):
        if closing.get("url") == CLOSING:
            ends += list(_extensions(closing, CLOSED_ON, "valueDateTime")) or [None]
    # a closing whose date cannot be read has taken place
    instants = [_start(end, reading) for end in ends]
    return min((BEGINNING if at is None else at for at in instants), default=None)


def _attending(patient: JsonObject, reading: Reading) -> frozenset[str]:
    named = list(_extensions(patient, ATTENDING, "valueReference"))
    return _professionals(named or _objects(patient.get("generalPractitioner")), reading)


def _professionals(references: Iterable[Json], reading: Reading) -> frozenset[str]:
    """The texts of professionals; an organization in their place gives nobody a médecin traitant's rights."""
    found = set()
    for reference in references:
        row = reference if isinstance(reference, dict) else {}
        text = row.get("reference")
        link = bare_link(reading.base_url, text) if isinstance(text, str) else ""
        if link.startswith(_PERSONS):
            found.add(link)
        identifier = row.get("identifier")
        if isinstance(identifier, dict) and not link:
            found.add(f"{identifier.get('system')}|{identifier.get('value')}")
    return frozenset(found)


def _extensions(element: JsonObject, url: str, key: str) -> Iterator[Json]:
    for extension in _objects(element.get("extension")):
        if extension.get("url") == url and key in extension:
            yield extension[key]


def _start(text: Json, reading: Reading) -> Milliseconds | None:
    span = parse_span(text, reading.zone) if isinstance(text, str) else None
    return span[0] if span else None


def _birthday(born: Json, age: int, reading: Reading) -> Milliseconds | None:
    """When the day begins on which someone reaches an age; who was born on 29 February does so on 1 March.

    It is counted in the calendar: an instant of birth is another day elsewhere.
    """
    if _start(born, reading) is None:
        return None
    year, rest = str(born)[:4], str(born)[4:]
    reached = f"{int(year) + age:04d}"
    found = _start(f"{reached}{rest}", reading)
    return _start(f"{reached}-03-01", reading) if found is None else found


def _objects(value: Json) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
