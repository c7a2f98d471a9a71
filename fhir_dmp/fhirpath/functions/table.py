"""All functions that the compiler calls by their signature."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fhir_dmp.fhirpath.functions.boundary import BOUNDARY
from fhir_dmp.fhirpath.functions.collection import COLLECTION
from fhir_dmp.fhirpath.functions.conversion import CONVERSION
from fhir_dmp.fhirpath.functions.existence import EXISTENCE
from fhir_dmp.fhirpath.functions.fhir import FHIR
from fhir_dmp.fhirpath.functions.number import NUMBER
from fhir_dmp.fhirpath.functions.signature import Function
from fhir_dmp.fhirpath.functions.text import TEXT
from fhir_dmp.fhirpath.functions.utility import UTILITY

FUNCTIONS: Mapping[str, Function] = MappingProxyType({
    row.name: row for row in (*EXISTENCE, *COLLECTION, *TEXT, *NUMBER, *CONVERSION, *BOUNDARY, *UTILITY, *FHIR)
})  # fmt: skip
