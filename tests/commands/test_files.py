"""Which files a command is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.files import find_files, is_ndjson, read_file, read_lines, total_size


def _write(folder: Path, *names: str) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}\n")


def test_a_folder_stands_for_its_json_and_ndjson_files_in_the_order_of_names(tmp_path: Path) -> None:
    _write(tmp_path, "b.json", "a/z.NDJSON", "a/b/c.json", "README.md", "c.xml", "10.json", "b.json.bak")
    found = [str(file.relative_to(tmp_path)) for file in find_files([tmp_path])]
    assert found == ["10.json", "a/b/c.json", "a/z.NDJSON", "b.json"]


def test_files_come_in_the_order_in_which_they_are_named_and_once(tmp_path: Path) -> None:
    _write(tmp_path, "b.json", "a.json", "export.txt")
    paths = [tmp_path / "b.json", tmp_path / "export.txt", tmp_path, tmp_path / "." / "a.json"]
    assert [file.name for file in find_files(paths)] == ["b.json", "export.txt", "a.json"]


def test_a_folder_without_resources_is_a_mistake(tmp_path: Path) -> None:
    _write(tmp_path, "README.md")
    with pytest.raises(CommandError, match=r"holds no \*\.json and no \*\.ndjson file") as fault:
        find_files([tmp_path])
    assert fault.value.code is Exit.USAGE


@pytest.mark.parametrize(
    ("name", "expected"), [("a.ndjson", True), ("a.JSONL", True), ("a.json", False), ("ndjson", False)]
)
def test_the_name_tells_ndjson(name: str, expected: bool) -> None:
    assert is_ndjson(Path(name)) is expected


def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone.json"
    with pytest.raises(CommandError, match=r"gone\.json cannot be read: No such file or directory"):
        read_file(gone)
    with pytest.raises(CommandError, match=r"gone\.json cannot be read: No such file or directory"):
        list(read_lines(gone))


def test_total_size_leaves_out_what_is_gone(tmp_path: Path) -> None:
    _write(tmp_path, "a.json", "b.json")
    assert total_size([tmp_path / "a.json", tmp_path / "b.json", tmp_path / "c.json"]) == 6
