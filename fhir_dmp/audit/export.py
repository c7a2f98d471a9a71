"""AuditEvent → the French trace profile (TDE 2.0.0, https://interop.esante.gouv.fr/ig/fhir/tde).

It takes at most two agents and one subtype, and wants period.start. Of the agents left out, the server is the source
already, and the organisation becomes an entity.
"""

from __future__ import annotations

from fhir_dmp.audit.code import EXPORT_PROFILE, ORGANIZATION, PROVIDER
from fhir_dmp.json_text import JsonObject

_AGENTS = 2


def build_export(event: JsonObject) -> JsonObject:
    """Builds the trace as it is exported: who asked, and the program (of a program that asked itself, the server)."""
    agents = [agent for agent in event["agent"] if agent["type"] != PROVIDER]
    organizations = [agent["who"] for agent in event["agent"] if agent["type"] == PROVIDER]
    entities = [*event.get("entity", ()), *({"what": who, "type": ORGANIZATION} for who in organizations)]
    export = {
        **event,
        "meta": {**event.get("meta", {}), "profile": [EXPORT_PROFILE]},
        "subtype": event["subtype"][:1],
        "period": event.get("period") or {"start": event["recorded"]},
        # a stable sort: of those who did not ask, the client stands first
        "agent": sorted(agents, key=lambda agent: not agent["requestor"])[:_AGENTS],
    }
    return {**export, "entity": entities} if entities else export
