"""SearchSpace: what this server indexes and answers, per type, and the settings that index and parse must share.

https://hl7.org/fhir/R4/search.html#parameters. Parameters are resolved against the definitions on first use of a type.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from hashlib import sha256
from types import MappingProxyType

from fhir_dmp.json_text import JsonObject
from fhir_dmp.search.composite import Base, resolve_bases
from fhir_dmp.search.path import Paths, RefersTo, Route, resolve_paths
from fhir_dmp.spec.registry import Registry
from fhir_dmp.spec.search_parameter import ParameterType, SearchParameter

INDEXED = frozenset({"number", "date", "string", "token", "reference", "quantity", "uri", "composite", "special"})
"""The types of parameters that have facts."""

ALWAYS = ("_id", "_lastUpdated")
WORDED = ("_text", "_content")
"""The parameters that ask for words, in the narrative or in the whole resource."""
_WITHOUT_PATH = (*WORDED, "_filter")

_MAIN_DATES = (
    "date", "authored-on", "authoredon", "authored", "recorded-date", "whenhandedover", "whenprepared",
    "effective-time", "effective", "created", "collected", "started", "onset-date", "start-date", "request-date",
    "occurrence", "period", "sent", "recorded", "birthdate", "targetdate",
)  # fmt: skip
"""The parameters that may be a type's main date, best first."""
_MAIN_CODES = ("code", "type", "vaccine-code")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter of one resource type, resolved. `targets` are the types that its references may lead to.

    A composite has `components`, which are parameters named `code$0`, `code$1`…, and the `bases` that have them.
    """

    resource_type: str
    code: str
    type: ParameterType
    url: str
    paths: Paths
    targets: tuple[str, ...]
    components: tuple[Parameter, ...] = ()
    bases: tuple[Base, ...] = ()

    @property
    def element_types(self) -> frozenset[str]:
        """The FHIR types of its elements, as far as the definitions say."""
        return frozenset(route.type for route in self.paths.routes)

    @property
    def is_single(self) -> bool:
        """Tells whether a resource has at most one value of it."""
        is_one = len(self.paths.elements) == 1 and not self.paths.residue
        return is_one and not any(route.repeats for route in self.paths.routes)


@dataclass(frozen=True, slots=True)
class Main:
    """The parameters of a type behind Facts.date, Facts.codes and Facts.patient; "" where it has none.

    `patient` gives Facts.patient; `patient_aliases` are the parameters for which having `Patient/23` and being about
    patient 23 are the same, because they lead to the same element and it does not repeat.
    """

    date: str = ""
    code: str = ""
    patient: str = ""
    patient_aliases: frozenset[str] = frozenset()


class SearchSpace:
    """The parameters exposed per type, with the base URL and time zone by which values are read."""

    def __init__(
        self,
        registry: Registry,
        exposed: Mapping[str, Collection[str]],
        *,
        base_url: str,
        zone: tzinfo,
        systems: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Takes the exposed codes by resource type; `_id` and `_lastUpdated` are exposed for each whether named or not.

        `base_url` has no trailing slash. `systems` gives the code system of a value set that has one only (see
        `systems_of`): the implicit system of a `code` bound to it. Codes of types that are not indexed are left out.
        """
        self.registry = registry
        self.base_url = base_url
        self.zone = zone
        self.systems = systems
        self.resource_types = tuple(sorted(exposed))
        self._exposed = {name: frozenset((*codes, *ALWAYS)) for name, codes in exposed.items()}
        self._main: dict[str, Main] = {}
        self.define(())

    def define(self, own: Iterable[SearchParameter]) -> None:
        """Puts parameters of this server's own in place of the former ones: those of R4 stay, whatever their codes.

        All of it changes at once. Of two with one code for a type, the first counts. They are none of Main's.
        """
        self.own: Mapping[str, Mapping[str, SearchParameter]] = self._by_base(own)
        self._known: dict[str, Mapping[str, Parameter]] = {}
        self._offered: dict[str, Mapping[str, Parameter]] = {}

    def _by_base(self, own: Iterable[SearchParameter]) -> Mapping[str, Mapping[str, SearchParameter]]:
        found: dict[str, dict[str, SearchParameter]] = {}
        for parameter in own:
            for base in set(parameter.base) & self._exposed.keys():
                if parameter.code not in self.registry.search_parameters(base):
                    found.setdefault(base, {}).setdefault(parameter.code, parameter)
        return found

    @property
    def shipped(self) -> SearchSpace:
        """The same without parameters of this server's own: what does not change while it runs."""
        exposed, zone, systems = self._exposed, self.zone, self.systems
        return SearchSpace(self.registry, exposed, base_url=self.base_url, zone=zone, systems=systems)

    def form(self, resource_type: str) -> str:
        """Returns which parameters of this server's own are in the facts of a type: their marks, "" for none."""
        return " ".join(sorted(mark_of(parameter) for parameter in self.own.get(resource_type, {}).values()))

    def parameters(self, resource_type: str) -> Mapping[str, Parameter]:
        """Returns the exposed parameters of a type by code."""
        if resource_type not in self._offered:
            codes = self._exposed.get(resource_type, frozenset()) | self.own.get(resource_type, {}).keys()
            offered = {code: known for code, known in self._resolved(resource_type).items() if code in codes}
            self._offered[resource_type] = MappingProxyType(offered)
        return self._offered[resource_type]

    def common_parameters(self, resource_types: Sequence[str]) -> Mapping[str, Parameter]:
        """Returns the parameters that every one of some types exposes under one definition; of no types: all.

        Those for words are common if one type exposes them: what is of another has no words.
        """
        offered = [self.parameters(name) for name in resource_types or self.resource_types]
        common, worded = offered[0], {code: row[code] for row in offered for code in WORDED if code in row}
        for others in offered[1:]:
            common = {code: known for code, known in common.items() if _same(known, others.get(code))}
        return {**common, **worded}

    def indexed(self, resource_type: str) -> tuple[Parameter, ...]:
        """Returns the parameters of which facts are kept: the exposed ones, and those behind Main."""
        main = self.main(resource_type)
        own = self.own.get(resource_type, {}).keys()
        codes = self._exposed.get(resource_type, frozenset()) | own | {main.date, main.code, main.patient}
        return tuple(known for code, known in self._resolved(resource_type).items() if code in codes)

    def main(self, resource_type: str) -> Main:
        """Returns the parameters by which resources of a type are mostly found."""
        if resource_type not in self._main:
            self._main[resource_type] = self._choose_main(resource_type)
        return self._main[resource_type]

    def _resolved(self, resource_type: str) -> Mapping[str, Parameter]:
        if resource_type not in self._known:
            own = self.own.get(resource_type, {}).values()
            known = (*own, *self.registry.search_parameters(resource_type).values())
            resolved = (resolve(item, resource_type, self.registry) for item in known if item.type in INDEXED)
            usable = (
                item for item in resolved if item.paths.routes or item.paths.residue or item.code in _WITHOUT_PATH
            )
            self._known[resource_type] = {item.code: item for item in usable}
        return self._known[resource_type]

    def _choose_main(self, resource_type: str) -> Main:
        own = self.own.get(resource_type, {})
        known = {code: item for code, item in self._resolved(resource_type).items() if code not in own}
        dates = [code for code in _MAIN_DATES if code in known and known[code].type == "date" and known[code].is_single]
        codes = [code for code in _MAIN_CODES if code in known and known[code].type == "token"]
        patient = self._patient_parameter(resource_type)
        aliases = frozenset(code for code, item in known.items() if patient and _is_same_element(item, known[patient]))
        return Main((dates or [""])[0], (codes or [""])[0], patient, aliases)

    def _patient_parameter(self, resource_type: str) -> str:
        """`patient` where the type has it, else the first of those that tie it to the compartment of a patient."""
        known = self._resolved(resource_type)
        ties = self.registry.compartment("Patient").parameters.get(resource_type, ())
        candidates = ("patient", *ties) if ties and resource_type != "Patient" else ()
        return next((code for code in candidates if code in known), "")


