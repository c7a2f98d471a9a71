"""Where definitions come from: code systems by canonical, with or without version, each compiled once.

https://hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.terminology.code_system import CodeSystem
from fhir_dmp.terminology.codes import Codes
from fhir_dmp.terminology.membership import Membership, unknown
from fhir_dmp.terminology.standard.country import COUNTRY, SUBDIVISION
from fhir_dmp.terminology.standard.currency import CURRENCY
from fhir_dmp.terminology.standard.language import LANGUAGE
from fhir_dmp.terminology.standard.media_type import MEDIA_TYPE
from fhir_dmp.terminology.standard.standard import Standard
from fhir_dmp.terminology.standard.ucum import UCUM
from fhir_dmp.terminology.standard.uri import URI

Lookup = Callable[[str], JsonObject | None]
"""The ValueSet or CodeSystem with a canonical (`url` or `url|version`; without version the one in force), or None."""
Supplements = Callable[[str], Iterable[JsonObject]]
"""The code system supplements that are loaded for the code system with this url."""

STANDARDS = (COUNTRY, SUBDIVISION, CURRENCY, LANGUAGE, MEDIA_TYPE, UCUM, URI)


class CodeSystems:
    """Code systems by url and version. What `lookup` finds must not change while this lives."""

    def __init__(self, lookup: Lookup, supplements: Supplements, standards: Iterable[Standard]) -> None:
        """Keeps the sources; nothing is read before it is asked for."""
        self._lookup = lookup
        self._supplements = supplements
        self._standards = {standard.url: standard for standard in standards}
        self._known: dict[tuple[str, str], CodeSystem | None] = {}

    def find(self, url: str, version: str = "") -> CodeSystem | None:
        """Returns a code system, None where neither a resource nor a standard defines it (in this version)."""
        standard = self._standards.get(url)
        if (url, version) in self._known:
            return self._known[url, version]
        found = self._build(url, version)
        if found is None and standard is not None:
            if version:
                return self.find(url)  # not kept: a client may ask for any number of versions
            found = CodeSystem({"url": url}, standard=standard)
        if found is not None:
            self._known[url, version] = found
        return found

    def _build(self, url: str, version: str) -> CodeSystem | None:
        resource = self._lookup(f"{url}|{version}" if version else url)
        if resource is None or resource.get("resourceType") != "CodeSystem":
            return None
        if version and resource.get("version") != version:
            return None
        try:
            supplements = [row for row in self._supplements(url) if _supplements(row, resource)]
            return CodeSystem(resource, supplements, self._standards.get(url))
        except (KeyError, TypeError, AttributeError, ValueError) as fault:
            raise _malformed(url, fault) from None

    def codes(self, url: str, version: str = "") -> Codes:
        """Returns all codes of a code system; unknown ones where it is not here."""
        found = self.find(url, version)
        return found.all if found is not None else Codes(rest=self.absence(url, version))

    def absence(self, url: str, version: str) -> Membership:
        """Says why a code system is not found."""
        other = self.find(url) if version else None
        if other is not None and other.content != "not-present":
            return unknown("version-absent", f"version {version} of {url} is not here, {other.version or 'another'} is")
        return unknown("code-system-absent", f"the codes of {url} are not here")


def _supplements(supplement: JsonObject, resource: JsonObject) -> bool:
    """Tells whether a supplement is meant for this version."""
    url, _, version = supplement.get("supplements", "").partition("|")
    return url == resource.get("url") and version in {"", resource.get("version")}


def _malformed(url: str, fault: Exception) -> FhirError:
    return error(
        Category.UNPROCESSABLE,
        "code-system-malformed",
        f"The code system {url} is not valid FHIR ({type(fault).__name__}: {fault}).",
    )
