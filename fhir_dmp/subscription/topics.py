"""The topics that can be subscribed to: what happens in a record, by canonical.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/components.html#subscription-topics-in-r4. R4 has no resource for
a topic: these are what docs/reference/subscriptions.md says of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_dmp.access.subscribing import EMERGENCIES
from fhir_dmp.resource import Method
from fhir_dmp.search.query import Clause, Everything, Marked

_OURS = "https://fhir-dmp.fr/SubscriptionTopic"
_EMERGENCIES = tuple(f"http://terminology.hl7.org/CodeSystem/v3-ActReason|{code}" for code in sorted(EMERGENCIES))
"""A notice says why the record was opened; no search parameter asks for that."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What is written of a type and meets `criteria`, where `is_new_only` as its first version.

    `codes` are Codings (system|code), one of which it has to have anywhere, where there are some. What is deleted is
    told where it met the criteria before.
    """

    url: str
    criteria: str
    is_new_only: bool
    codes: tuple[str, ...] = ()

    @property
    def clause(self) -> Clause:
        """What has to be true beside the criteria."""
        return Marked("code", self.codes) if self.codes else Everything()

    def hears(self, method: Method, version_id: int) -> bool:
        """Tells whether a version may be an event, by how it came to be."""
        return version_id == 1 and method != "DELETE" if self.is_new_only else True


TOPICS = {
    topic.url: topic
    for topic in (
        Topic(f"{_OURS}/new-document", "DocumentReference?status=current", is_new_only=True),
        Topic(f"{_OURS}/consent-changed", "Consent", is_new_only=False),
        Topic(f"{_OURS}/emergency-access", "Communication", is_new_only=True, codes=_EMERGENCIES),
    )
}
