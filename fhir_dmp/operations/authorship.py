"""Who says what a resource says, as the resource itself names him: http://hl7.org/fhir/R4/fivews.html#author."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fhir_dmp.json_text import Json, JsonObject

_AUTHORS = ("author", "recorder", "asserter", "informationSource", "requester", "performer", "referrer", "interpreter")
_Resources = Mapping[str, JsonObject]


def name_author(resource: JsonObject, known: _Resources) -> str:
    """Returns the names of a resource's authors, "" where it names none.

    `known` are resources by `Type/id`: whoever is referred to without a display is named by his own.
    """
    names = (_name(reference, resource, known) for reference in _authors(resource))
    return ", ".join(dict.fromkeys(filter(None, names)))


def _authors(resource: JsonObject) -> Iterator[JsonObject]:
    """The references of the first element that tells of it; a performer may have a function beside."""
    rows: Json = next((resource[name] for name in _AUTHORS if resource.get(name)), [])
    for row in rows if isinstance(rows, list) else [rows]:
        yield row.get("actor", row)


def _name(reference: JsonObject, resource: JsonObject, known: _Resources) -> str:
    target = _find(str(reference.get("reference", "")), resource, known)
    if target.get("practitioner"):
        return _name(target["practitioner"], resource, known)
    number = reference.get("identifier", {}).get("value", "")
    return str(reference.get("display") or _write_name(target.get("name")) or number)


def _find(reference: str, resource: JsonObject, known: _Resources) -> JsonObject:
    if reference.startswith("#"):
        contained = resource.get("contained", ())
        return next((row for row in contained if row.get("id") == reference[1:]), {})
    return known.get("/".join(reference.partition("/_history/")[0].split("/")[-2:]), {})


def _write_name(name: Json) -> str:
    """A name of a person, of which the first counts, or of an organization."""
    if isinstance(name, list) and name:
        parts = [*name[0].get("prefix", ()), *name[0].get("given", ())[:1], name[0].get("family", "")]
        return str(name[0].get("text") or " ".join(filter(None, parts)))
    return name if isinstance(name, str) else ""
