"""Modifiers: `code:in=…` asks of the same facts what another reading of the value makes of it.

    token       :not · :in :not-in (a value set) · :below :above (a code with those it subsumes, or is subsumed by)
                · :of-type (an Identifier by the coding of its type, and its value) · :text (what it is called)
    string      :exact (case and accents count) · :contains
    reference   :identifier (that of the Reference itself) · :Patient and so on (the type it leads to)
    uri         :below :above (by whole segments of the path); so too references that are canonicals
    all these   :missing; so date, number, quantity and near, but no composite

`:not` and `:not-in` are the negation of the whole set: they find resources that have no value at all, too. R4 says it
of `:not` only; of `:not-in` it says "the coding is not in the value set", which is read in the same way.

https://hl7.org/fhir/R4/search.html#modifiers
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fhir_dmp.resource import is_id
from fhir_dmp.search.escape import split, unescape
from fhir_dmp.search.links import EXACT, IDENTIFIER, OF_TYPE, TEXT, identified, relative_to, type_of
from fhir_dmp.search.query import (
    AnyValue,
    LinkPrefix,
    LinkValue,
    StringPart,
    StringValue,
    TokenPrefix,
    TokenValue,
    Value,
)
from fhir_dmp.search.space import WORDED, Parameter, SearchSpace
from fhir_dmp.search.text import exact
from fhir_dmp.search.values import BadValue, Reading, parse_form, parse_token, parse_value

Read = Callable[[str, Parameter, Reading], Iterable[Value]]
"""Reads one alternative, still escaped; raises BadValue, or FhirError where the terms cannot be listed."""

_MEDIA_TYPES = "urn:ietf:bcp:13"
_MOST_PARTS = 64
"""Segments of a URL, or parameters of a media type, whose every beginning is looked for."""
_IDENTIFIED = 3
_CODED = frozenset({"Coding", "CodeableConcept", "code"})
_DESCRIBED = frozenset({"Coding", "CodeableConcept", "Identifier"})
_PATHS = frozenset({"uri", "url", "canonical"})


@dataclass(frozen=True, slots=True)
class Modifier:
    """What follows the colon. `facts` is what the parameter's name ends in under which the facts are."""

    name: str
    read: Read
    negates: bool = False
    facts: str = ""


def _read_plain(text: str, parameter: Parameter, reading: Reading) -> Iterator[Value]:
    yield parse_value(text, parameter, reading)


def _read_members(text: str, parameter: Parameter, reading: Reading) -> Iterator[Value]:
    for system, code in reading.terms.members(unescape(text), reading.most_codes):
        yield from _tokens(system, [code], parameter, reading.space)


def _read_narrower(text: str, parameter: Parameter, reading: Reading) -> Iterator[Value]:
    system, code = _split_code(text, parameter, reading.space)
    if system == _MEDIA_TYPES:
        yield from _tokens(system, [code], parameter, reading.space)
        for where in _systems(system, parameter, reading.space):
            yield from (TokenPrefix(where, code + mark) for mark in ((";", " ") if "/" in code else ("/",)))
        return
    yield from _tokens(system, reading.terms.narrower(system, code), parameter, reading.space)


def _read_wider(text: str, parameter: Parameter, reading: Reading) -> Iterator[Value]:
    system, code = _split_code(text, parameter, reading.space)
    codes = _media_types_above(code) if system == _MEDIA_TYPES else reading.terms.wider(system, code)
    yield from _tokens(system, codes, parameter, reading.space)


def _media_types_above(code: str) -> list[str]:
    """A media type with fewer of its parameters, https://hl7.org/fhir/R4/search.html#mime-types."""
    parts = code.split(";")
    if len(parts) > _MOST_PARTS:
        raise BadValue(f"it has more than {_MOST_PARTS} parts")
    return [code, *(";".join(parts[:count]).rstrip() for count in range(1, len(parts))), parts[0].partition("/")[0]]


def _split_code(text: str, parameter: Parameter, space: SearchSpace) -> tuple[str, str]:
    parts = [unescape(part) for part in split(text, "|")]
    implied = {space.systems.get(route.value_set, "") for route in parameter.paths.routes}
    if len(parts) == 1 and len(implied) == 1:
        parts = [*implied, *parts]
    match parts:
        case [system, code] if system and code:
            return system, code
    raise BadValue("a code with its hierarchy is written system|code")


def _tokens(system: str, codes: Iterable[str], parameter: Parameter, space: SearchSpace) -> Iterator[TokenValue]:
    systems = _systems(system, parameter, space)
    return (TokenValue(where, code) for code in codes for where in systems)


def _systems(system: str, parameter: Parameter, space: SearchSpace) -> tuple[str, ...]:
    """An element of type code that is bound to no single system has its facts under none."""
    routes = parameter.paths.routes
    is_bare = any(route.type == "code" and not space.systems.get(route.value_set) for route in routes)
    return (system, "") if is_bare and system else (system,)


def _read_of_type(text: str, _parameter: Parameter, _reading: Reading) -> Iterator[Value]:
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) != _IDENTIFIED or not all(parts):
        raise BadValue("it is written system|code|value: the type of an identifier, and its value")
    yield LinkValue((identified(*parts),))


