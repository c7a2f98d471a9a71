"""Random small worlds of resources that refer to one another, and random clauses with joins over them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fhir_dmp.search.query import (
    AboutPatient,
    And,
    Chained,
    Clause,
    Contains,
    Has,
    Hop,
    Not,
    OfType,
    Or,
    Referred,
    TokenValue,
    WithId,
)

Json = Any

IDS = ("1", "2", "3")
HOPS = (
    Hop("Observation", "patient", "Patient"), Hop("Observation", "subject", "Patient"),
    Hop("Observation", "subject", "Device"), Hop("Observation", "encounter", "Encounter"),
    Hop("Observation", "derived-from", "Observation"), Hop("Observation", "performer", "Practitioner"),
    Hop("Encounter", "patient", "Patient"), Hop("Encounter", "part-of", "Encounter"),
    Hop("Patient", "general-practitioner", "Practitioner"), Hop("Patient", "link", "Patient"),
    Hop("List", "item", "Observation"), Hop("List", "item", "Patient"), Hop("List", "item", "List"),
    Hop("Provenance", "target", "Observation"), Hop("Provenance", "agent", "Practitioner"),
)  # fmt: skip
TYPES = sorted({name for hop in HOPS for name in (hop.resource_type, hop.target)})
TAGS = ("a", "b")


def _reference(*types: str) -> st.SearchStrategy[Json]:
    targets = [f"{kind}/{name}{suffix}" for kind in types for name in IDS for suffix in ("", "/_history/7")]
    return st.sampled_from([*targets, f"https://other.example/{types[0]}/1", "#x", "#x"]).map(
        lambda text: {"reference": text}
    )


def _several(*types: str) -> st.SearchStrategy[Json]:
    return st.lists(_reference(*types), min_size=1, max_size=2)


_ELEMENTS: dict[str, dict[str, st.SearchStrategy[Json]]] = {
    "Patient": {
        "generalPractitioner": _several("Practitioner"),
        "link": _several("Patient").map(lambda rows: [{"other": row} for row in rows]),
    },
    "Observation": {
        "subject": _reference("Patient", "Device"),
        "encounter": _reference("Encounter"),
        "derivedFrom": _several("Observation"),
        "performer": _several("Practitioner", "Patient"),
    },
    "Encounter": {"subject": _reference("Patient"), "partOf": _reference("Encounter")},
    "List": {
        "subject": _reference("Patient"),
        "entry": _several("Observation", "Patient", "List").map(lambda rows: [{"item": row} for row in rows]),
    },
    "Provenance": {
        "target": _several("Observation", "Patient"),
        "agent": _several("Practitioner").map(lambda rows: [{"who": row} for row in rows]),
    },
}


@st.composite
def resources(draw: st.DrawFn) -> list[Json]:
    """Some resources of each type; each has perhaps a tag, by which clauses know it."""
    made = []
    for kind in TYPES:
        for name in draw(st.sets(st.sampled_from(IDS))):
            elements = draw(st.fixed_dictionaries({}, optional=_ELEMENTS.get(kind, {})))
            tags = [{"code": code} for code in draw(st.sets(st.sampled_from(TAGS)))]
            held = draw(st.lists(_contained(), max_size=1)) if draw(st.booleans()) else []
            more = {"contained": held} if held else {}
            made.append({"resourceType": kind, "id": name, "meta": {"tag": tags}, **more, **elements})
    return made


@st.composite
def _contained(draw: st.DrawFn) -> Json:
    """What the references to `#x` lead to."""
    kind = draw(st.sampled_from(TYPES))
    tags = [{"code": code} for code in draw(st.sets(st.sampled_from(TAGS)))]
    elements = draw(st.fixed_dictionaries({}, optional=_ELEMENTS.get(kind, {})))
    return {"resourceType": kind, "id": "x", "meta": {"tag": tags}, **elements}


def _tagged(resource_type: str) -> st.SearchStrategy[Clause]:
    return st.sampled_from(TAGS).map(lambda code: Has(resource_type, "_tag", (TokenValue(None, code),)))


@st.composite
def clauses(draw: st.DrawFn, resource_type: str, depth: int = 3) -> Clause:  # noqa: PLR0911  one for each kind
    """A clause about resources of a type, with up to so many hops one after another."""
    named = st.lists(st.sampled_from(IDS), max_size=2).map(tuple)
    plain: list[st.SearchStrategy[Clause]] = [
        _tagged(resource_type),
        named.map(lambda ids: WithId(resource_type, ids)),
        named.map(AboutPatient),
    ]
    forward = [hop for hop in HOPS if hop.resource_type == resource_type]
    backward = [hop for hop in HOPS if hop.target == resource_type]
    kinds = [
        "plain",
        *(["forward"] * 2 if forward and depth else []),
        *(["backward"] * 2 if backward and depth else []),
        *(["inside"] if depth else []),
    ]
    match draw(st.sampled_from([*kinds, "and", "or", "not"] if depth else kinds)):
        case "forward":
            hop = draw(st.sampled_from(forward))
            return Chained(hop, draw(clauses(hop.target, depth - 1)))
        case "backward":
            hop = draw(st.sampled_from(backward))
            return Referred(hop, draw(clauses(hop.resource_type, depth - 1)))
        case "inside":
            held = draw(st.sampled_from(TYPES))
            return Contains(And((OfType((held,)), draw(clauses(held, depth - 1)))))
        case "and":
            return And((draw(clauses(resource_type, depth - 1)), draw(clauses(resource_type, depth - 1))))
        case "or":
            return Or((draw(clauses(resource_type, depth - 1)), draw(clauses(resource_type, depth - 1))))
        case "not":
            return Not(draw(clauses(resource_type, depth - 1)))
    return draw(st.one_of(plain))


@st.composite
def asked(draw: st.DrawFn) -> tuple[str, Clause]:
    """A type, and a search of it: sometimes confined to patients or ids, as searches of a record are."""
    resource_type = draw(st.sampled_from(TYPES))
    parts: list[Clause] = [OfType((resource_type,)), draw(clauses(resource_type))]
    if draw(st.booleans()):
        parts.append(AboutPatient(tuple(draw(st.sets(st.sampled_from(IDS), min_size=1)))))
    if draw(st.integers(0, 4)) == 0:
        parts.append(WithId(resource_type, tuple(draw(st.sets(st.sampled_from(IDS), min_size=1)))))
    return resource_type, And(tuple(parts))


def restrictions() -> st.SearchStrategy[Clause]:
    """What exists for a requester: some of each type, by their tags or ids."""
    by_tag = st.sampled_from(TYPES).flatmap(_tagged).map(Not)
    by_id = st.builds(WithId, st.sampled_from(TYPES), st.sampled_from(IDS).map(lambda name: (name,))).map(Not)
    return st.lists(st.one_of(by_tag, by_id), max_size=6).map(tuple).map(And)