def resolve(parameter: SearchParameter, resource_type: str, registry: Registry) -> Parameter:
    """Returns a search parameter resolved for one type."""
    paths = resolve_paths(parameter.expression, resource_type, registry)
    bases = resolve_bases(parameter, resource_type, registry)
    return Parameter(
        resource_type=resource_type,
        code=parameter.code,
        type=parameter.type,
        url=parameter.url,
        paths=paths,
        targets=_targets_of(parameter, paths, registry),
        components=tuple(_resolve_components(parameter, resource_type, bases, registry)),
        bases=bases,
    )


def _targets_of(parameter: SearchParameter, paths: Paths, registry: Registry) -> tuple[str, ...]:
    """The types that the references of a parameter may lead to."""
    reached = {name for route in paths.routes for name in _targets(route, registry)}
    declared = set(parameter.target) or registry.resource_types
    # a parameter of the server's own may name types that its element never leads to: the element is right
    targets = (reached or declared) & declared or reached
    return tuple(sorted(targets)) if parameter.type == "reference" else ()


def _resolve_components(
    parameter: SearchParameter, resource_type: str, bases: tuple[Base, ...], registry: Registry
) -> Iterator[Parameter]:
    for index, component in enumerate(parameter.components if bases else ()):
        definition = registry.search_parameter(component.definition)
        if definition:
            routes = tuple(route for base in bases for route in base.parts[index].routes)
            paths = Paths(routes, frozenset(route.element for route in routes), ())
            yield Parameter(
                resource_type=resource_type,
                code=f"{parameter.code}${index}",
                type=definition.type,
                url=component.definition,
                paths=paths,
                targets=_targets_of(definition, paths, registry),
            )


def mark_of(parameter: SearchParameter) -> str:
    """Returns a short text that is another one wherever a definition gives other facts."""
    said = (parameter.code, parameter.type, parameter.expression, parameter.target)
    return sha256(repr(said).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def systems_of(value_sets: Iterable[JsonObject]) -> dict[str, str]:
    """Returns the code system of each ValueSet that is drawn from one alone, by the ValueSet's canonical."""
    systems = {}
    for value_set in value_sets:
        includes = value_set.get("compose", {}).get("include", ())
        drawn = {include.get("system", "") for include in includes}
        if len(drawn) == 1 and "" not in drawn and not any("valueSet" in include for include in includes):
            systems[value_set["url"]] = drawn.pop()
    return systems


def _targets(route: Route, registry: Registry) -> frozenset[str]:
    """The types a route's references lead to, of those that exist."""
    if route.type not in {"Reference", "canonical"}:
        return frozenset()
    narrowed = [step.resource_type for step in route.steps if isinstance(step, RefersTo)]
    named = frozenset(narrowed or route.targets)
    return registry.resource_types if not named or "Resource" in named else named & registry.resource_types


def _same(one: Parameter, other: Parameter | None) -> bool:
    return other is not None and one.url == other.url


def _is_same_element(one: Parameter, other: Parameter) -> bool:
    """Tells whether both lead to the one same Reference, and neither leaves Patients out."""
    both = one.type == "reference" and one.is_single and other.is_single
    narrowed = {step.resource_type for route in one.paths.routes for step in route.steps if isinstance(step, RefersTo)}
    return both and narrowed <= {"Patient"} and one.paths.elements == other.paths.elements
