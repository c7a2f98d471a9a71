"""The purpose of use that a professional declares, and his reason where the purpose needs one."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_dmp.issuer.fault import OAuthError

PURPOSES = ("TREAT", "ETREAT", "BTG")
"""Care, emergency care, breaking the glass: https://terminology.hl7.org/CodeSystem-v3-ActReason.html."""
REASONED = "BTG"
_LONGEST_REASON = 500


def read_purpose(form: Mapping[str, str]) -> tuple[str, str]:
    """Returns the purpose (care unless another is named) and the reason; raises OAuthError."""
    purpose = form.get("purpose_of_use") or "TREAT"
    reason = " ".join(form.get("reason", "").split())
    if purpose not in PURPOSES:
        raise OAuthError("invalid_request", f"purpose_of_use is one of {', '.join(PURPOSES)}")
    if purpose == REASONED and not reason:
        raise OAuthError("invalid_request", "breaking the glass needs a reason")
    if len(reason) > _LONGEST_REASON:
        raise OAuthError("invalid_request", f"a reason has at most {_LONGEST_REASON} characters")
    return purpose, reason
