"""Answers about a code: yes, no, or unknown with the cause, https://hl7.org/fhir/R4/valueset-operation-validate-code.html."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, final


class Member(Enum):
    """Whether a code belongs to a set of codes. UNKNOWN where the content to tell is not here."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


Cause = Literal[
    "member",
    "not-a-member",
    "code-system-absent",
    "code-system-partial",
    "version-absent",
    "value-set-absent",
    "value-set-circular",
    "malformed",
    "expansion-partial",
    "filter-not-evaluated",
    "contradicted",
    "standard-open",
    "standard-endless",
    "no-system",
]
"""Stable codes. `standard-endless`: a grammar decides, but its codes cannot be listed; `standard-open`: the standard
leaves codes to its users; `contradicted`: a value set lists a code that the code system here does not have."""


@final
@dataclass(frozen=True, slots=True)
class Membership:
    """An answer and why. `message` is a clause without the code itself, empty where there is nothing to add."""

    member: Member
    cause: Cause
    message: str = ""


YES = Membership(Member.YES, "member")
NO = Membership(Member.NO, "not-a-member")


def unknown(cause: Cause, message: str) -> Membership:
    """Builds the answer that cannot be given."""
    return Membership(Member.UNKNOWN, cause, message)


def refused(message: str) -> Membership:
    """Builds a no that says what is wrong with the code."""
    return Membership(Member.NO, "not-a-member", message)


def both(left: Membership, right: Membership) -> Membership:
    """Returns the answer to `left and right`; where it is unknown, the cause of the first."""
    if left.member is Member.NO or right.member is Member.YES:
        return left
    return right if right.member is Member.NO or left.member is Member.YES else left


def either(left: Membership, right: Membership) -> Membership:
    """Returns the answer to `left or right`."""
    if left.member is Member.YES or right.member is Member.NO:
        return left
    return right if right.member is Member.YES or left.member is Member.NO else left


def negate(answer: Membership) -> Membership:
    """Returns the answer to `not answer`."""
    if answer.member is Member.UNKNOWN:
        return answer
    return YES if answer.member is Member.NO else NO


def prefer_known(left: Membership, right: Membership) -> Membership:
    """Returns the first answer that is one."""
    return right if left.member is Member.UNKNOWN and right.member is not Member.UNKNOWN else left
