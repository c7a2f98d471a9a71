"""$dmp-export: traces as the French trace profile has them, https://fhir-dmp.fr/OperationDefinition/dmp-export.

A search of AuditEvents like any other, by the same rules of access, each event in the form of TDE 2.0.0
(audit/export.py). That profile wants searches bounded by date.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.audit.export import build_export
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.interactions.search import search_type
from fhir_dmp.json_text import parse_json_object, write_json
from fhir_dmp.operations.parameters import missing
from fhir_dmp.outcome import Category, error

DEFINITION = "https://fhir-dmp.fr/OperationDefinition/dmp-export"
_SHAPING = frozenset({"_elements", "_summary", "_include", "_revinclude"})


async def export_traces(context: Context, request: Request) -> Result:
    """Returns a page of the traces that match and that the requester may see, in the form of TDE."""
    check_exposed(context, request, "operation")
    names = {name.partition(":")[0] for name, _ in request.parameters}
    if "date" not in names:
        raise missing("date")
    if shaping := sorted(names & _SHAPING):
        message = f"{shaping[0]} has no place here: traces are exported whole."
        raise error(Category.INVALID_PARAMETER, "parameter-unknown", message, f"http.{shaping[0]}")
    result = await search_type(context, request)
    bundle = parse_json_object(result.body or b"{}")
    for entry in bundle.get("entry", ()):
        if entry["resource"]["resourceType"] == "AuditEvent":
            entry["resource"] = build_export(entry["resource"])
    return replace(result, body=write_json(bundle))
