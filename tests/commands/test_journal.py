"""The journal keeps what was acknowledged, whatever ends the load."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.journal import Journal, open_journal

BASE = "http://127.0.0.1:8080/fhir"


def test_what_is_added_is_there_at_the_next_opening(tmp_path: Path) -> None:
    journal = open_journal(BASE, [tmp_path])
    journal.add(["one", "two"], "Patient/1")
    journal.add(["three"], "")
    assert "one" not in journal
    again = open_journal(BASE, [tmp_path])
    assert [key in again for key in ("one", "two", "three", "four")] == [True, True, True, False]
    assert again.last_location == "Patient/1"


def test_each_server_and_each_set_of_paths_has_its_own(tmp_path: Path) -> None:
    open_journal(BASE, [tmp_path]).add(["key"], "Patient/1")
    assert "key" not in open_journal("http://127.0.0.1:9090/fhir", [tmp_path])
    assert "key" not in open_journal(BASE, [tmp_path / "a"])
    assert "key" not in open_journal(BASE, [tmp_path, tmp_path / "a"])
    assert "key" in open_journal(BASE, [tmp_path / "a" / ".."])


def test_cleared_is_empty_for_good(tmp_path: Path) -> None:
    open_journal(BASE, [tmp_path]).add(["key"], "Patient/1")
    open_journal(BASE, [tmp_path]).clear()
    assert "key" not in open_journal(BASE, [tmp_path])
    assert open_journal(BASE, [tmp_path]).last_location == ""


def test_nothing_acknowledged_leaves_no_file(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    Journal(file).add([], "")
    assert not file.exists()


def test_the_journal_is_for_its_owner_only(tmp_path: Path, state_folder: Path) -> None:
    open_journal(BASE, [tmp_path]).add(["key"], "Patient/1")
    (file,) = state_folder.rglob("*.jsonl")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@given(st.integers(0, 200), st.sampled_from([b"", b"{}\n", b"[1]\n", b'{"location": 1}\n', b"\xff\n", b"\n"]))
def test_a_line_half_written_costs_that_line_only(
    tmp_path_factory: pytest.TempPathFactory, cut: int, odd: bytes
) -> None:
    file = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    for number in range(3):
        Journal(file).add([f"key{number}"], f"Patient/{number}")
    whole = file.read_bytes() + odd
    file.write_bytes(whole[: max(len(whole) - cut, 0)])
    kept = [number for number in range(3) if f"key{number}" in Journal(file)]
    assert kept == list(range(len(kept)))
    Journal(file).add(["after"], "Patient/9")
    again = Journal(file)
    assert "after" in again
    assert [number for number in range(3) if f"key{number}" in again] == kept
    assert again.last_location == "Patient/9"


def test_a_state_folder_that_cannot_be_written_is_told(tmp_path: Path, state_folder: Path) -> None:
    state_folder.write_text("a file where the folder should be")
    with pytest.raises(CommandError, match="no journal can be kept in") as fault:
        open_journal(BASE, [tmp_path])
    assert fault.value.code is Exit.ENVIRONMENT
