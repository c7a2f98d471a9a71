"""Values of elements → facts, by the type of the parameter and the FHIR type of the value.

https://hl7.org/fhir/R4/search.html#ptypes. What is not in the table has no facts for that type of parameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product

from fhir_dmp.json_text import Json
from fhir_dmp.search.contact import contact_code
from fhir_dmp.search.extent import DATES, NUMBERS, QUANTITIES
from fhir_dmp.search.facts import LinkFact, PointFact, StringFact, TokenFact
from fhir_dmp.search.found import Conversion, Conversions, Found, Target
from fhir_dmp.search.links import (
    EXACT,
    IDENTIFIER,
    OF_TYPE,
    TEXT,
    canonical_texts,
    identified,
    reference_texts,
    relative_to,
)
from fhir_dmp.search.magnitude import hold_json
from fhir_dmp.search.path import Route
from fhir_dmp.search.place import point_at
from fhir_dmp.search.text import exact, normalise
from fhir_dmp.spec.search_parameter import ParameterType

_TEXTS = ("string", "markdown", "code", "id", "uri", "url", "canonical", "oid", "uuid")
_POINTERS = ("uri", "url", "oid", "uuid")
_COMPUTED = "System.String"
"""What an expression makes of texts (`given & ' ' & family`), in parameters of the server's own."""
_NAME_LISTS = ("given", "prefix", "suffix")
_ADDRESS_PARTS = ("text", "line", "city", "district", "state", "postalCode", "country")


def texts_at(value: Json, *keys: str) -> Iterator[str]:
    """Yields the strings under some properties of an object, those inside arrays too."""
    if type(value) is not dict:
        return
    for key in keys:
        item = value.get(key)
        for text in item if type(item) is list else (item,):
            if type(text) is str and text:
                yield text


def _system_and(key: str) -> Conversions:
    """Makes the conversion of a type that has a system, and its code under a key."""

    def make(target: Target) -> Conversion:
        parameter = target.parameter

        def convert(value: Json, found: Found) -> None:
            if type(value) is dict:
                code, system = value.get(key), value.get("system")
                if type(code) is str and code:
                    found.tokens.append(TokenFact(parameter, system if type(system) is str else "", code))

        return convert

    return make


_bare_coding = _system_and("code")
_identifier_value = _system_and("value")


def _add_texts(found: Found, parameter: str, texts: Iterable[str], *, are_names: bool = False) -> None:
    """Adds texts that have something to compare."""
    found.strings += [StringFact(parameter, text, are_names) for text in texts if normalise(text)]


def _coding(target: Target) -> Conversion:
    convert_coding, parameter = _bare_coding(target), f"{target.parameter}:{TEXT}"

    def convert(value: Json, found: Found) -> None:
        convert_coding(value, found)
        _add_texts(found, parameter, texts_at(value, "display"))

    return convert


def _concept(target: Target) -> Conversion:
    convert_coding, parameter = _coding(target), f"{target.parameter}:{TEXT}"

    def convert(value: Json, found: Found) -> None:
        _add_texts(found, parameter, texts_at(value, "text"))
        codings = value.get("coding") if type(value) is dict else None
        for coding in codings if type(codings) is list else ():
            convert_coding(coding, found)

    return convert


def _identifier(target: Target) -> Conversion:
    """Its value, and with each coding of its type, for `:of-type`; the text of its type for `:text`."""
    convert_value, parameter = _identifier_value(target), f"{target.parameter}:{OF_TYPE}"
    described = f"{target.parameter}:{TEXT}"

    def convert(value: Json, found: Found) -> None:
        convert_value(value, found)
        kind = value.get("type") if type(value) is dict else None
        _add_texts(found, described, texts_at(kind, "text"))
        codings = kind.get("coding") if type(kind) is dict else None
        for coding in codings if type(codings) is list else ():
            for system, code in product(texts_at(coding, "system"), texts_at(coding, "code")):
                found.links += [
                    LinkFact(parameter, identified(system, code, text)) for text in texts_at(value, "value")
                ]

    return convert


def _contact_point(target: Target) -> Conversion:
    def convert(value: Json, found: Found) -> None:
        for text in texts_at(value, "value"):
            found.tokens.append(TokenFact(target.parameter, "", contact_code(text)))

    return convert


def _code(target: Target) -> Conversion:
    """A bare code has no system to see, but may have one by its binding: it is found both ways."""
    parameter, system = target.parameter, target.system

    def convert(value: Json, found: Found) -> None:
        if type(value) is str and value:
            found.tokens.append(TokenFact(parameter, "", value))
            if system:
                found.tokens.append(TokenFact(parameter, system, value))

    return convert


def _boolean(target: Target) -> Conversion:
    def convert(value: Json, found: Found) -> None:
        if type(value) is bool:
            found.tokens.append(TokenFact(target.parameter, "", "true" if value else "false"))

    return convert