def _read_below(text: str, parameter: Parameter, reading: Reading) -> Iterator[Value]:
    url = _parse_url(text)
    beginning = f"{url}." if "|" in url else f"{url.rstrip('/')}/"
    base_url = reading.space.base_url
    if parameter.type == "reference" and f"{base_url}/".startswith(beginning):
        # what is below our own base has its facts without it
        yield from (LinkPrefix(f"{name}/") for name in sorted(reading.space.registry.resource_types))
    elif parameter.type == "reference":
        url, beginning = relative_to(base_url, url), relative_to(base_url, beginning)
    yield LinkValue((url,))
    yield LinkPrefix(beginning)


def _read_above(text: str, parameter: Parameter, reading: Reading) -> Iterator[Value]:
    url = _parse_url(text)
    scheme, _, rest = url.partition("://")
    path, _, _ = rest.partition("|")
    segments = path.split("/")
    if len(segments) > _MOST_PARTS:
        raise BadValue(f"it has more than {_MOST_PARTS} segments")
    beginnings = [f"{scheme}://{'/'.join(segments[:count])}" for count in range(1, len(segments) + 1)]
    folders = [f"{beginning}/" for beginning in beginnings[:-1]]
    texts = [url, *beginnings, *folders]
    if parameter.type == "reference":
        texts = [local for text in texts if (local := relative_to(reading.space.base_url, text))]
    yield LinkValue(tuple(dict.fromkeys(texts)))


def _read_exact(text: str, _parameter: Parameter, _reading: Reading) -> Iterator[Value]:
    yield LinkValue((exact(unescape(text)),))


def _read_part(text: str, _parameter: Parameter, _reading: Reading) -> Iterator[Value]:
    yield StringPart(parse_form(text))


def _read_text(text: str, _parameter: Parameter, _reading: Reading) -> Iterator[Value]:
    yield StringValue(parse_form(text))


def _read_missing(text: str, parameter: Parameter, _reading: Reading) -> Iterator[Value]:
    if text not in {"true", "false"}:
        raise BadValue("it is true or false")
    yield AnyValue(parameter.type)


def _read_identifier(text: str, parameter: Parameter, reading: Reading) -> Iterator[Value]:
    yield parse_token(text, parameter, reading)


def _to(resource_type: str) -> Modifier:
    """Makes the modifier that is the name of a type."""

    def read(text: str, parameter: Parameter, reading: Reading) -> Iterator[Value]:
        written = unescape(text)
        if is_id(written):
            yield LinkValue((f"{resource_type}/{written}",))
            return
        yield parse_value(text, parameter, reading)
        if type_of(relative_to(reading.space.base_url, written)) != resource_type:
            raise BadValue(f"it does not lead to a {resource_type}")

    return Modifier(resource_type, read)


def _parse_url(text: str) -> str:
    url = unescape(text)
    scheme, mark, rest = url.partition("://")
    if not (scheme and mark and rest.strip("/")):
        raise BadValue("what is above and below is told of URLs with a path only, not of URNs")
    return url


PLAIN = Modifier("", _read_plain)
MISSING_VALUE = Modifier("missing", _read_missing)
_STRINGS = (Modifier(EXACT, _read_exact, facts=f":{EXACT}"), Modifier("contains", _read_part))
_TEXT = Modifier(TEXT, _read_text, facts=f":{TEXT}")
_IDENTIFIER = Modifier(IDENTIFIER, _read_identifier, facts=f":{IDENTIFIER}")
_NOT = Modifier("not", _read_plain, negates=True)
_TERMS = (
    Modifier("in", _read_members),
    Modifier("not-in", _read_members, negates=True),
    Modifier("below", _read_narrower),
    Modifier("above", _read_wider),
)
_OF_TYPE = Modifier(OF_TYPE, _read_of_type, facts=f":{OF_TYPE}")
_URLS = (Modifier("below", _read_below), Modifier("above", _read_above))


def modifiers_of(parameter: Parameter) -> Mapping[str, Modifier]:
    """Returns the modifiers that a parameter takes, by name, but for the types that a reference may lead to."""
    return MappingProxyType({item.name: item for item in _offered(parameter)})


def find_modifier(parameter: Parameter, name: str) -> Modifier | None:
    """Returns a modifier that a parameter takes, None where it takes no such one."""
    return _to(name) if name in parameter.targets and _refers(parameter) else modifiers_of(parameter).get(name)


def _refers(parameter: Parameter) -> bool:
    """Tells whether there are References behind a parameter: canonicals have no type that search could tell."""
    return parameter.type == "reference" and not parameter.element_types <= _PATHS


def _offered(parameter: Parameter) -> Iterator[Modifier]:
    types = parameter.element_types
    if parameter.type == "composite" or parameter.code in (*WORDED, "_filter"):
        return
    if parameter.type == "token":
        yield _NOT
        yield from _TERMS if types & _CODED else ()
        yield from (_OF_TYPE,) if "Identifier" in types else ()
        yield from (_TEXT,) if types & _DESCRIBED else ()
    elif parameter.type == "string":
        yield from _STRINGS
    elif _refers(parameter):
        yield _IDENTIFIER
    elif types and types <= _PATHS and parameter.type in {"uri", "reference"}:
        yield from _URLS
    yield MISSING_VALUE
