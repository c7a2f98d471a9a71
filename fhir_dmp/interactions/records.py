"""What the store knows that decides access: by what a requester is known, and the state of each record.

Read without restriction, for the gate alone: nothing of it leaves the server but as a decision.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from fhir_dmp.access.closure import STRUCTURE_SYSTEMS, Closure, build_closure
from fhir_dmp.access.consent import Reading
from fhir_dmp.access.explain import with_draft
from fhir_dmp.access.provision import related_targets
from fhir_dmp.access.record import RecordState, build_record
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.cache import AccessCache
from fhir_dmp.interactions.walk import walk
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.resource import Identity
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.links import IDENTIFIER
from fhir_dmp.search.query import (
    AboutPatient,
    Clause,
    Has,
    LinkValue,
    Marked,
    OfType,
    SearchQuery,
    TokenValue,
    WithId,
    all_of,
    any_of,
)
from fhir_dmp.search.security import RPPS
from fhir_dmp.store.port import Reader

DEEPEST = 10
"""How many levels of organizations above one another are followed."""
_PAGE = 1000
_DECIDING = ("Patient", "Consent")
_MEMBERS = {"CareTeam": "participant", "Group": "member"}


@dataclass(frozen=True, slots=True)
class Records:
    """Reads what decides access. `unrestricted` comes from the gate; without `cache` everything is read anew."""

    reader: Reader
    cache: AccessCache | None
    unrestricted: Restriction
    reading: Reading
    now: Milliseconds
    facts: Callable[[JsonObject], Facts]

    async def closure(self, requester: Requester) -> Closure:
        """Returns the closure of a requester."""
        if self.cache is None:
            return await self._closure(requester)
        found = self.cache.closure(requester, self.now)
        if found is None:
            closure = await self.cache.find_closure(requester, self._closure, self.now)
            # others may have begun to read it before the time of a role began or ended
            return closure if self.now < closure.until else await self._closure(requester)
        closure, is_ageing = found
        if is_ageing:
            self.cache.renew_closure(requester, self._closure, self.now)
        return closure

    async def _closure(self, requester: Requester) -> Closure:
        if requester.kind not in {Kind.PRACTITIONER, Kind.HOSPITAL, Kind.HEALTH_INSURANCE}:
            return build_closure(requester, (), self.now, self.reading)
        rows = await self._named(requester)
        rows += await self._above(rows)
        rows += await self._referring({"PractitionerRole": "practitioner"}, rows)
        # a team may name him by the role that he has in it
        rows += await self._referring(_MEMBERS, rows)
        return build_closure(requester, rows, self.now, self.reading)

    async def states(self, patients: Collection[str]) -> Mapping[str, RecordState]:
        """Returns the states of the records of these patients; a Patient who is not here has none."""
        if not patients:
            return {}
        if self.cache is None:
            return await self._read_states(patients)
        told, changes = self.cache.is_told(), self.cache.changes
        current = {patient: self.cache.current_state(patient) if told else None for patient in patients}
        unknown = [patient for patient, state in current.items() if state is None]
        found = await self._check_states(unknown, self.cache, changes) if unknown else {}
        return {**{patient: state for patient, state in current.items() if state}, **found}

    async def _check_states(
        self, patients: Collection[str], cache: AccessCache, changes: int
    ) -> Mapping[str, RecordState]:
        """Returns states that are kept, where the store has no other versions, and reads the rest."""
        # the versions first: what is read afterwards is not older
        stamps = await self.reader.stamps(patients, _DECIDING, self.unrestricted)
        known = {patient: cache.state(patient, found) for patient, found in stamps.items()}
        unknown = [patient for patient, state in known.items() if state is None]
        read = await self._read_states(unknown) if unknown else {}
        for patient, state in read.items():
            if not state.references:
                cache.keep_state(state, stamps[patient], changes)
        return {**{patient: state for patient, state in known.items() if state}, **read}

    async def _read_states(self, patients: Collection[str]) -> Mapping[str, RecordState]:
        persons, rows = await self._find_deciding(patients)
        consents: dict[str, list[JsonObject]] = {}
        for row in rows:
            consents.setdefault(_patient_of(row, self.reading), []).append(row)
        found = {row["id"]: build_record(row, consents.get(row["id"], ()), self.reading) for row in persons}
        targets = related_targets(directive for state in found.values() for directive in state.directives)
        return await self._with_references(found, targets) if targets else found

    async def _find_deciding(self, patients: Collection[str]) -> tuple[list[JsonObject], list[JsonObject]]:
        """Returns Patients and their Consents, type by type: the ids of one type are a range, where a search stays."""
        wanted = tuple(patients)
        persons = await self._find(("Patient",), WithId("Patient", wanted))
        return persons, await self._find(("Consent",), AboutPatient(wanted))

    async def supposed(self, patient: str, draft: JsonObject | None = None) -> RecordState | None:
        """Returns the state of a record, as if a draft Consent were active where one is given; None where not here."""
        persons, consents = await self._find_deciding((patient,))
        if not persons:
            return None
        (person,) = persons
        if draft is None:
            state = build_record(person, consents, self.reading)
        else:
            state = with_draft(person, consents, draft, self.reading, {})
        targets = related_targets(state.directives)
        return (await self._with_references({patient: state}, targets))[patient] if targets else state

    async def known_as(self, persons: frozenset[str]) -> frozenset[str]:
        """Returns the texts that some professionals are known by, who are named by some of them."""
        links = {*persons, *(self._person(row) for row in await self._by_link("PractitionerRole", persons))}
        found = [*await self._by_link("Practitioner", links), *await self._by_number(persons)]
        roles = await self._referring({"PractitionerRole": "practitioner"}, found)
        numbers = {f"{RPPS}|{row['value']}" for person in found for row in _numbers(person)}
        return persons | numbers | {f"{row['resourceType']}/{row['id']}" for row in (*found, *roles)}

    async def _by_link(self, resource_type: str, texts: Collection[str]) -> list[JsonObject]:
        start = f"{resource_type}/"
        ids = tuple(sorted(text.removeprefix(start) for text in texts if text.startswith(start)))
        return await self._find((resource_type,), WithId(resource_type, ids)) if ids else []

    async def _by_number(self, texts: Collection[str]) -> list[JsonObject]:
        numbers = tuple(TokenValue(*text.rsplit("|", 1)) for text in sorted(texts) if "|" in text)
        return await self._find(("Practitioner",), Has("Practitioner", "identifier", numbers)) if numbers else []

    def _person(self, role: JsonObject) -> str:
        return _link(role.get("practitioner"), self.reading)

    async def open_to(self, closure: Closure) -> Collection[str]:
        """Returns the patients who name one of the requester's party: in an active Consent, or as médecin traitant."""
        changes = self.cache.changes if self.cache else 0
        found = self.cache.open_to(closure) if self.cache else None
        if found is None:
            found = tuple(await self._open_to(closure))
            if self.cache:
                self.cache.keep_open_to(closure, found, changes)
        return found

    async def _open_to(self, closure: Closure) -> list[str]:
        if not closure.party:
            return []
        active = Has("Consent", "status", (TokenValue(None, "active"),))
        # R4's parameters look neither into exceptions nor into extensions
        marked = Marked("actor", tuple(sorted(closure.party)))
        named = any_of([marked, _names("Consent", "actor", closure.party)])
        consents = await self._find(("Consent",), all_of([named, active]))
        patients = {_patient_of(row, self.reading) for row in consents}
        own = any_of([marked, _names("Patient", "general-practitioner", closure.party)])
        patients |= {row["id"] for row in await self._find(("Patient",), own)}
        return sorted(patients - {""})

    async def _with_references(
        self, states: Mapping[str, RecordState], targets: Collection[str]
    ) -> Mapping[str, RecordState]:
        """What a directive names as `related` decides by what it refers to; what is not here refers to nothing."""
        identities = [Identity(*target.split("/")) for target in targets if target.count("/") == 1]
        versions = await self.reader.read(identities, self.unrestricted)
        references = {target: frozenset[str]() for target in targets}
        for identity, version in versions.items():
            facts = self.facts(parse_json_object(version.content or b"{}"))
            references[str(identity)] = frozenset(
                mark.text for mark in facts.security.marks if mark.kind == "reference"
            )
        return {patient: replace(state, references=references) for patient, state in states.items()}

    async def _named(self, requester: Requester) -> list[JsonObject]:
        wanted: list[Clause] = []
        if requester.rpps:
            wanted.append(Has("Practitioner", "identifier", (TokenValue(RPPS, requester.rpps),)))
        if requester.organization:
            numbers = tuple(TokenValue(system, requester.organization) for system in STRUCTURE_SYSTEMS)
            wanted.append(Has("Organization", "identifier", numbers))
        return await self._find(("Practitioner", "Organization"), any_of(wanted)) if wanted else []

    async def _above(self, rows: Iterable[JsonObject]) -> list[JsonObject]:
        """The organizations that others are part of, level by level."""
        found: dict[str, JsonObject] = {}
        level = _parents(rows, self.reading)
        for _ in range(DEEPEST):
            wanted = level - found.keys()
            if not wanted:
                break
            for row in await self._find(("Organization",), WithId("Organization", tuple(sorted(wanted)))):
                found[row["id"]] = row
            level = _parents((found[name] for name in wanted if name in found), self.reading)
        return list(found.values())

    async def _referring(self, parameters: Mapping[str, str], rows: Iterable[JsonObject]) -> list[JsonObject]:
        """The resources that refer to any of these, by its reference or identifier, by the parameter of their type."""
        texts = frozenset(text for row in rows for text in _texts(row))
        ways = [_names(name, parameter, texts) for name, parameter in parameters.items()]
        return await self._find(tuple(parameters), any_of(ways)) if texts else []

    async def _find(self, types: tuple[str, ...], clause: Clause) -> list[JsonObject]:
        query = SearchQuery(types, all_of([OfType(types), clause]), count=_PAGE)
        rows: list[JsonObject] = []
        async for page in walk(self.reader, query, self.unrestricted):
            rows += [parse_json_object(version.content) for version in page.versions if version.content]
        return rows


