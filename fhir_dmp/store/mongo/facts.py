"""Facts ↔ the fields of a document. Pure.

    t   tokens, references, uris: `Type.parameter=code`, `Type.parameter|system|code`, `Type.parameter>reference`
    s   texts: `Type.parameter|normal form`; a part of a family name ends in `|`
    d   dates: p `Type.parameter`, l and h the span [l, h) in milliseconds
    q   numbers and quantities: p, l and h (inclusive), s system, c code, u unit, each of these only where present
        p of d and q ends in `~` where the span is wide (longer than DAY, or of more than one number): of a narrow one,
        a bound on h is one on l, which is what the indexes have
    cm  composites: one document for each element, with its p `Type.parameter` and its own t, s, d and q
    ct  contained resources: one document for each, with _id `Type/#id`, ty, lu, and the fields of a resource but g, k,
        cf, cl, ch, op, x and f; `Container.parameter#` in its t says which parameters of its container lead to it
    g   points: p `Type.parameter`, x, y and z of place.Point
    w   words: `Type>stem` of the narrative, `Type<stem` of what is only elsewhere
    k   marks: `~kind>text`; those of an author stand in t, whose index they need
    cf  the rank of confidentiality · cl, ch the clinical time · op when it opens to the patient
    pt  the id of the one patient · c the `|` tokens of the main code · dl, dh the main date · x the extractor's version
    f   the form: which parameters of this server's own the facts are of too (SearchSpace.form)

Systems have `%` and `|` percent-encoded, so the first `|` after one ends it. Codes are without case. Fields without
value are absent. The number of indexes does not grow with that of parameters (docs/decisions/0005).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from fhir_dmp.search.facts import (
    EXTRACTOR_VERSION,
    CompositeFact,
    ContainedFact,
    DateFact,
    Facts,
    LinkFact,
    Mark,
    PointFact,
    QuantityFact,
    Security,
    StringFact,
    TokenFact,
)
from fhir_dmp.search.place import Point
from fhir_dmp.search.text import name_parts, normalise
from fhir_dmp.search.words import Words

Document = dict[str, Any]

_SHORT = 256
"""Characters of a code with its system that is kept, with its forms."""
DAY = 25 * 3_600_000
"""The longest day there is, in milliseconds: what is no longer is narrow."""
INDEXED_MARKS = frozenset({"author", "actor"})
"""The kinds of marks that are looked up across records: what a hospital wrote, who names a professional."""
MARK = "~"
"""What each item begins with that is a mark, and no other of t."""
_WORD = re.compile(r"([<>])")
_MARK = re.compile(r"~([a-z]+)>(.*)", re.DOTALL)
_WAY = re.compile(r"[^.]+\.([^=|>]+)#")
_TOKEN = re.compile(r"[^.]+\.([^=|>]+)([=|>])(.*)", re.DOTALL)


def build_fields(facts: Facts) -> Document:
    """Builds the fields that hold the facts of a version, but for its type, id and time."""
    marks = facts.security.marks
    fields = _build_searched(facts, [marked(mark.kind, mark.text) for mark in marks if mark.kind in INDEXED_MARKS])
    more = {
        "k": [marked(mark.kind, mark.text) for mark in marks if mark.kind not in INDEXED_MARKS],
        "ct": [_build_contained(fact, facts.resource_type) for fact in facts.contained],
        "f": facts.form,
    }
    present = {name: value for name, value in more.items() if value}
    return {**fields, **present, **_build_security(facts.security), "x": EXTRACTOR_VERSION}


def _build_searched(facts: Facts, more: Iterable[str]) -> Document:
    """The fields that searches ask for, but for contained resources."""
    resource_type = facts.resource_type
    fields = {
        **_build_arrays(facts, resource_type, more),
        "cm": [_build_composite(fact, resource_type) for fact in facts.composites],
        "g": [_build_point(f"{resource_type}.{fact.parameter}", fact) for fact in facts.points],
        "w": _build_words(facts.words, resource_type),
        "pt": facts.patient,
        "c": [in_system(f"{resource_type}.{code.parameter}", code.system, code.code) for code in facts.codes],
    }
    present = {name: value for name, value in fields.items() if value}
    if facts.date:
        present |= {"dl": Int64(facts.date.low), "dh": Int64(facts.date.high)}
    return present


def _build_contained(fact: ContainedFact, container: str) -> Document:
    facts = fact.facts
    own = {
        "_id": f"{facts.resource_type}/{facts.resource_id}",
        "ty": facts.resource_type,
        "lu": Int64(facts.last_updated),
    }
    return {**own, **_build_searched(facts, [led_by(container, way) for way in fact.ways])}


def led_by(container: str, parameter: str) -> str:
    """Returns the item of t of a contained resource to which a parameter of its container leads."""
    return f"{container}.{parameter}#"


def _build_arrays(facts: Facts | CompositeFact, resource_type: str, more: Iterable[str] = ()) -> Document:
    """The arrays of the facts of a resource, or of one element of it."""
    return {
        # marks come last: predicate.py reads no others
        "t": list(dict.fromkeys([*_token_texts(facts, resource_type), *more])),
        "s": list(dict.fromkeys(_string_texts(facts, resource_type))),
        "d": [_build_date(f"{resource_type}.{fact.parameter}", fact) for fact in facts.dates],
        "q": [_build_quantity(f"{resource_type}.{fact.parameter}", fact) for fact in facts.quantities],
    }


def _build_point(prefix: str, fact: PointFact) -> Document:
    return {"p": prefix, **{name: Int64(value) for name, value in fact.point._asdict().items()}}


def _build_words(words: Words, resource_type: str) -> list[str]:
    narrative, content = in_narrative(resource_type, ""), in_content(resource_type, "")
    return [*[narrative + stem for stem in words.narrative], *[content + stem for stem in words.content]]


def in_narrative(resource_type: str, stem: str) -> str:
    """Returns the text of a word of the narrative."""
    return f"{resource_type}>{stem}"


def in_content(resource_type: str, stem: str) -> str:
    """Returns the text of a word that is not in the narrative."""
    return f"{resource_type}<{stem}"


def _build_composite(fact: CompositeFact, resource_type: str) -> Document:
    arrays = _build_arrays(fact, resource_type)
    return {"p": f"{resource_type}.{fact.parameter}", **{name: value for name, value in arrays.items() if value}}


def _build_security(security: Security) -> Document:
    fields: Document = {} if security.rank is None else {"cf": security.rank}
    if security.span:
        fields |= {"cl": Int64(security.span[0]), "ch": Int64(security.span[1])}
    if security.opens is not None:
        fields["op"] = Int64(security.opens)
    return fields


def marked(kind: str, text: str) -> str:
    """Returns the item of k, or of t, of a mark."""
    return f"{MARK}{kind}>{text}"


def in_any_system(prefix: str, code: str) -> str:
    """Returns the token of a code in whatever system; `prefix` is `Type.parameter`."""
    return f"{prefix}={code.casefold()}"


def in_system(prefix: str, system: str, code: str) -> str:
    """Returns the token of a code in one system, or (`system` "") in none."""
    return f"{prefix}|{_encode(system)}|{code.casefold()}"


def linked(prefix: str, text: str) -> str:
    """Returns the token of a reference or uri."""
    return f"{prefix}>{text}"


def texted(prefix: str, form: str) -> str:
    """Returns the text of a normal form, or of the beginning of one."""
    return f"{prefix}|{form}"


@lru_cache(maxsize=16384)
def hold_decimal(number: Decimal) -> Decimal128:
    """Returns a number as the database holds it; facts have no more digits than fit.

    Equal numbers are one number here (1.0 may come back as 1): no fact tells how one was written.
    """
    return Decimal128(number)


def narrow_and_wide(prefix: str) -> list[str]:
    """Returns the values of p of a parameter's spans."""
    return [prefix, wide(prefix)]


