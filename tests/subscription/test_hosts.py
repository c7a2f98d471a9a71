"""Which endpoints notifications may go to."""

from __future__ import annotations

import pytest

from fhir_dmp.outcome import FhirError
from fhir_dmp.subscription.hosts import check_endpoint, read_hosts

ALLOWED = read_hosts("Hooks.example.org, 10.1.0.0/16, 127.0.0.1")


@pytest.mark.parametrize(
    "endpoint",
    ["https://hooks.example.org/a?b=c", "https://HOOKS.example.org:8443/", "http://10.1.2.3/x", "http://127.0.0.1:9/"],
)
def test_an_endpoint_at_a_listed_host_is_accepted(endpoint: str) -> None:
    check_endpoint(endpoint, ALLOWED)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://other.example.org/", "https://hooks.example.org.evil.net/", "https://hooks.example.org@evil.net/",
        "http://hooks.example.org/", "ftp://hooks.example.org/", "http://10.2.0.1/", "http://169.254.169.254/",
        "http://[::1]/", "http://2130706433/", "http://localhost/", "https://hooks.example.org:99999/", "https://[", "",
        "https://hooks.example.org/#x", "https://hooks.example.org/\n", "https://hooks.example.org\\.evil.net/",
        " https://hooks.example.org/", "https://hóoks.example.org/",
    ],
)  # fmt: skip
def test_any_other_endpoint_is_refused_at_its_element(endpoint: str) -> None:
    with pytest.raises(FhirError) as refused:
        check_endpoint(endpoint, ALLOWED)
    assert refused.value.issues[0].expression == "Subscription.channel.endpoint"


@pytest.mark.parametrize(
    ("address", "permitted"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("10.1.9.9", True), ("127.0.0.1", True),
        ("::ffff:10.1.0.1", True), ("10.2.0.1", False), ("127.0.0.2", False), ("169.254.169.254", False),
        ("192.168.0.1", False), ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False), ("::1", False),
        ("fe80::1", False), ("fc00::1", False), ("::ffff:169.254.169.254", False), ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False), ("fe80::1%eth0", False), ("no address", False),
    ],
)  # fmt: skip
def test_a_listed_name_leads_to_no_inner_address_that_is_not_listed(address: str, permitted: bool) -> None:
    assert ALLOWED.permits(address) is permitted


def test_nothing_is_allowed_where_nothing_is_listed() -> None:
    with pytest.raises(FhirError):
        check_endpoint("https://hooks.example.org/", read_hosts(""))


@pytest.mark.parametrize(
    "text", ["*", "*.example.org", "a.example b.example", "hooks.example.org:8443", "é.example", "a..b"]
)
def test_a_list_that_would_list_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        read_hosts(text)
