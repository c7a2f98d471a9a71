"""Language tags, BCP 47: the grammar of RFC 5646 §2.1 and the subtags that IANA registered (§2.2.9, "valid").

https://www.rfc-editor.org/info/bcp47, https://hl7.org/fhir/R4/valueset-languages.html
"""

from __future__ import annotations

import re

from fhir_dmp.terminology.codes import Rule
from fhir_dmp.terminology.membership import YES, Membership, refused, unknown
from fhir_dmp.terminology.standard.country import ALPHA_TWO
from fhir_dmp.terminology.standard.language_subtags import (
    GRANDFATHERED,
    LANGUAGES,
    OTHER_REGIONS,
    SCRIPTS,
    VARIANTS,
)
from fhir_dmp.terminology.standard.standard import Standard, remember

_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?P<extended>(?:-[a-z]{3}){0,3})"
    r"(?:-(?P<script>[a-z]{4}))?(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
    r"(?P<extensions>(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*)(?:-x(?:-[a-z0-9]{1,8})+)?"
)
_PRIVATE = re.compile(r"x(?:-[a-z0-9]{1,8})+")
_PRIVATE_LANGUAGE = re.compile(r"q[a-t][a-z]")
_PRIVATE_SCRIPT = re.compile(r"qa(?:a[a-z]|b[a-x])")
_PRIVATE_REGION = re.compile(r"q[m-z]|x[a-z]")
_REGIONS = OTHER_REGIONS | {code.lower() for code in ALPHA_TWO}
_SINGLETON = re.compile(r"-([a-wyz0-9])(?=-)")
_SHORT = 2
_MAX_LENGTH = 100
_UNLISTED = unknown("code-system-partial", "subtags that only ISO 639-3 has, and extended languages, are not here")
_EXTENDED = unknown("code-system-partial", "extensions of language tags other than -t- and -u- are not here")
_ENDLESS = unknown("standard-endless", "language tags are a grammar (BCP 47), not a list")


def _decide(code: str) -> Membership:
    if code in GRANDFATHERED or (len(code) <= _MAX_LENGTH and _PRIVATE.fullmatch(code)):
        return YES
    match = _TAG.fullmatch(code) if len(code) <= _MAX_LENGTH else None
    if match is None:
        return refused("it is no language tag (BCP 47)")
    return _decide_parts(match)


def _decide_parts(match: re.Match[str]) -> Membership:
    language, script, region = match["language"], match["script"], match["region"]
    variants = match["variants"].split("-")[1:]
    singletons = _SINGLETON.findall(match["extensions"])
    if script and script not in SCRIPTS and not _PRIVATE_SCRIPT.fullmatch(script):
        return refused(f"'{script}' is no script of IANA's registry")
    if region and region not in _REGIONS and not _PRIVATE_REGION.fullmatch(region):
        return refused(f"'{region}' is no region of IANA's registry")
    if not VARIANTS.issuperset(variants) or len(set(variants)) < len(variants):
        return refused("a variant is repeated or not in IANA's registry")
    if len(set(singletons)) < len(singletons):
        return refused("an extension is repeated")
    return _decide_language(language, match["extended"]) if {"t", "u"}.issuperset(singletons) else _EXTENDED


def _decide_language(language: str, extended: str) -> Membership:
    known = language in LANGUAGES or _PRIVATE_LANGUAGE.fullmatch(language) is not None
    if len(language) == _SHORT and not known:
        return refused(f"'{language}' is no language of IANA's registry")
    return YES if known and not extended else _UNLISTED


LANGUAGE = Standard("urn:ietf:bcp:47", rest=Rule(remember(_decide), _ENDLESS), folded=True)
