"""What the tests of subscriptions ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.access_http.house import Headers, House
from tests.delivery.endpoint import Endpoint
from tests.rest.server import FHIR_JSON

Json = Any
SECRET = "Bearer s3cr3tword"
GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"
TOPIC = "https://fhir-dmp.fr/SubscriptionTopic/"


def by_criteria(criteria: str, endpoint: Endpoint, payload: str = FHIR_JSON, **changed: Json) -> Json:
    channel = {"type": "rest-hook", "endpoint": endpoint.url, "header": [f"Authorization: {SECRET}"]}
    if payload:
        channel["payload"] = payload
    made = {"resourceType": "Subscription", "status": "requested", "reason": "follow-up", "criteria": criteria}
    return {**made, "channel": channel, **changed}


def by_topic(name: str, endpoint: Endpoint, *filters: str, content: str = "id-only", heartbeat: int = 0) -> Json:
    made = by_criteria(TOPIC + name, endpoint)
    made["channel"]["_payload"] = {"extension": [{"url": f"{GUIDE}payload-content", "valueCode": content}]}
    if heartbeat:
        made["channel"]["extension"] = [{"url": f"{GUIDE}heartbeat-period", "valueUnsignedInt": heartbeat}]
    if filters:
        made["_criteria"] = {"extension": [{"url": f"{GUIDE}filter-criteria", "valueString": row} for row in filters]}
    return made


async def subscribe(house: House, who: Headers, asked: Json) -> str:
    answer = await house.guarded.client.post("Subscription", json=asked, headers={**who, "content-type": FHIR_JSON})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def until(is_so: Callable[[], bool]) -> None:
    """Returns when something has become so; fails where it does not."""
    for _ in range(300):
        if is_so():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it has not become so")
