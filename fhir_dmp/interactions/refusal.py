"""Why something was refused, on its way to the trace: the cause of the error, and no part of what is answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fhir_dmp.access.reason import Reason, Rule
from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.resource import Version

_CATEGORIES = frozenset({Category.NOT_FOUND, Category.FORBIDDEN, Category.DELETED})
_WHOEVER = frozenset({Rule.EXCLUDED, Rule.NOT_FOR_THIS_KIND})
"""Rules that refuse who asks, whatever his token says."""
_ID_ASSIGNED = "id-assigned-by-server"
"""The error of an update of what is not here, or hidden, by who may not choose ids."""


class AccessRefused(Exception):
    """The rule that decided, and the id of the patient whose record it was about ("" where of none).

    `raise error(...) from AccessRefused(...)`: the requester is told the error alone.
    """

    def __init__(
        self, reason: Reason, patient: str = "", *, is_telling: bool = False, lacks_scope: bool = False
    ) -> None:
        """Takes what the trace tells; it `is_telling` where the answer says that something of the patient is here.

        It `lacks_scope` where the token rules it out, whatever is stored: of what is in a record that would tell.
        """
        super().__init__(reason.rule.value)
        self.lacks_scope = lacks_scope and reason.rule not in _WHOEVER
        self.reason = reason
        self.patient = patient
        self.is_telling = is_telling


class DepositRefused(Exception):
    """What was to be stored was refused for what it is; `patient` is the id of the Patient in whose record, "" if none.

    The attempt is in the trace; `raise error(...) from DepositRefused(...)`.
    """

    def __init__(self, patient: str = "", *, is_telling: bool = False) -> None:
        """Takes in whose trace it is; it `is_telling` where the answer says that something of his is here."""
        super().__init__("refused for what it is")
        self.patient = patient
        self.is_telling = is_telling


class StoredTold(Exception):
    """An error says something of what is stored: which version, what is in it. To be told so is an access."""

    def __init__(self, version: Version) -> None:
        """Takes the version that it says something of."""
        super().__init__("tells of what is stored")
        self.version = version


@contextmanager
def telling_of(version: Version | None) -> Iterator[None]:
    """Marks what is raised inside as an error that says something of a version: of what is absent there is nothing."""
    try:
        yield
    except FhirError as fault:
        if version is not None and version.content is not None and fault.__cause__ is None:
            fault.__cause__ = StoredTold(version)
        raise


def is_refusal(fault: FhirError) -> bool:
    """Tells whether the error of what names one resource may come of a decision about access."""
    return fault.category in _CATEGORIES or fault.issues[0].code == _ID_ASSIGNED


def find_refusal(fault: FhirError) -> AccessRefused | None:
    """Returns why an error was raised, None where no rule of access is its cause."""
    cause = fault.__cause__
    return cause if isinstance(cause, AccessRefused) else None


def lacks_scope(fault: FhirError) -> bool:
    """Tells whether the answer is 403 and another scope of the token would have let the requester get further."""
    cause = find_refusal(fault)
    return fault.category is Category.FORBIDDEN and cause is not None and cause.lacks_scope
