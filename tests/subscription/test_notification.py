"""What a subscriber to a topic is sent, a channel's headers, and when a delivery is tried again."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.outcome import FhirError
from fhir_dmp.resource import Identity, Version
from fhir_dmp.subscription.channel import read_headers
from fhir_dmp.subscription.notification import Content, Event, Standing, build_notification
from fhir_dmp.subscription.retry import ATTEMPTS, pause_after

BASE = "https://dmp.example.fr/fhir"
STANDING = Standing("s1", "https://fhir-dmp.fr/SubscriptionTopic/x", "active", 7)
CONTENT = b'{"resourceType":"DocumentReference","id":"d1","description":"secret"}'
FOCUS = Version(Identity("DocumentReference", "d1"), 1, 0, "POST", CONTENT, "p1")


def notify(content: Content) -> dict[str, Any]:
    return build_notification(BASE, STANDING, "event-notification", [Event(7, 1_000, FOCUS)], content, "u")


def test_a_notification_begins_with_the_status_and_the_number_of_its_event() -> None:
    first = notify("id-only")["entry"][0]
    assert first["request"] == {"method": "GET", "url": f"{BASE}/Subscription/s1/$status"}
    parameters = {parameter["name"]: parameter for parameter in first["resource"]["parameter"]}
    assert parameters["events-since-subscription-start"]["valueString"] == "7"
    assert parameters["notification-event"]["part"] == [
        {"name": "event-number", "valueString": "7"},
        {"name": "timestamp", "valueInstant": "1970-01-01T00:00:01.000Z"},
        {"name": "focus", "valueReference": {"reference": f"{BASE}/DocumentReference/d1"}},
    ]


def test_a_full_notification_holds_the_resource_and_one_of_ids_does_not() -> None:
    assert notify("full-resource")["entry"][1]["resource"]["description"] == "secret"
    entry = notify("id-only")["entry"][1]
    assert entry["fullUrl"] == f"{BASE}/DocumentReference/d1"
    assert "resource" not in entry


@pytest.mark.parametrize(
    ("version", "status"),
    [
        (FOCUS._replace(method="PUT"), "201"),
        (FOCUS._replace(method="PUT", version_id=2), "200"),
        (FOCUS._replace(method="PUT", version_id=3, revives=True), "201"),
        (FOCUS._replace(method="DELETE", version_id=2, content=None), "204"),
    ],
)
def test_a_notification_says_201_of_what_was_created_however(version: Version, status: str) -> None:
    bundle = build_notification(BASE, STANDING, "event-notification", [Event(7, 1_000, version)], "id-only", "u")
    assert bundle["entry"][1]["response"]["status"] == status


def test_an_empty_notification_names_nothing() -> None:
    bundle = notify("empty")
    assert len(bundle["entry"]) == 1
    assert "d1" not in str(bundle)


def test_a_handshake_has_no_event() -> None:
    bundle = build_notification(BASE, STANDING, "handshake", [], "full-resource", "u")
    assert "notification-event" not in str(bundle)
    assert len(bundle["entry"]) == 1


def test_headers_are_read() -> None:
    assert read_headers(["Authorization: Bearer a b ", "X-Empty:"]) == (
        ("Authorization", "Bearer a b"),
        ("X-Empty", ""),
    )


@pytest.mark.parametrize(
    "line", ["a: b\r\nX: y", "a: b\n", "no header", "Host: inner", "content-length: 1", "é: b", ""]
)
def test_a_line_that_is_no_header_or_frames_the_request_is_refused_at_its_element(line: str) -> None:
    with pytest.raises(FhirError) as refused:
        read_headers(["X-Good: 1", line])
    assert refused.value.issues[0].expression == "Subscription.channel.header[1]"


def test_pauses_grow_up_to_half_an_hour_until_the_notification_is_given_up() -> None:
    pauses = [pause for attempts in range(1, ATTEMPTS) if (pause := pause_after(attempts)) is not None]
    assert len(pauses) == ATTEMPTS - 1
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (5_000, 30 * 60_000)
    assert sum(pauses) == 9_755_000
    assert pause_after(ATTEMPTS) is None
