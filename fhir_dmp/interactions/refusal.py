"""Why something was refused, on its way to the trace: the cause of the error, and no part of what is answered."""

from __future__ import annotations

from fhir_dmp.access.reason import Reason
from fhir_dmp.outcome import Category, FhirError

_CATEGORIES = frozenset({Category.NOT_FOUND, Category.FORBIDDEN, Category.DELETED})
_ID_ASSIGNED = "id-assigned-by-server"
"""The error of an update of what is not here, or hidden, by who may not choose ids."""


class AccessRefused(Exception):
    """The rule that decided, and the id of the patient whose record it was about ("" where of none).

    `raise error(...) from AccessRefused(...)`: the requester is told the error alone.
    """

    def __init__(self, reason: Reason, patient: str = "") -> None:
        """Takes what the trace tells the patient."""
        super().__init__(reason.rule.value)
        self.reason = reason
        self.patient = patient


class DepositRefused(Exception):
    """What was to be stored was refused for what it is; `patient` is the id of the Patient in whose record, "" if none.

    The attempt is in the trace; `raise error(...) from DepositRefused(...)`.
    """

    def __init__(self, patient: str = "") -> None:
        """Takes in whose trace it is."""
        super().__init__("refused for what it is")
        self.patient = patient


def is_refusal(fault: FhirError) -> bool:
    """Tells whether the error of what names one resource may come of a decision about access."""
    return fault.category in _CATEGORIES or fault.issues[0].code == _ID_ASSIGNED


def find_refusal(fault: FhirError) -> AccessRefused | None:
    """Returns why an error was raised, None where no rule of access is its cause."""
    cause = fault.__cause__
    return cause if isinstance(cause, AccessRefused) else None
