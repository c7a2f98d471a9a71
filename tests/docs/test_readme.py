"""The README is short for a newcomer; that its commands give its answers is test_commands.py's."""

from __future__ import annotations

import json
import re

from tests.docs.pages import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf8")


def test_the_story_of_who_reads_has_eight_commands() -> None:
    story = TEXT.partition("## The patient decides who reads")[2].partition("\n## ")[0]
    assert story.count("\ncurl ") == 8


def test_newcomer_sees_a_bundle_within_25_lines() -> None:
    lines = TEXT.splitlines()
    assert next(number for number, line in enumerate(lines, 1) if '"resourceType":"Bundle"' in line) <= 25
    assert next(number for number, line in enumerate(lines, 1) if line.startswith("make serve")) <= 25


def test_make_has_the_targets_that_are_promised() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf8"), re.MULTILINE))
    assert {"install", "serve", "test", "check", "bench"} <= targets


def test_types_that_are_written_and_read_are_counted() -> None:
    groups = json.loads((ROOT / "capability" / "server.json").read_text(encoding="utf8"))["groups"]
    assert f"for {len(groups[0]['types'])} clinical and administrative types" in TEXT