def _names(resource_type: str, parameter: str, party: frozenset[str]) -> Clause:
    """Refers to one of these, by its reference or by its identifier."""
    links = tuple(sorted(text for text in party if "|" not in text))
    numbers = tuple(TokenValue(*text.rsplit("|", 1)) for text in sorted(party) if "|" in text)
    ways: list[Clause] = [Has(resource_type, parameter, (LinkValue(links),))] if links else []
    if numbers:
        ways.append(Has(resource_type, f"{parameter}:{IDENTIFIER}", numbers))
    return any_of(ways)


def _parents(rows: Iterable[JsonObject], reading: Reading) -> set[str]:
    links = (_link(row.get("partOf"), reading) for row in rows if row["resourceType"] == "Organization")
    return {link.removeprefix("Organization/") for link in links if link.startswith("Organization/")}


def _patient_of(consent: JsonObject, reading: Reading) -> str:
    return _link(consent.get("patient"), reading).removeprefix("Patient/")


def _link(value: object, reading: Reading) -> str:
    text = value.get("reference") if isinstance(value, dict) else None
    return text.removeprefix(f"{reading.base_url}/").partition("/_history/")[0] if isinstance(text, str) else ""


def _texts(row: JsonObject) -> set[str]:
    """The reference to a professional or a structure, and the numbers that others name it by."""
    known = {RPPS, *STRUCTURE_SYSTEMS}
    numbers = [one for one in row.get("identifier", ()) if isinstance(one, dict) and one.get("system") in known]
    return {
        f"{row['resourceType']}/{row['id']}",
        *(f"{one['system']}|{one['value']}" for one in numbers if "value" in one),
    }


def _numbers(person: JsonObject) -> list[JsonObject]:
    return [row for row in person.get("identifier", ()) if row.get("system") == RPPS and "value" in row]
