"""Directive → the clauses of what it permits and what it denies, in one situation.

    a rule matches   where all its attributes hold (inside an attribute one is enough), and says nothing elsewhere
    a permit         permits what it matches, except what one of its exceptions denies
    a denial         denies what it matches, except what some exception permits and none denies

What concerns the request (actor, action, purpose, period) is decided here and folds away; what concerns the resource
stays. https://hl7.org/fhir/R4/consent.html; the meaning of a tree is told by R5 only:
https://hl7.org/fhir/R5/consent.html#6.2.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from fhir_dmp.access.clauses import EVERYTHING, NOTHING, every, no, some
from fhir_dmp.access.directive import Code, Data, Directive, Effect, Provision, Span, holds_at
from fhir_dmp.instant import Milliseconds
from fhir_dmp.search.query import Clause, Clinical, ConfidentialUpTo, DateValue, Marked, OfType, WithId
from fhir_dmp.search.sensitivity import CONFIDENTIALITY, rank_of

_RESOURCE_TYPES = frozenset({"http://hl7.org/fhir/resource-types", "http://hl7.org/fhir/fhir-types"})
_CREATED_DURING = frozenset({"Encounter", "CarePlan", "EpisodeOfCare"})
"""What is related to these is also what refers to them: IHE PCF reads it as created during the encounter."""
_IMPLIED = {
    "access": frozenset({"access", "use", "disclose"}),
    "collect": frozenset({"collect"}),
    "correct": frozenset({"correct"}),
}
"""A deny of use or disclosure is one of reading, a permit of them is not."""


@dataclass(frozen=True, slots=True)
class Situation:
    """One request as directives see it: everything by which the requester is known, one purpose, one action.

    `references` gives what each resource refers to that a directive names as `related`; one that is not a key was not
    looked up, and then a deny applies to everything and a permit to nothing. `over` are those of the party that a
    permit no longer reaches (closure.Closure).
    """

    party: frozenset[str]
    purpose: str
    action: str
    now: Milliseconds
    references: Mapping[str, frozenset[str]] = field(default_factory=dict)
    over: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a directive says: of resources for which neither is true it says nothing. Never are both true."""

    permit: Clause
    deny: Clause


SILENT = Opinion(NOTHING, NOTHING)


def compile_directive(directive: Directive, situation: Situation) -> Opinion:
    """Returns what a directive says in a situation."""
    root = directive.root
    inside = _compile(root, situation) if root else SILENT
    outside = no(_match(root, situation)) if root else EVERYTHING
    permitted = some([inside.permit, outside if directive.base == "permit" else NOTHING])
    return Opinion(
        permit=NOTHING if directive.denies_only else permitted,
        deny=some([inside.deny, outside if directive.base == "deny" else NOTHING]),
    )


def related_targets(directives: Iterable[Directive]) -> frozenset[str]:
    """Returns the resources (`Type/id`) whose references Situation.references has to give."""
    found: set[str] = set()
    for directive in directives:
        for node in _nodes(directive.root):
            found.update(item.texts[0] for item in node.data or () if item.meaning == "related" and item.texts)
    return frozenset(found)


def permit_naming(directive: Directive, label: Code, situation: Situation) -> Clause:
    """Returns what a directive's root permits where it is a permit that names this label itself, else Nothing.

    What its policy rule says of all the rest names no label, and opens none.
    """
    root = directive.root
    is_named = root is not None and root.effect == "permit" and label in (root.labels or ())
    return _compile(root, situation).permit if root and is_named and not directive.denies_only else NOTHING


def _nodes(node: Provision | None) -> Iterator[Provision]:
    if node:
        yield node
        for child in node.exceptions:
            yield from _nodes(child)


def _compile(node: Provision, situation: Situation) -> Opinion:
    match = _match(node, situation)
    if match == NOTHING:
        return SILENT
    opinions = [_compile(child, situation) for child in node.exceptions]
    permitted = some(opinion.permit for opinion in opinions)
    denied = some(opinion.deny for opinion in opinions)
    excepted = denied if node.effect == "permit" else every([permitted, no(denied)])
    applied = Opinion(every([match, no(excepted)]), every([match, excepted]))
    return applied if node.effect == "permit" else Opinion(applied.deny, applied.permit)


