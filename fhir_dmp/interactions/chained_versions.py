"""A warning where a chain went by a reference to one version: what is asked there was asked of the current version.

https://hl7.org/fhir/R4/search.html#versions
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fhir_dmp.interactions.context import Context
from fhir_dmp.json_text import parse_json_object
from fhir_dmp.outcome import Issue
from fhir_dmp.resource import Version
from fhir_dmp.search.query import And, Chained, Clause, Hop, Not, Or

_VERSIONED = "/_history/"


def warn_of_versions(context: Context, clause: Clause, matched: Sequence[Version]) -> tuple[Issue, ...]:
    """Returns a warning for each chain of a clause, before it is resolved, that some match follows by a version.

    It is told of the first step of a chain, and of the matches of a page: of what their own content says.
    """
    hops = list(dict.fromkeys(_hops(clause)))
    if not hops:
        return ()
    marked = [row.content for row in matched if row.content and _VERSIONED.encode() in row.content]
    found = [context.indexer.facts(parse_json_object(content)) for content in marked]
    led = {(facts.resource_type, link.parameter, link.text) for facts in found for link in facts.links}
    versioned = {(kind, code, text.partition("/")[0]) for kind, code, text in led if _VERSIONED in text}
    names = dict.fromkeys(hop.parameter for hop in hops if (hop.resource_type, hop.parameter, hop.target) in versioned)
    return tuple(_warning(name) for name in names)


def _hops(clause: Clause) -> Iterator[Hop]:
    match clause:
        case And(clauses) | Or(clauses):
            for inner in clauses:
                yield from _hops(inner)
        case Not(inner):
            yield from _hops(inner)
        case Chained(hop):
            yield hop


def _warning(name: str) -> Issue:
    message = f"A reference by {name} is to one version: the chain asked the current version."
    return Issue("warning", "chain-version", message, f"http.{name}")
