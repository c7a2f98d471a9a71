"""Random requests over every channel, made of what is stored: ids, codes and dates of hidden things too."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from fhir_dmp.resource import Identity
from fhir_dmp.search.facts import Facts
from tests.access_http.world import IDENTIFIERS, World
from tests.strategies.access import NOW, coding, concept, named, reference
from tests.strategies.access_worlds import AUTHORS, LABELS, LOINC

Json = Any
Pairs = list[tuple[str, str]]

FHIR_JSON, JSON_PATCH = "application/fhir+json", "application/json-patch+json"
FORM = "application/x-www-form-urlencoded"
SEARCHED = ("DocumentReference", "Observation", "Encounter", "Consent", "List", "Composition", "Provenance", "Binary",
            "Condition", "AllergyIntolerance", "Patient", "AuditEvent", "CareTeam")  # fmt: skip
WRITTEN = ("DocumentReference", "Observation", "Encounter", "List", "Condition")
DAY = 86_400_000


class Ask(NamedTuple):
    """One request; `target` is below the base."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {self.target} {dict(self.headers)} {self.body[:1500].decode()}"


@dataclass(slots=True)
class Asking:
    """Makes requests about one store."""

    random: Random
    world: World
    facts: Sequence[Facts]
    versions: int = 4
    only: Sequence[str] = ()
    channels: dict[str, int] = field(default_factory=dict)

    def make(self) -> Ask:
        """Returns one request over a channel by chance, out of `only` where that names some."""
        channels = [channel for channel in _CHANNELS if not self.only or channel.__name__ in self.only]
        channel: Callable[[Asking], Ask] = self.random.choice(channels)
        self.channels[channel.__name__] = self.channels.get(channel.__name__, 0) + 1
        return channel(self)

    # what is there

    def identity(self, *types: str) -> Identity:
        """A resource that is stored, sometimes one that is not."""
        known = [one for one in self.world.pasts if not types or one.resource_type in types]
        if not known or self.random.random() < 0.1:
            return Identity(self.random.choice(types or SEARCHED), self.random.choice(("none", "1", "2", "z0", "q")))
        return self.random.choice(known)

    def stamp(self) -> str:
        at = datetime.fromtimestamp((NOW - self.random.randint(0, 60) * 3_600_000) / 1000, UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")

    def day(self) -> str:
        return datetime.fromtimestamp((NOW - self.random.randint(0, 2) * DAY) / 1000, UTC).strftime("%Y-%m-%d")

    def tag(self) -> str:
        return f'W/"{self.random.randint(1, self.versions)}"'

    # reading

    def read(self) -> Ask:
        headers: Pairs = []
        if self.random.random() < 0.25:
            headers.append(("if-none-match", self.tag()))
        if self.random.random() < 0.15:
            headers.append(("if-modified-since", "Sat, 01 Jun 2024 10:00:00 GMT"))
        queries = ("", "", "", "?_summary=true", "?_elements=status", "?_pretty=true", "?_summary=text")
        query = self.random.choice(queries)
        return Ask(self.random.choice(("GET", "GET", "HEAD")), f"{self.identity()}{query}", tuple(headers))

    def vread(self) -> Ask:
        """Mostly of what has a past: a version that another one followed may be hidden where that is not."""
        past = [one for one, versions in self.world.pasts.items() if len(versions) > 1]
        identity = self.random.choice(past) if past and self.random.random() < 0.8 else self.identity()
        number = self.random.randint(1, self.versions)
        return Ask(self.random.choice(("GET", "HEAD")), f"{identity}/_history/{number}")

    def history(self) -> Ask:
        where = self.random.choice((f"{self.identity()}/", f"{self.random.choice(SEARCHED)}/", ""))
        pairs: Pairs = []
        if self.random.random() < 0.3:
            pairs.append(("_since", self.stamp()))
        if self.random.random() < 0.3:
            pairs.append(("_at", self.random.choice((self.stamp(), self.day()))))
        if self.random.random() < 0.5:
            pairs.append(("_count", str(self.random.randint(0, 4))))
        return Ask("GET", f"{where}_history?{urlencode(pairs)}")

    def search(self) -> Ask:
        kind = self.random.choice(SEARCHED)
        pairs = self.criteria(kind, self.random.randint(0, 2)) + self.shaping()
        if self.random.random() < 0.2:
            return Ask("POST", f"{kind}/_search", (("content-type", FORM),), urlencode(pairs).encode())
        return Ask(self.random.choice(("GET", "GET", "GET", "HEAD")), f"{kind}?{urlencode(pairs)}")

    def search_system(self) -> Ask:
        pairs: Pairs = [("_type", ",".join(self.random.sample(SEARCHED, 3)))] if self.random.random() < 0.8 else []
        common = (("_id", self.identity().resource_id), ("_security", self.label()), ("_lastUpdated", self.bound()))
        return Ask("GET", f"?{urlencode([*pairs, self.random.choice(common), *self.shaping(of_system=True)])}")

    def way(self) -> tuple[Facts, str, Facts]:
        """Something stored, the parameter by which it refers to something else that is, and that."""
        stored = {f"{facts.resource_type}/{facts.resource_id}": facts for facts in self.facts}
        ways = [
            (facts, link.parameter, stored[link.text])
            for facts in self.facts
            for link in facts.links
            if link.text in stored and not link.parameter.startswith("_")
        ]
        # to Patients there are as many ways as to all else together
        others = [way for way in ways if way[2].resource_type != "Patient"]
        return self.random.choice(others if others and self.random.random() < 0.7 else ways)

    def chained(self) -> Ask:
        """Chains: forward to what may be hidden."""
        origin, parameter, target = self.way()
        name, value = self.criterion(target)
        pairs = [(f"{parameter}:{target.resource_type}.{name}", value), *self.shaping()]
        if self.random.random() < 0.3:
            pairs += self.criteria(origin.resource_type, 1)
        return Ask("GET", f"{origin.resource_type}?{urlencode(pairs)}")

    def contained(self) -> Ask:
        """What is contained, in its container, alone, or at the end of a chain: the container may be hidden."""
        held = [(facts, fact) for facts in self.facts for fact in facts.contained]
        if not held:
            return self.search()
        container, fact = self.random.choice(held)
        kind, shaping = fact.facts.resource_type, self.shaping(of_system=True)
        name, value = self.criterion(fact.facts)
        if fact.ways and self.random.random() < 0.3:
            way = f"{self.random.choice(fact.ways)}:{kind}.{name}"
            return Ask("GET", f"{container.resource_type}?{urlencode([(way, value), *shaping])}")
        asked = [("_contained", self.random.choice(("true", "both")))]
        asked += [("_containedType", "contained")] if self.random.random() < 0.5 else []
        return Ask("GET", f"{kind}?{urlencode([(name, value), *asked, *shaping])}")

    def reversed(self) -> Ask:
        """Chains backward, and Lists: what refers to a match may be hidden."""
        origin, parameter, target = self.way()
        if self.random.random() < 0.25:
            pairs: Pairs = [("_list", self.identity("List").resource_id), *self.shaping()]
            return Ask("GET", f"{self.random.choice(SEARCHED)}?{urlencode(pairs)}")
        name, value = self.criterion(origin)
        pairs = [(f"_has:{origin.resource_type}:{parameter}:{name}", value), *self.shaping()]
        return Ask("GET", f"{target.resource_type}?{urlencode(pairs)}")

    def included(self) -> Ask:
        """What a page carries beside its matches."""
        origin, parameter, target = self.way()
        kind, way = origin.resource_type, f"{origin.resource_type}:{parameter}"
        suffix = self.random.choice(("", "", ":iterate"))
        forward = [(f"_include{suffix}", self.random.choice((way, f"{way}:{target.resource_type}", f"{kind}:*")))]
        backward = [(f"_revinclude{suffix}", self.random.choice((way, f"{kind}:*")))]
        around = [("_include", way), ("_revinclude:iterate", "Provenance:target")]
        added = self.random.choice((forward, forward, backward, backward, around, [("_include:iterate", "*")]))
        searched = target.resource_type if added is backward else kind
        pairs = [*self.criteria(searched, self.random.choice((0, 0, 1))), *added, *self.shaping()]
        return Ask("GET", f"{searched}?{urlencode(pairs)}")

    def compartment(self) -> Ask:
        """What is tied to a patient, an encounter or a practitioner."""
        owner = self.identity("Patient", "Patient", "Encounter", "Practitioner")
        kind = self.random.choice(("*", *SEARCHED))
        pairs = [*(self.criteria(kind, 1) if kind != "*" else []), *self.shaping(of_system=kind == "*")]
        if self.random.random() < 0.2:
            return Ask("POST", f"{owner}/{kind}/_search", (("content-type", FORM),), urlencode(pairs).encode())
        return Ask("GET", f"{owner}/{kind}?{urlencode(pairs)}")

    def joined(self) -> Ask:
        """Parameters that reach other resources."""
        target = self.identity()
        name = self.random.choice((
            "Observation?_filter=status eq final", "Observation?_text=xx", "Patient?_content=xx",
            f"Observation?_has:List:item:_id={target.resource_id}", f"List?item={target}",
            f"Provenance?target={target}",
            f"Composition?entry={target}", f"Condition?evidence-detail={target}", f"DocumentReference?related={target}",
            f"Encounter?_id={target.resource_id}&_contained=both", f"AuditEvent?entity={target}",
        ))  # fmt: skip
        path, _, query = name.partition("?")
        return Ask("GET", f"{path}?{quote(query, safe='=&:*._,-/')}")

    def operation(self) -> Ask:
        target = self.identity()
        body = {"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "delete"}]}
        return self.random.choice((
            Ask("GET", f"{target}/$validate"),
            Ask("POST", f"{target}/$validate", (("content-type", FHIR_JSON),), json.dumps(body).encode()),
            Ask("GET", "ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender"),
            Ask("POST", "$validate", (("content-type", FHIR_JSON),), self.body(self.written())),
            Ask("POST", "$graphql", (("content-type", "application/json"),), b"{}"),
            Ask("POST", "List/$validate", (("content-type", FHIR_JSON),), self.body(self.written("List"))),
        ))  # fmt: skip

    def record_operation(self) -> Ask:
        """Operations that gather from records."""
        target, patient = self.identity(), self.random.choice("ppq")
        kind = self.random.choice(SEARCHED)
        composition = self.identity("Composition")
        count = self.random.choice(("", "?_count=1", "?_count=3", "?_type=Observation,DocumentReference"))
        dated = self.random.choice(("", "&start=2023", "&end=2024", "&type=11502-2"))
        shape = self.random.choice(("category=x", "code=29463-7", "code:not=x", "code:missing=true"))
        return Ask("GET", self.random.choice((
            f"Patient/{patient}/$everything{count}", f"Patient/$everything{count}",
            f"Patient/{patient}/$everything?start=2023-06&_count=2",
            f"{target}/$meta", f"{kind}/$meta", "$meta", f"{composition}/$document", f"{composition}/$document",
            f"Observation/$lastn?patient={patient}&{shape}",
            f"Observation/$lastn?subject=Patient/{patient}&{shape}&max=2",
            f"DocumentReference/$docref?patient={patient}{dated}", f"Patient/{patient}/$summary",
            f"Patient/{patient}/$dmp-history?_count={self.random.randint(1, 3)}",
        )))  # fmt: skip

    def label_operation(self) -> Ask:
        """$meta-add and $meta-delete."""
        kept = {"security": [coding(self.random.choice(("vis|MASQUE_PS", *LABELS)))]}
        body = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": kept}]}
        name = self.random.choice(("meta-add", "meta-delete"))
        headers = (("content-type", FHIR_JSON), *self.preconditions())
        return Ask("POST", f"{self.identity()}/${name}", headers, json.dumps(body).encode())

    def fhirpath_patch(self) -> Ask:
        """A patch whose path asks what is stored."""
        kind = self.random.choice(WRITTEN)
        path, value = self.random.choice((
            (f"{kind}.where(subject.reference = 'Patient/p').status", "amended"), (f"{kind}.status", "amended"),
            (f"{kind}.identifier.where(value = 'a').value", "b"),
        ))  # fmt: skip
        parts = [{"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": path},
                 {"name": "value", "valueString": value}]  # fmt: skip
        body = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
        target = (
            str(self.identity(kind)) if self.random.random() < 0.7 else f"{kind}?{urlencode(self.criteria(kind, 1))}"
        )
        return Ask("PATCH", target, (("content-type", FHIR_JSON), *self.preconditions()), json.dumps(body).encode())

    def criteria(self, kind: str, count: int) -> Pairs:
        """Search parameters with values that something stored has, visible or not."""
        own = [facts for facts in self.facts if facts.resource_type == kind] or list(self.facts)
        pairs: Pairs = [("patient", self.random.choice("pq"))] if self.random.random() < 0.3 else []
        for _ in range(count):
            pairs.append(self.random.choice((self.criterion, self.criterion, self.common))(self.random.choice(own)))
        return pairs

    def criterion(self, facts: Facts) -> tuple[str, str]:
        found: list[tuple[str, str]] = [
            *((row.parameter, f"{row.system}|{row.code}") for row in facts.tokens),
            *((f"{row.parameter}:not", row.code) for row in facts.tokens if row.parameter == "status"),
            *((f"{row.parameter}:missing", self.random.choice(("true", "false"))) for row in facts.tokens),
            *((row.parameter, row.text) for row in facts.links if not row.text.startswith("#")),
            *((f"{row.parameter}:missing", self.random.choice(("true", "false"))) for row in facts.links),
            *((row.parameter, row.text[:3]) for row in facts.strings),
            *((row.parameter, self.random.choice(("ge2023", "lt2024", "2023", "sa2022"))) for row in facts.dates),
        ]
        found = [(name, value) for name, value in found if not name.startswith("_")]
        return self.random.choice(found) if found else self.common(facts)

    def common(self, facts: Facts) -> tuple[str, str]:
        return self.random.choice((
            ("_id", facts.resource_id), ("_security", self.label()), ("_lastUpdated", self.bound()),
            ("_profile", "https://fhir-dmp.fr/StructureDefinition/x"), ("_tag", "x"), ("_source", "x"),
            ("_security:not", self.label()), ("_security:missing", "true"),
            ("_content", self.random.choice(("x", *facts.words.content))), self.tested(facts), self.composite(facts),
            ("_id", ",".join(one.resource_id for one in list(self.world.pasts)[-9:])),
        ))  # fmt: skip

    def tested(self, facts: Facts) -> tuple[str, str]:
        """A filter on a token."""
        tests = [f'{row.parameter} {self.random.choice(("eq", "ne"))} "{row.code}"' for row in facts.tokens]
        tests = [test for test in tests if not test.startswith("_") and ":" not in test.partition(" ")[0]] or [
            "_id pr true"
        ]
        text = self.random.choice(tests)
        return ("_filter", self.random.choice((text, f"not ({text})", f"{text} or _lastUpdated gt 2020")))

    def composite(self, facts: Facts) -> tuple[str, str]:
        for fact in facts.composites:
            if len(fact.tokens) == 1 and len(fact.links) == 1:
                return (fact.parameter, f"{fact.links[0].text}${fact.tokens[0].code}")
        return ("_id", facts.resource_id)

    def label(self) -> str:
        made = coding(self.random.choice(LABELS))
        return f"{made['system']}|{made['code']}"

    def bound(self) -> str:
        return self.random.choice(("ge", "lt", "")) + self.random.choice((self.stamp(), self.day()))

    def shaping(self, *, of_system: bool = False) -> Pairs:
        orders = ("_lastUpdated", "-_lastUpdated", "_id")
        chances: list[tuple[float, str, Sequence[str]]] = [
            (0.5, "_count", ("0", "1", "2", "3")),
            (0.3, "_sort", orders if of_system else (*orders, "date", "status", "-_id")),
            (0.2, "_total", ("accurate", "none", "estimate")),
            (0.1, "_summary", ("true", "count", "text", "data")),
            (0.1, "_elements", ("status", "subject")),
        ]  # fmt: skip
        return [(name, self.random.choice(values)) for chance, name, values in chances if self.random.random() < chance]

    # writing

    def written(self, kind: str = "", name: str = "") -> Json:
        """A resource as a client sends it: about a patient, of some author, pointing at something."""
        kind = kind or self.random.choice(WRITTEN)
        about, target = reference("Patient/" + self.random.choice("ppq")), reference(str(self.identity()))
        authors = [named(text) for text in self.random.sample(AUTHORS, 1) if not text.startswith("#")]
        item: Json = {"resourceType": kind, "subject": about, "status": "final"}
        if name:
            item["id"] = name
        if self.random.random() < 0.2:
            item["meta"] = {"security": [coding(self.random.choice(LABELS))]}
        if kind != "List":
            item["identifier"] = [{"system": IDENTIFIERS, "value": self.random.choice("abcdef")}]
        match kind:
            case "DocumentReference":
                content = [{"attachment": {"url": str(self.identity("Binary"))}}]
                kept = {"status": "current", "content": content, "type": concept(LOINC, "11502-2"), "author": authors}
                item |= {**kept, "context": {"related": [target]}}
            case "Observation":
                item |= {"code": concept(LOINC, "29463-7"), "performer": authors, "derivedFrom": [target]}
            case "Encounter":
                item |= {"status": "finished", "class": {"code": "AMB"}}
            case "List":
                item |= {"status": "current", "mode": "working", "entry": [{"item": target}]}
            case "Condition":
                item.pop("status")
                item |= {"evidence": [{"detail": [target]}], "code": {"text": "x"}}
        return {key: value for key, value in item.items() if value not in ([], {})}

    def body(self, item: Json) -> bytes:
        return json.dumps(item).encode()

    def preconditions(self) -> Pairs:
        chance = self.random.random()
        if chance < 0.2:
            return [("if-match", self.tag())]
        return [("if-none-match", "*")] if chance < 0.3 else []

    def create(self) -> Ask:
        item = self.written()
        headers: Pairs = [("content-type", FHIR_JSON)]
        if self.random.random() < 0.5:
            headers.append(("if-none-exist", urlencode(self.criteria(item["resourceType"], 1))))
        return Ask("POST", item["resourceType"], tuple(headers), self.body(item))

    def update(self) -> Ask:
        target = self.identity()
        stored = self.world.pasts.get(target, [None])[-1]
        kind = target.resource_type if target.resource_type in WRITTEN else ""
        item = stored if stored and self.random.random() < 0.6 else self.written(kind)
        item = {**item, "id": target.resource_id}
        if self.random.random() < 0.3:
            item["meta"] = {"security": [coding("vis|MASQUE_PS")]}
        return Ask("PUT", str(target), (("content-type", FHIR_JSON), *self.preconditions()), self.body(item))

    def update_matching(self) -> Ask:
        item = self.written()
        kind = item["resourceType"]
        if self.random.random() < 0.3:
            item["id"] = self.identity(kind).resource_id
        target = f"{kind}?{urlencode(self.criteria(kind, 1))}"
        return Ask("PUT", target, (("content-type", FHIR_JSON), *self.preconditions()), self.body(item))

    def operations(self) -> bytes:
        """A JSON Patch; its tests ask what is stored."""
        label = {"coding": [coding("vis|MASQUE_PS")]}
        rows = self.random.choice((
            [{"op": "test", "path": "/subject/reference", "value": "Patient/p"}],
            [{"op": "add", "path": "/securityLabel", "value": [label]}],
            [{"op": "replace", "path": "/status", "value": "amended"}],
            [{"op": "test", "path": "/status", "value": "final"}, {"op": "remove", "path": "/identifier"}],
            [{"op": "copy", "from": "/subject", "path": "/encounter"}],
            [{"op": "add", "path": "/language", "value": "fr"}],
        ))  # fmt: skip
        return json.dumps(rows).encode()

    def patch(self) -> Ask:
        kind = self.random.choice(WRITTEN)
        target = str(self.identity()) if self.random.random() < 0.6 else f"{kind}?{urlencode(self.criteria(kind, 1))}"
        return Ask("PATCH", target, (("content-type", JSON_PATCH), *self.preconditions()), self.operations())

    def delete(self) -> Ask:
        kind = self.random.choice(WRITTEN)
        target = str(self.identity()) if self.random.random() < 0.7 else f"{kind}?{urlencode(self.criteria(kind, 1))}"
        return Ask("DELETE", target, tuple(self.preconditions()))

    def bundle(self) -> Ask:
        """Several of these at once, in a batch or a transaction."""
        kind = self.random.choice(("batch", "transaction"))
        made = [self.random.choice(_ENTRIES)(self) for _ in range(self.random.randint(1, 3))]
        rows = [self.entry(ask, number, in_transaction=kind == "transaction") for number, ask in enumerate(made)]
        body = {"resourceType": "Bundle", "type": kind, "entry": rows}
        return Ask("POST", "", (("content-type", FHIR_JSON),), json.dumps(body).encode())

    def entry(self, ask: Ask, number: int, *, in_transaction: bool) -> Json:
        request: Json = {"method": ask.method, "url": ask.target}
        members = {"if-match": "ifMatch", "if-none-match": "ifNoneMatch", "if-none-exist": "ifNoneExist"}
        request |= {members[name]: value for name, value in ask.headers if name in members}
        row: Json = {"request": request, "fullUrl": f"urn:uuid:0000000{number}-0000-4000-8000-000000000000"}
        if ask.method == "PATCH":
            data = base64.b64encode(ask.body).decode()
            row["resource"] = {"resourceType": "Binary", "contentType": JSON_PATCH, "data": data}
        elif ask.body and ask.headers[0][1] == FHIR_JSON:
            row["resource"] = json.loads(ask.body)
            if in_transaction and self.random.random() < 0.4 and "subject" in row["resource"]:
                value = f"{IDENTIFIERS}|{self.random.choice('abcdef')}"
                row["resource"]["encounter"] = reference(f"Encounter?identifier={value}")
        return row


_ENTRIES = (Asking.create, Asking.create, Asking.update, Asking.update_matching, Asking.delete, Asking.patch,
            Asking.read, Asking.search, Asking.vread)  # fmt: skip
_CHANNELS = (
    *(Asking.read,) * 3, *(Asking.vread,) * 3, *(Asking.history,) * 5, *(Asking.search,) * 7,
    *(Asking.search_system,) * 2,
    *(Asking.chained,) * 2, *(Asking.contained,) * 2, *(Asking.reversed,) * 2, *(Asking.included,) * 3,
    *(Asking.compartment,) * 2, Asking.joined,
    *(Asking.operation,) * 2, *(Asking.record_operation,) * 3, Asking.label_operation,
    Asking.fhirpath_patch, *(Asking.create,) * 2, *(Asking.update,) * 2,
    Asking.update_matching, *(Asking.patch,) * 2, *(Asking.delete,) * 2, *(Asking.bundle,) * 3,
)  # fmt: skip