def wide(prefix: str) -> str:
    """Returns the value of p of a parameter's wide spans."""
    return f"{prefix}~"


def _token_texts(facts: Facts | CompositeFact, resource_type: str) -> list[str]:
    tokens = [
        (_forms_of if len(token.system) + len(token.code) <= _SHORT else _forms_of.__wrapped__)(resource_type, token)
        for token in facts.tokens
    ]
    forms = [form for both in tokens for form in both]
    return [*forms, *[linked(f"{resource_type}.{link.parameter}", link.text) for link in facts.links]]


@lru_cache(maxsize=16384)
def _forms_of(resource_type: str, token: TokenFact) -> tuple[str, str]:
    prefix = f"{resource_type}.{token.parameter}"
    return in_any_system(prefix, token.code), in_system(prefix, token.system, token.code)


def _string_texts(facts: Facts | CompositeFact, resource_type: str) -> Iterator[str]:
    for fact in facts.strings:
        prefix, form = f"{resource_type}.{fact.parameter}", normalise(fact.text)
        if form:
            yield texted(prefix, form)
        if fact.is_name:
            yield from (texted(prefix, part) + "|" for part in name_parts(fact.text))


def _build_date(prefix: str, fact: DateFact) -> Document:
    name = wide(prefix) if fact.high - fact.low > DAY else prefix
    return {"p": name, "l": Int64(fact.low), "h": Int64(fact.high)}


