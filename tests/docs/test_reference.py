"""What the documentation lists is what the code has, both ways."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import typer.main

from fhir_dmp.cli import commands
from fhir_dmp.conformance.finding import Code
from fhir_dmp.settings import SETTINGS
from fhir_dmp.terminology.membership import Cause
from fhir_dmp.validation.finding import FindingCode

ROOT = Path(__file__).parent.parent.parent
REFERENCE = ROOT / "docs" / "reference"
INTERNATIONAL = {"CapabilityStatement", "EHR", "HTTP", "ITI-65", "ITI-105", "PDF", "POST", "README", "SMART"}
"""Abbreviations of the guides that need no word of ours."""


def _rows(page: str) -> set[str]:
    """The names in the first column of a page's tables."""
    return set(_listed(page))


def _listed(page: str) -> list[str]:
    cells = re.findall(r"^\| (`[^|]+`) \|", (REFERENCE / page).read_text(encoding="utf8"), re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def _codes_raised() -> set[str]:
    """The codes given as literals to what makes issues: their place among the arguments, by function."""
    places = {"error": 1, "Issue": 1, "_invalid": 0, "invalid": 0, "_issue": 0, "_fault": 0, "_pairs": 2, "_unread": 0}
    calls = (
        node
        for path in (ROOT / "fhir_dmp").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8")))
        if isinstance(node, ast.Call)
    )
    named = [(places.get(_name(call.func)), call.args) for call in calls]
    codes = [args[place] for place, args in named if place is not None and len(args) > place]
    return {code.value for code in codes if isinstance(code, ast.Constant) and isinstance(code.value, str)}


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr if function.attr in {"_fault", "_pairs", "_unread"} else ""
    return function.id if isinstance(function, ast.Name) else ""


def test_settings_page_lists_the_settings() -> None:
    assert _rows("settings.md") == {setting.name for setting in SETTINGS}


def test_errors_page_lists_every_code() -> None:
    findings = {code.code for code in FindingCode} | {code.code for code in Code}
    causes = set(get_args(Cause)) - {"member", "not-a-member"}
    assert _rows("errors.md") == _codes_raised() | findings | causes | {"resource-created", "resource-stored"}


def test_errors_page_lists_each_code_once() -> None:
    assert len(_listed("errors.md")) == len(_rows("errors.md"))


def test_commands_page_lists_every_command_and_option() -> None:
    page = (REFERENCE / "commands.md").read_text(encoding="utf8")
    group = typer.main.get_command(commands)
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # a Typer of several commands is a Group
        assert f"`fhir-dmp {name}" in page, name
        for parameter in command.params:
            options = [option for option in parameter.opts if option.startswith("--") and option != "--help"]
            assert not options or any(option in page for option in options), (name, parameter.name)


def test_links_between_pages_lead_somewhere() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").glob("*.md"),
    ]
    broken = []
    for page in pages:
        targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf8"))
        broken += [(page.name, link) for link in targets if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


def test_index_names_every_guide_and_page_of_the_reference() -> None:
    docs = ROOT / "docs"
    named = set(re.findall(r"\]\(((?:guide|reference)/[^)]+)\)", (docs / "README.md").read_text(encoding="utf8")))
    there = [*(docs / "guide").rglob("*.md"), *REFERENCE.glob("*.md")]
    assert named == {page.relative_to(docs).as_posix() for page in there}


def test_glossary_has_the_abbreviations_of_the_guides() -> None:
    known = (ROOT / "docs" / "glossary.md").read_text(encoding="utf8")
    for page in (ROOT / "docs" / "guide").rglob("*.md"):
        prose = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", page.read_text(encoding="utf8"), flags=re.DOTALL)
        used = set(re.findall(r"\b[A-Z][A-Za-z]*[A-Z][A-Za-z0-9.-]*\b", prose))
        assert {word for word in used - INTERNATIONAL if word not in known} == set(), page


def test_decisions_have_a_number_each_and_their_parts() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    # not without a gap: pages that are written at the same time are given their numbers beforehand
    assert len({int(page.name[:4]) for page in pages}) == len(pages)
    for page in pages:
        text = page.read_text(encoding="utf8")
        assert "0009" in page.name or all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequences"))
