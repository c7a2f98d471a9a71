"""The server that the clients ask, over real HTTP with real tokens."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.demo_server import Demo, run_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, once for all clients: each test uses resources of its own."""
    with run_demo(tmp_path_factory.mktemp("clients")) as running:
        yield running


@pytest.fixture(scope="session")
def bearer(demo: Demo) -> str:
    """The médecin traitant's Authorization header."""
    return f"Bearer {demo.variables['MEDECIN']}"


@pytest.fixture(scope="session")
def gerard(demo: Demo) -> str:
    """The id of the patient whose record the médecin traitant reads and feeds."""
    return demo.variables["GERARD"]


@pytest.fixture(scope="session")
def author(demo: Demo, bearer: str) -> str:
    """The reference of the médecin traitant: what he feeds names him, so that he may change it."""
    with httpx.Client(base_url=f"{demo.base_url}/", headers={"authorization": bearer}) as client:
        found = client.get("Practitioner", params={"identifier": "https://rpps.esante.gouv.fr|99900000011"}).json()
    return f"Practitioner/{found['entry'][0]['resource']['id']}"