def _add_strings(found: Found, parameter: str, texts: Iterable[str], *, are_names: bool = False) -> None:
    """Adds texts as they are compared, and as `:exact` compares them."""
    given = list(texts)
    _add_texts(found, parameter, given, are_names=are_names)
    found.links += [LinkFact(f"{parameter}:{EXACT}", exact(text)) for text in given]


def _text(target: Target) -> Conversion:
    parameter, is_name = target.parameter, target.route.element.endswith(".family")

    def convert(value: Json, found: Found) -> None:
        if type(value) is str and value:
            _add_strings(found, parameter, [value], are_names=is_name)

    return convert


def _human_name(target: Target) -> Conversion:
    parameter = target.parameter

    def convert(value: Json, found: Found) -> None:
        _add_strings(found, parameter, texts_at(value, "family", "text"), are_names=True)
        _add_strings(found, parameter, texts_at(value, *_NAME_LISTS))

    return convert


def _address(target: Target) -> Conversion:
    parameter = target.parameter

    def convert(value: Json, found: Found) -> None:
        _add_strings(found, parameter, texts_at(value, *_ADDRESS_PARTS))

    return convert


def _concept_text(target: Target) -> Conversion:
    def convert(value: Json, found: Found) -> None:
        _add_strings(found, target.parameter, texts_at(value, "text"))

    return convert


def _uri(target: Target) -> Conversion:
    def convert(value: Json, found: Found) -> None:
        if type(value) is str and value:
            found.links.append(LinkFact(target.parameter, value))

    return convert


def _canonical(target: Target) -> Conversion:
    def convert(value: Json, found: Found) -> None:
        if type(value) is str and value:
            found.links += [LinkFact(target.parameter, text) for text in canonical_texts(value)]

    return convert


def _reference(target: Target) -> Conversion:
    """The texts of its URL, and its logical identifier for `:identifier`."""
    parameter, base_url, resource_types = target.parameter, target.base_url, target.resource_types
    convert_identifier = _identifier_value(replace(target, parameter=f"{parameter}:{IDENTIFIER}"))

    def convert(value: Json, found: Found) -> None:
        convert_identifier(value.get("identifier") if type(value) is dict else None, found)
        for text in texts_at(value, "reference"):
            found.links += [LinkFact(parameter, link) for link in reference_texts(text, base_url, resource_types)]

    return convert


def _pointer(target: Target) -> Conversion:
    """A uri or canonical where the parameter is a reference: one of ours may be asked for by its relative form."""

    def convert(value: Json, found: Found) -> None:
        if type(value) is str and value:
            link = relative_to(target.base_url, value)
            found.links += [LinkFact(target.parameter, text) for text in canonical_texts(link)]

    return convert


def _resource(target: Target) -> Conversion:
    """A resource in place of a reference to it: Bundle's `composition` and `message`."""

    def convert(value: Json, found: Found) -> None:
        if type(value) is dict and type(value.get("id")) is str:
            found.links.append(LinkFact(target.parameter, f"{value.get('resourceType')}/{value['id']}"))

    return convert


def _position(target: Target) -> Conversion:
    def convert(value: Json, found: Found) -> None:
        degrees = [hold_json(value.get(key)) for key in ("latitude", "longitude")] if type(value) is dict else []
        if all(degree is not None for degree in degrees):
            point = point_at(*(float(degree) for degree in degrees if degree is not None)) if degrees else None
            found.points += [PointFact(target.parameter, point)] if point else []

    return convert


_TABLE: Mapping[ParameterType, Mapping[str, Conversions]] = {
    "token": {
        "Coding": _coding,
        "CodeableConcept": _concept,
        "Identifier": _identifier,
        "ContactPoint": _contact_point,
        "boolean": _boolean,
        "System.Boolean": _boolean,
        **dict.fromkeys((*_TEXTS, _COMPUTED), _code),
    },
    "string": {
        "HumanName": _human_name,
        "Address": _address,
        "CodeableConcept": _concept_text,
        **dict.fromkeys((*_TEXTS, _COMPUTED), _text),
    },
    "uri": {"canonical": _canonical, **dict.fromkeys((*_POINTERS, _COMPUTED), _uri)},
    "reference": {
        "Reference": _reference,
        "canonical": _pointer,
        "Resource": _resource,
        **dict.fromkeys((*_POINTERS, _COMPUTED), _pointer),
    },
    "date": DATES,
    "number": NUMBERS,
    "quantity": QUANTITIES,
    "special": {"BackboneElement": _position},
}


def make_conversion(kind: ParameterType, target: Target) -> Conversion | None:
    """Returns the conversion of the values a route leads to, or None where they have no facts."""
    fhir_type = "Resource" if target.route.type in target.resource_types else target.route.type
    make = _TABLE.get(kind, {}).get(fhir_type)
    return make(target) if make else None


def is_converted(kind: ParameterType, route: Route) -> bool:
    """Tells whether a parameter of this type has facts of the values a route leads to."""
    return route.type in _TABLE.get(kind, {})
