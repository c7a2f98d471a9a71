"""Questions about codes that the content at hand cannot answer; a terminology server may.

https://hl7.org/fhir/R4/valueset-operation-validate-code.html, https://hl7.org/fhir/R4/codesystem-operation-validate-code.html
"""

from __future__ import annotations

from typing import NamedTuple


class CodeQuestion(NamedTuple):
    """Is a code in a value set; where `value_set` is empty: does its code system have it at all.

    `value_set` is a canonical, with |version or without. `system` is empty where an element holds a bare code.
    """

    value_set: str
    system: str
    code: str
    version: str = ""
