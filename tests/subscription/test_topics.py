"""What is an event of a topic, and what of the same type is none."""

from __future__ import annotations

import pytest

from fhir_dmp.audit.update_notice import build_update_notice
from fhir_dmp.resource import Method
from fhir_dmp.search.match import matches
from fhir_dmp.subscription.topics import TOPICS
from tests.strategies.access import NOW, ZONE, facts

OURS = "https://fhir-dmp.fr/SubscriptionTopic"
EMERGENCY = TOPICS[f"{OURS}/emergency-access"]


def test_a_notice_of_an_update_is_no_emergency() -> None:
    notice = build_update_notice("p", NOW, NOW, ZONE, is_secret=False)
    purpose = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "BTG"}
    assert not matches(EMERGENCY.clause, facts({**notice, "id": "n"}))
    assert matches(EMERGENCY.clause, facts({**notice, "id": "n", "reasonCode": [{"coding": [purpose]}]}))


@pytest.mark.parametrize(
    ("name", "method", "version_id", "is_heard"),
    [
        ("new-document", "POST", 1, True), ("new-document", "PUT", 1, True), ("new-document", "PUT", 2, False),
        ("new-document", "DELETE", 2, False), ("consent-changed", "POST", 1, True),
        ("consent-changed", "PATCH", 3, True),
        ("consent-changed", "DELETE", 4, True), ("emergency-access", "POST", 1, True),
        ("emergency-access", "PUT", 2, False),
    ],
)  # fmt: skip
def test_a_topic_hears_first_versions_or_every_one(name: str, method: Method, version_id: int, is_heard: bool) -> None:
    assert TOPICS[f"{OURS}/{name}"].hears(method, version_id) is is_heard