def _build_quantity(prefix: str, fact: QuantityFact) -> Document:
    low = hold_decimal(fact.low)
    if fact.low == fact.high:
        built: Document = {"p": prefix, "l": low, "h": low}
    else:
        built = {"p": wide(prefix), "l": low, "h": hold_decimal(fact.high)}
    for name, text in (("s", fact.system), ("c", fact.code), ("u", fact.unit)):
        if text:
            built[name] = text
    return built


def parse_facts(document: Document) -> Facts:
    """Returns the facts of a current version, as far as they are kept: texts and codes in the form compared."""
    resource_type, _, resource_id = document["_id"].partition("/")
    tokens, links = _parse_tokens(document.get("t", ()))
    main_codes = set(document.get("c", ()))
    return Facts(
        resource_type=resource_type,
        resource_id=resource_id,
        last_updated=document["lu"],
        tokens=tuple(tokens),
        strings=_parse_strings(document),
        links=tuple(links),
        dates=_parse_dates(document),
        quantities=_parse_quantities(document),
        patient=document.get("pt"),
        date=DateFact("", document["dl"], document["dh"]) if "dl" in document else None,
        codes=tuple(_parse_tokens(main_codes)[0]),
        security=_parse_security(document),
        composites=tuple(_parse_composite(item) for item in document.get("cm", ())),
        points=tuple(_parse_point(item) for item in document.get("g", ())),
        words=_parse_words(document.get("w", ())),
        contained=tuple(_parse_contained(item) for item in document.get("ct", ())),
    )


def _parse_contained(item: Document) -> ContainedFact:
    ways = (found[1] for text in item.get("t", ()) if (found := _WAY.fullmatch(text)))
    return ContainedFact(parse_facts(item), tuple(ways))


def _parse_point(item: Document) -> PointFact:
    return PointFact(_parameter(item["p"]), Point(item["x"], item["y"], item["z"]))


def _parse_words(texts: Iterable[str]) -> Words:
    parts = [_WORD.split(text, maxsplit=1) for text in texts]
    kinds = {mark: tuple(stem for _, found, stem in parts if found == mark) for mark in "><"}
    return Words(kinds[">"], kinds["<"])


def _parse_composite(item: Document) -> CompositeFact:
    tokens, links = _parse_tokens(item.get("t", ()))
    return CompositeFact(
        _parameter(item["p"]),
        tuple(tokens),
        _parse_strings(item),
        tuple(links),
        _parse_dates(item),
        _parse_quantities(item),
    )


def _parse_security(document: Document) -> Security:
    found = map(_MARK.fullmatch, (*document.get("t", ()), *document.get("k", ())))
    kinds: Any = [(mark[1], mark[2]) for mark in found if mark]
    marks = [Mark(kind, text) for kind, text in kinds]
    span = (document["cl"], document["ch"]) if "cl" in document else None
    return Security(tuple(marks), document.get("cf"), span, document.get("op"))


def _parse_tokens(texts: Iterable[str]) -> tuple[list[TokenFact], list[LinkFact]]:
    tokens, links = [], []
    for text in texts:
        found = None if text.startswith(MARK) else _TOKEN.fullmatch(text)
        if found is None or found[2] == "=":
            continue
        if found[2] == ">":
            links.append(LinkFact(found[1], found[3]))
        else:
            system, _, code = found[3].partition("|")
            tokens.append(TokenFact(found[1], _decode(system), code))
    return tokens, links


def _parse_strings(document: Document) -> tuple[StringFact, ...]:
    parts = (text.removesuffix("|").partition("|") for text in document.get("s", ()))
    return tuple(StringFact(_parameter(prefix), form, is_name=False) for prefix, _, form in parts)


def _parse_dates(document: Document) -> tuple[DateFact, ...]:
    return tuple(DateFact(_parameter(item["p"]), item["l"], item["h"]) for item in document.get("d", ()))


def _parse_quantities(document: Document) -> tuple[QuantityFact, ...]:
    return tuple(_parse_quantity(item) for item in document.get("q", ()))


def _parse_quantity(item: Document) -> QuantityFact:
    low, high = item["l"].to_decimal(), item["h"].to_decimal()
    return QuantityFact(_parameter(item["p"]), low, high, item.get("s", ""), item.get("c", ""), item.get("u", ""))


def _parameter(prefix: str) -> str:
    return prefix.partition(".")[2].removesuffix("~")


def _encode(system: str) -> str:
    return system.replace("%", "%25").replace("|", "%7C") if "%" in system or "|" in system else system


def _decode(text: str) -> str:
    return text.replace("%7C", "|").replace("%25", "%")
