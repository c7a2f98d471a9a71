"""Media types: what a client takes and what it sends, https://hl7.org/fhir/R4/http.html#mime-type."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from fhir_dmp.interactions.request import Parameters
from fhir_dmp.outcome import Category, error


class Format(Enum):
    """The formats that resources are exchanged in."""

    JSON = "json"
    XML = "xml"


JSON_TYPES = frozenset({"application/fhir+json", "application/json", "text/json", "json"})
XML_TYPES = frozenset({"application/fhir+xml", "application/xml", "text/xml", "xml"})
RESOURCE_TYPES = JSON_TYPES | XML_TYPES
FHIR_JSON = "application/fhir+json"
_OTHERS = {"$dmp-statistics": frozenset({"text/csv", "image/svg+xml"})}
LINES_TYPES = frozenset({"application/fhir+ndjson", "application/ndjson", "application/x-ndjson"})
_TYPES = {Format.JSON: JSON_TYPES, Format.XML: XML_TYPES}
_WILDCARDS = {"*/*": 1, "application/*": 2, "text/*": 2}
"""How well a range fits that fits both formats; a media type of its own fits better (RFC 9110, 12.5.1)."""
_EXACT = 3
_FHIR_VERSIONS = frozenset({"4.0", "4.0.1"})
_QUALITY = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")
_HELP = "This server speaks FHIR 4.0 as application/fhir+json and application/fhir+xml."


@dataclass(slots=True)
class Presentation:
    """How an answer is to look. `format` is None where the client takes none of ours: its error comes as JSON."""

    format: Format | None = Format.JSON
    is_pretty: bool = False


@lru_cache(maxsize=512)
def choose_format(accept: str, format_parameter: str) -> Format | None:
    """Returns the format that a client prefers, None where it takes none of ours; `_format` overrides Accept."""
    wanted = format_parameter.replace(" ", "+") or accept
    if not wanted:
        return Format.JSON
    ranges = [_parse(part) for part in wanted.split(",")]
    ranked = [(_rank(name, ranges), name) for name in Format]
    (quality, _), best = max(ranked, key=lambda row: row[0])
    return best if quality > 0 else None


@lru_cache(maxsize=512)
def parse_accept(accept: str) -> tuple[tuple[str, float], ...]:
    """Returns the media ranges of an Accept header, each with its quality."""
    return tuple((name, _quality(parameters)) for name, parameters in map(_parse, accept.split(",")))


def read_presentation(presentation: Presentation, accept: str, parameters: Parameters) -> None:
    """Sets what the parameters say of it; the last of several counts."""
    given = dict(parameters)
    if "_format" in given:
        presentation.format = choose_format(accept, given["_format"])
    presentation.is_pretty = given.get("_pretty") == "true"


def require_format(presentation: Presentation) -> None:
    """Raises FhirError (not acceptable) where the client takes none of our formats."""
    if presentation.format is None:
        raise error(Category.NOT_ACCEPTABLE, "format-unsupported", f"{_HELP} The client accepts neither.")


def is_bulk(shape: str) -> bool:
    """Tells whether what is at a URL of this shape is no resource: manifests, files and errors of an export."""
    return shape.startswith("$dmp-bulk-")


def takes_lines(shape: str) -> bool:
    """Tells whether a body is no resource but lines of them, which may be too much for memory."""
    return shape == "$import"


@lru_cache(maxsize=512)
def choose_other(shape: str, accept: str, format_parameter: str) -> str:
    """Returns the media type that a client names and that what is at a URL of this shape has besides FHIR's, or ""."""
    wanted = format_parameter.replace(" ", "+") or accept.partition(",")[0]
    media_type = _parse(wanted)[0] if wanted else ""
    return media_type if media_type in _OTHERS.get(shape, frozenset()) else ""


@lru_cache(maxsize=512)
def parse_content_type(text: str, accepted: frozenset[str]) -> str:
    """Returns the media type of a body; raises FhirError (unsupported media type) where it is none of `accepted`."""
    media_type, parameters = _parse(text)
    charset = parameters.get("charset", "utf-8").lower()
    if media_type not in accepted or charset not in {"utf-8", "utf8"}:
        message = (
            f"The body is declared {text[:80] or 'nothing'}; here it may be {', '.join(sorted(accepted))} in UTF-8."
        )
        raise error(Category.UNSUPPORTED_MEDIA_TYPE, "media-type", message)
    version = parameters.get("fhirversion", "4.0")
    if version not in _FHIR_VERSIONS:
        raise error(Category.UNSUPPORTED_MEDIA_TYPE, "fhir-version", f"{_HELP} The body is FHIR {version[:20]}.")
    return media_type


@lru_cache(maxsize=512)
def check_versions(accept: str, content_type: str) -> None:
    """Raises FhirError (malformed) where a request names two different FHIR versions."""
    named = [_parse(text)[1].get("fhirversion") for text in (accept.partition(",")[0], content_type)]
    versions = {"4.0" if version in _FHIR_VERSIONS else version for version in named if version}
    if len(versions) > 1:
        raise error(Category.MALFORMED, "fhir-version", "Accept and Content-Type name different FHIR versions.")


def _rank(name: Format, ranges: list[tuple[str, dict[str, str]]]) -> tuple[float, int]:
    """The quality that the ranges which fit a format best give it, then how early the first of them stands."""
    fits = [(_fit(name, *row), _quality(row[1]), -place) for place, row in enumerate(ranges)]
    best = max(fit for fit, _, _ in fits)
    return max((quality, place) for fit, quality, place in fits if fit == best) if best else (0.0, 0)


def _fit(name: Format, media_type: str, parameters: dict[str, str]) -> int:
    if parameters.get("fhirversion", "4.0") not in _FHIR_VERSIONS:
        return 0
    return _EXACT if media_type in _TYPES[name] else _WILDCARDS.get(media_type, 0)


def _quality(parameters: dict[str, str]) -> float:
    """A quality that is no number counts as none given."""
    text = parameters.get("q", "1")
    return float(text) if _QUALITY.fullmatch(text) else 1.0


def _parse(text: str) -> tuple[str, dict[str, str]]:
    media_type, *rest = text.split(";")
    named = (part.partition("=") for part in rest)
    parameters = {name.strip().lower(): value.strip().strip('"') for name, _, value in named}
    return media_type.strip().lower() or "*/*", parameters