def _match(node: Provision, situation: Situation) -> Clause:
    if not _concerns(node, situation):
        return NOTHING
    return every(
        [
            _match_classes(node.classes),
            _match_codes(node.codes),
            _match_labels(node.labels, node.effect),
            _match_period(node.data_period, node.effect),
            _match_data(node, situation),
        ]
    )


def _concerns(node: Provision, situation: Situation) -> bool:
    """Tells whether the attributes that are about the request hold."""
    action = situation.action
    actions = _IMPLIED[action] if node.effect == "deny" else {action}
    party = situation.party if node.effect == "deny" else situation.party - situation.over
    return (
        holds_at(node.period, situation.now)
        and (node.actors is None or not node.actors.isdisjoint(party))
        and (node.actions is None or not node.actions.isdisjoint(actions))
        and (node.purposes is None or situation.purpose in node.purposes)
    )


def _match_classes(classes: tuple[Code, ...] | None) -> Clause:
    if classes is None:
        return EVERYTHING
    types = tuple(code for system, code in classes if system in _RESOURCE_TYPES)
    others = tuple(f"{system}|{code}" for system, code in classes if system not in _RESOURCE_TYPES)
    return some([OfType(types) if types else NOTHING, Marked("class", others) if others else NOTHING])


def _match_codes(codes: tuple[Code, ...] | None) -> Clause:
    return EVERYTHING if codes is None else Marked("code", tuple(f"{system}|{code}" for system, code in codes))


def _match_labels(labels: tuple[Code, ...] | None, effect: Effect) -> Clause:
    """Confidentiality is a high-water mark: a permit of R is one of N too, a deny of R one of V too."""
    if labels is None:
        return EVERYTHING
    ranks = [rank_of(code) for system, code in labels if system == CONFIDENTIALITY]
    others = tuple(f"{system}|{code}" for system, code in labels if system != CONFIDENTIALITY)
    bounds = [ConfidentialUpTo(rank) if effect == "permit" else no(ConfidentialUpTo(rank - 1)) for rank in ranks]
    return some([*bounds, Marked("label", others) if others else NOTHING])


def _match_period(period: Span | None, effect: Effect) -> Clause:
    """A permit is about what lies inside, a deny about what overlaps, or has no date."""
    if period is None:
        return EVERYTHING
    low, high = period
    if effect == "permit":
        return Clinical(DateValue("eq", low, high))
    return no(some([Clinical(DateValue("sa", low, high)), Clinical(DateValue("eb", low, high))]))


def _match_data(node: Provision, situation: Situation) -> Clause:
    if node.data is None:
        return EVERYTHING
    return some([_match_datum(item, node.effect, situation) for item in node.data])


def _match_datum(item: Data, effect: Effect, situation: Situation) -> Clause:
    match item.meaning:
        case "authoredby":
            return Marked("author", item.texts)
        case "instance":
            return _these(item.texts[:1])
        case "dependents":
            return some([_these(item.texts[:1]), Marked("reference", item.texts[:1])])
        case "related":
            return _match_related(item.texts[0], effect, situation)


def _match_related(target: str, effect: Effect, situation: Situation) -> Clause:
    references = situation.references.get(target)
    if references is None:
        return EVERYTHING if effect == "deny" else NOTHING
    created_during = target.partition("/")[0] in _CREATED_DURING
    return some([_these({target, *references}), Marked("reference", (target,)) if created_during else NOTHING])


def _these(references: Iterable[str]) -> Clause:
    """The resources with these `Type/id`; other texts lead to no resource of this server."""
    ids: dict[str, list[str]] = {}
    for text in sorted(references):
        resource_type, separator, resource_id = text.partition("/")
        if separator and "/" not in resource_id and ":" not in text:
            ids.setdefault(resource_type, []).append(resource_id)
    return some([WithId(name, tuple(found)) for name, found in ids.items()])
