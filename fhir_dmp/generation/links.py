"""How resources refer to one another: by type and id in files, by fullUrl and search in transactions.

In a transaction, what is in the same Bundle is referred to by its fullUrl, and the shared directory by a conditional
reference, https://hl7.org/fhir/R4/http.html#trules: it works where servers assign ids, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from fhir_dmp.json_text import JsonObject


class Links(Enum):
    """The two ways."""

    BY_ID = "by-id"
    IN_BUNDLE = "in-bundle"


@dataclass(frozen=True, slots=True)
class Shared:
    """A resource of the directory: the resource, and what it is found by (`identifier=system|value`)."""

    resource: JsonObject
    query: str

    def reference(self, links: Links, display: str) -> JsonObject:
        """Builds a reference to it from outside the directory."""
        name = self.resource["resourceType"]
        target = f"{name}/{self.resource['id']}" if links is Links.BY_ID else f"{name}?{self.query}"
        return {"reference": target, "display": display}


def refer(links: Links, resource_type: str, resource_id: str) -> JsonObject:
    """Builds a reference to a resource that travels in the same Bundle."""
    return {"reference": f"{resource_type}/{resource_id}" if links is Links.BY_ID else f"urn:uuid:{resource_id}"}
