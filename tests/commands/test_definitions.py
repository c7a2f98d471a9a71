"""The definitions that a server stores at its first start."""

from __future__ import annotations

from fhir_dmp.seed import seed_definitions
from fhir_dmp.settings import Settings
from tests.commands.conftest import Run


def test_the_definitions_are_stored_once_and_verify_finds_nothing_wrong_with_them(
    settings: Settings, command: Run
) -> None:
    stored = seed_definitions(settings)
    assert seed_definitions(settings) == 0
    assert command("verify") == (0, [f"{stored:,} versions, 0 of them audit events: nothing is wrong"])
