"""Lists of codes that are whole: those of a value set, and those below or above a code, for `:in`, `:below`, `:above`.

https://hl7.org/fhir/R4/search.html#token. Unlike an expansion, a list that may lack a code is refused: whoever searches
with it would take what it leaves out for absent.
"""

from __future__ import annotations

from collections.abc import Iterator

from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.terminology.code_system import CodeSystem
from fhir_dmp.terminology.codes import Codes, Selection
from fhir_dmp.terminology.membership import Member, Membership

_LISTED = "contradicted"
"""What a value set lists counts as its member, even though the code system here does not have it."""


def list_members(selection: Selection, name: str, limit: int) -> list[tuple[str, str]]:
    """Returns the codes of a value set as (system, code); raises FhirError.

    Too costly: more than the limit, or a grammar; unprocessable: content is not here.
    """
    found = []
    for system, codes in selection.systems.items():
        for key in _members(codes, name):
            found.append((system, key))
            if len(found) > limit:
                message = f"{name} has more than the {limit:,} codes that a search may ask for."
                raise error(Category.TOO_COSTLY, "expansion-too-large", message)
    _check_closed(selection.others, name)
    return found


def _members(codes: Codes, name: str) -> Iterator[str]:
    """The keys of the members of one code system; those of a large one come before the doubts about others."""
    for key, answer in codes.listed.items():
        if answer.member is Member.YES or answer.cause == _LISTED:
            yield key
        elif answer.member is Member.UNKNOWN:
            raise _doubt(answer, name)
    _check_closed(codes, name)


def _check_closed(codes: Codes, name: str) -> None:
    if codes.beyond.member is Member.UNKNOWN:
        raise _doubt(codes.beyond, name)


def _doubt(answer: Membership, name: str) -> FhirError:
    category = Category.TOO_COSTLY if answer.cause == "standard-endless" else Category.UNPROCESSABLE
    return error(category, answer.cause, f"The codes of {name} cannot all be told: {answer.message}.")


def list_descendants(system: CodeSystem, key: str) -> list[str]:
    """Returns a code and those it subsumes; raises FhirError (unprocessable) where only a part of them is here."""
    _check_whole(system)
    return [key, *sorted(system.descendants(key))] if system.is_taxonomy else [key]


def list_ancestors(system: CodeSystem, key: str) -> list[str]:
    """Returns a code and those that subsume it; raises as list_descendants does."""
    _check_whole(system)
    return [key, *sorted(system.ancestors(key))] if system.is_taxonomy else [key]


def _check_whole(system: CodeSystem) -> None:
    if not system.complete and system.standard is None:
        message = f"Only a part of {system.name} is here: codes may relate that are not."
        raise error(Category.UNPROCESSABLE, "code-system-partial", message)
