"""`fhir-dmp matrix`: what it writes, how it ends, what it keeps."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_dmp.cli import run
from fhir_dmp.loader import load_habilitation

Json = Any
Matrix = Callable[..., tuple[int, list[str]]]
SHIPPED = load_habilitation()


@pytest.fixture
def matrix(
    mongodb_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Matrix:
    """Runs a command on a database of this test's own; returns its exit code and its lines."""
    monkeypatch.setenv("FHIR_DMP_MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("FHIR_DMP_DATABASE", database_name)

    def run_matrix(*arguments: str | Path) -> tuple[int, list[str]]:
        code = run(["matrix", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, [*captured.out.splitlines(), *captured.err.splitlines()]

    return run_matrix


def _file(folder: Path, **changed: Json) -> Path:
    """A table like the shipped one, but for what is changed."""
    file = folder / "matrix.json"
    file.write_text(json.dumps({**copy.deepcopy(SHIPPED), **changed}), encoding="utf8")
    return file


def _without(profession: str) -> Json:
    return {code: row for code, row in SHIPPED["professions"].items() if code != profession}


def test_the_shipped_table_is_what_an_empty_database_begins_with(matrix: Matrix) -> None:
    code, lines = matrix("show")
    assert code == 0
    assert lines[0].startswith(f"{SHIPPED['version']}  {len(SHIPPED['professions'])} professions, ")
    assert lines[-1].startswith("no server has run")


def test_what_is_replaced_is_told_and_every_version_is_kept(matrix: Matrix, tmp_path: Path) -> None:
    first = _file(tmp_path, version="essai-1", professions=_without("40"))
    code, lines = matrix("replace", first)
    assert code == 0
    assert lines[0].startswith("essai-1  in force since ")
    assert [line for line in lines if line.startswith("  40 ") and ":  closes " in line]
    assert matrix("replace", first) == (0, ["essai-1  in force already"])
    assert matrix("replace", _file(tmp_path, version="essai-2"))[0] == 0
    history = [line for line in matrix("show")[1] if line.startswith("since ")]
    assert [line.split()[-1] for line in history] == ["essai-2", "essai-1"]
    older = json.loads("\n".join(matrix("show", "--version", "essai-1", "--format", "json")[1]))
    assert older == json.loads(_file(tmp_path, version="essai-1", professions=_without("40")).read_text("utf8"))
    assert matrix("show", "--version", "essai-9")[0] == 1


def test_what_is_shown_as_json_can_be_put_in_force_again(matrix: Matrix, tmp_path: Path) -> None:
    matrix("replace", _file(tmp_path, version="essai-1", professions=_without("40")))
    shown = tmp_path / "shown.json"
    shown.write_text("\n".join(matrix("show", "--format", "json")[1]), encoding="utf8")
    matrix("replace", _file(tmp_path, version="essai-2"))
    assert matrix("replace", shown)[1][0].startswith("essai-1  in force since ")
    assert matrix("show")[1][0].startswith("essai-1  ")


def test_another_table_under_a_version_that_is_kept_is_refused(matrix: Matrix, tmp_path: Path) -> None:
    matrix("replace", _file(tmp_path, version="essai-1"))
    code, lines = matrix("replace", _file(tmp_path, version="essai-1", professions=_without("40")))
    assert code == 1
    assert "give this one a version of its own" in lines[0]
    assert len([line for line in matrix("show")[1] if line.startswith("since ")]) == 1


BROKEN: dict[str, Json] = {
    "professions/ab": {"professions": {"10": SHIPPED["professions"]["10"], "ab": SHIPPED["professions"]["10"]}},
    "version": {"version": 7},
    "no source": {"sources": {"none": "nothing"}},
    "professions/10/cells/0": {"professions": {"10": {"display": "x", "cells": [{"permit": True}]}}},
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("command", ["check", "replace"])
def test_what_is_no_matrix_is_refused_and_nothing_is_kept(
    name: str, command: str, matrix: Matrix, tmp_path: Path,
    database_name: str, mongodb_client: MongoClient[dict[str, Any]],
) -> None:  # fmt: skip
    code, lines = matrix(command, _file(tmp_path, **BROKEN[name]))
    assert code == 1
    assert lines
    assert mongodb_client[database_name]["habilitation"].count_documents({}) == 0


def test_check_names_what_a_table_leaves_out(matrix: Matrix, tmp_path: Path) -> None:
    code, lines = matrix("check", _file(tmp_path, professions=_without("40")))
    assert code == 0
    told = next(line for line in lines if line.startswith("professions (TRE_G15) that are not listed"))
    assert "40" in told


def test_a_file_that_is_no_json_is_refused_in_one_line(matrix: Matrix, tmp_path: Path) -> None:
    file = tmp_path / "matrix.json"
    file.write_text("{", encoding="utf8")
    code, lines = matrix("check", file)
    assert (code, len(lines)) == (1, 1)
