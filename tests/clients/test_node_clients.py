"""The clients of npm, each by its own file under node/: fhir-kit-client and the SMART JS client."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.demo_server import Demo

FOLDER = Path(__file__).parent / "node"
FILES = sorted(path.name for path in FOLDER.glob("*.test.mjs"))
SECONDS = 300
NEEDED = 18
"""The oldest Node.js that the clients run on."""


def _major() -> int:
    told = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout
    return int(told.removeprefix("v").partition(".")[0])


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tests and the clients that package-lock.json names."""
    if not shutil.which("npm") or _major() < NEEDED:
        pytest.skip(f"Node.js {NEEDED} or later, with npm, is not on this machine")
    folder = tmp_path_factory.mktemp("node")
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    flags = ["--omit=optional", "--omit=peer", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(["npm", "ci", *flags], cwd=folder, check=True, capture_output=True, timeout=SECONDS)
    return folder


@pytest.mark.parametrize("file", FILES)
def test_client_walks_its_happy_path(file: str, modules: Path, demo: Demo, gerard: str, author: str) -> None:
    given = {
        "BASE_URL": demo.base_url,
        "TOKEN": demo.variables["MEDECIN"],
        "PATIENT": gerard,
        "AUTHOR": author,
    }
    ran = subprocess.run(
        ["node", "--test", file],
        cwd=modules,
        env={**os.environ, **given},
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ran.returncode == 0, ran.stdout
