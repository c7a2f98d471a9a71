"""Media types: https://hl7.org/fhir/R4/http.html#mime-type. JSON is the only format so far."""

from __future__ import annotations

from functools import lru_cache

from fhir_dmp.outcome import Category, error

JSON_TYPES = frozenset({"application/fhir+json", "application/json", "text/json", "json"})
_ANY = frozenset({"*/*", "application/*", "text/*"})
_FHIR_VERSIONS = frozenset({"4.0", "4.0.1"})
_HELP = "This server speaks FHIR 4.0 as application/fhir+json."


@lru_cache(maxsize=512)
def check_accept(accept: str, format_parameter: str) -> None:
    """Raises FhirError (not acceptable) where the client takes no JSON; `_format` overrides Accept."""
    wanted = format_parameter.replace(" ", "+") or accept
    if not wanted or any(_is_acceptable(*_parse(part)) for part in wanted.split(",")):
        return
    raise error(Category.NOT_ACCEPTABLE, "format-unsupported", f"{_HELP} The client accepts {wanted[:80]} only.")


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


def check_encoding(content_encoding: str) -> None:
    """Raises FhirError (unsupported media type) where a body comes compressed."""
    if content_encoding.strip().lower() not in {"", "identity"}:
        message = f"The body is encoded as {content_encoding[:40]}; here it may not be encoded."
        raise error(Category.UNSUPPORTED_MEDIA_TYPE, "content-encoding", message)


@lru_cache(maxsize=512)
def check_versions(accept: str, content_type: str) -> None:
    """Raises FhirError (malformed) where a request names two different FHIR versions."""
    named = [_parse(text)[1].get("fhirversion") for text in (accept.partition(",")[0], content_type)]
    versions = {"4.0" if version in _FHIR_VERSIONS else version for version in named if version}
    if len(versions) > 1:
        raise error(Category.MALFORMED, "fhir-version", "Accept and Content-Type name different FHIR versions.")


def _is_acceptable(media_type: str, parameters: dict[str, str]) -> bool:
    if parameters.get("q", "1") in {"0", "0.0", "0.00", "0.000"}:
        return False
    known = media_type in JSON_TYPES or media_type in _ANY
    return known and parameters.get("fhirversion", "4.0") in _FHIR_VERSIONS


def _parse(text: str) -> tuple[str, dict[str, str]]:
    media_type, *rest = text.split(";")
    named = (part.partition("=") for part in rest)
    parameters = {name.strip().lower(): value.strip().strip('"') for name, _, value in named}
    return media_type.strip().lower() or "*/*", parameters
