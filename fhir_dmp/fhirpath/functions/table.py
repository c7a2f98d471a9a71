"""All functions that the compiler calls by their signature."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fhir_dmp.fhirpath.equality import distinct
from fhir_dmp.fhirpath.functions.signature import Function, function

FUNCTIONS: Mapping[str, Function] = MappingProxyType({row.name: row for row in (function("distinct", distinct, gives="Same"),)})
