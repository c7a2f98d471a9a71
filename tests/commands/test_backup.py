"""`fhir-dmp backup` beside a running server, and `fhir-dmp restore` into another database, which verify then proves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from fhir_dmp.commands import backup
from fhir_dmp.interactions.binary import MAX_WITHIN
from fhir_dmp.settings import Settings
from fhir_dmp.store.mongo.snapshot import EmptyDatabase, Snapshot
from fhir_dmp.store.mongo.store import MongoStore, StoreUnusable, connect
from tests.commands.conftest import Run, RunningServer
from tests.rest.server import FHIR_JSON, OPEN

Documents = Database[dict[str, Any]]
TRANSIENT = {"watcher", "fence", "guard"}
LARGE = bytes(range(251)) * (MAX_WITHIN // 251 + 100)


@pytest.fixture
def documents(mongodb_client: MongoClient[dict[str, Any]], settings: Settings) -> Documents:
    return mongodb_client[settings.database]


@pytest.fixture
def again(mongodb_client: MongoClient[dict[str, Any]], settings: Settings) -> Iterator[Documents]:
    """Another database, which is empty."""
    name = f"{settings.database}_again"
    yield mongodb_client[name]
    mongodb_client.drop_database(name)


@pytest.fixture
def beside(settings: Settings) -> Iterator[RunningServer]:
    server = RunningServer.of(settings, OPEN)
    with server.running():
        yield server


def put(server: RunningServer, name: str, born: str = "1980") -> None:
    resource = {"resourceType": "Patient", "id": name, "birthDate": born, "name": [{"family": "Test"}]}
    url = f"{server.base_url}/Patient/{name}"
    httpx.put(url, json=resource, headers={"content-type": FHIR_JSON}, trust_env=False).raise_for_status()


def contents(database: Documents) -> dict[str, Any]:
    """All that is in a database, by collection, with the indexes."""
    names = sorted(set(database.list_collection_names()) - TRANSIENT)
    return {
        name: (sorted(map(str, database[name].find())), sorted(map(str, database[name].list_indexes())))
        for name in names
    }


def test_what_was_backed_up_is_restored_and_proven(
    beside: RunningServer,
    documents: Documents,
    again: Documents,
    command: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(beside, "a")
    put(beside, "a", "1981")
    url = f"{beside.base_url}/Binary"
    made = httpx.post(url, content=LARGE, headers={"content-type": "application/octet-stream"}, trust_env=False)
    assert made.status_code == 201, made.text
    folder = tmp_path / "backup"
    code, lines = command("backup", str(folder))
    assert code == 0, lines
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {row["name"] for row in manifest["parts"]} == set(contents(documents))
    assert all(path.stat().st_mode & 0o077 == 0 for path in [folder, *folder.iterdir()])
    assert command("backup", str(folder))[0] == 2, "a folder is taken once"

    before = contents(documents)
    monkeypatch.setenv("FHIR_DMP_DATABASE", again.name)
    code, lines = command("restore", str(folder))
    assert code == 0, lines
    assert contents(again) == before
    code, lines = command("verify")
    assert code == 0, lines
    code, lines = command("restore", str(folder))
    assert (code, "is not empty" in lines[-1]) == (1, True)


def test_a_backup_is_of_one_moment(
    beside: RunningServer, again: Documents, command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody changes a Patient all the while: the current version is always the one after those in the history."""
    put(beside, "busy")
    is_over = threading.Event()

    def change() -> None:
        for year in range(1000, 3000):
            if is_over.is_set():
                return
            put(beside, "busy", str(year))

    writing = threading.Thread(target=change)
    writing.start()
    try:
        codes = [command("backup", str(tmp_path / str(number)))[0] for number in range(3)]
    finally:
        is_over.set()
        writing.join()
    assert codes == [0, 0, 0]
    monkeypatch.setenv("FHIR_DMP_DATABASE", again.name)
    for number in range(3):
        assert command("restore", str(tmp_path / str(number)))[0] == 0
        (current,) = again["resource"].find({"_id": "Patient/busy"})
        assert again["history"].count_documents({"r": "Patient/busy"}) == current["v"] - 1
        assert command("verify")[0] == 0
        again.client.drop_database(again.name)


def test_a_damaged_backup_is_refused_and_leaves_nothing(
    beside: RunningServer, again: Documents, command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(beside, "a")
    folder = tmp_path / "backup"
    assert command("backup", str(folder))[0] == 0
    monkeypatch.setenv("FHIR_DMP_DATABASE", again.name)
    path, manifest = folder / "resource.bson.zst", folder / "manifest.json"
    whole, text = path.read_bytes(), manifest.read_text()
    path.write_bytes(whole[:-3] + b"xyz")
    code, lines = command("restore", str(folder))
    assert (code, "is not as it was written" in lines[-1]) == (1, True)
    path.write_bytes(whole)
    row = json.loads(text)
    row["parts"][-1]["documents"] += 1
    manifest.write_text(json.dumps(row))
    assert command("restore", str(folder))[0] == 1
    assert again.list_collection_names() == []
    manifest.write_text("{}")
    assert command("restore", str(folder))[0] == 1
    manifest.unlink()
    assert command("restore", str(folder))[0] == 3, "without manifest it was not finished"
    manifest.write_text(text)
    assert command("restore", str(folder))[0] == 0


def test_no_server_starts_on_what_a_killed_restore_left_and_another_restore_begins_anew(  # noqa: PLR0913, PLR0917
    beside: RunningServer,
    documents: Documents,
    again: Documents,
    command: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mongodb_uri: str,
) -> None:
    put(beside, "a")
    folder = tmp_path / "backup"
    assert command("backup", str(folder))[0] == 0
    monkeypatch.setenv("FHIR_DMP_DATABASE", again.name)
    stored, insert = [], EmptyDatabase.insert

    async def spy(empty: EmptyDatabase, name: str, rows: Sequence[bytes]) -> None:
        stored.append(starts(mongodb_uri, again.name))
        await insert(empty, name, rows)

    monkeypatch.setattr(EmptyDatabase, "insert", spy)
    again["restoring"].insert_one({})
    again["resource"].insert_one({"_id": "Patient/half"})
    assert not starts(mongodb_uri, again.name)
    assert command("restore", str(folder))[0] == 0
    assert stored, "nothing was restored"
    assert not any(stored), "a server may start on half of a backup"
    assert contents(again) == contents(documents)
    assert starts(mongodb_uri, again.name)


def starts(uri: str, database: str) -> bool:
    """Tells whether a server would start on a database; in a thread, as a loop may run here."""
    found: list[bool] = []

    async def start() -> None:
        client = connect(uri)
        try:
            await MongoStore(client, database).prepare()
            found.append(True)
        except StoreUnusable:
            found.append(False)
        finally:
            await client.close()

    thread = threading.Thread(target=lambda: asyncio.run(start()))
    thread.start()
    thread.join()
    return found[0]


def test_sigterm_ends_a_backup_between_two_steps_and_never_within_one(
    command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def arrive() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        seen.append("the driver has read what came")

    async def work() -> None:
        asyncio.get_running_loop().call_soon(arrive)
        try:
            await asyncio.sleep(10)
        finally:
            seen.append("ended")

    monkeypatch.setattr(backup, "backup_database", lambda _: asyncio.run(work()))
    assert command("backup", str(tmp_path / "backup"))[0] == 130
    assert seen == ["the driver has read what came", "ended"]


def test_what_the_database_refuses_is_said_in_a_line(
    command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: Snapshot) -> int:
        why = "not authorized on fhir_dmp to execute command { listCollections: 1 }"
        raise OperationFailure(f"{why}, full error: {{}}", 13, {"errmsg": why})

    monkeypatch.setattr(Snapshot, "collections", refuse)
    code, lines = command("backup", str(tmp_path / "backup"))
    assert code == 3
    assert "permits its user too little (not authorized" in lines[-1]


@pytest.mark.parametrize("asked", [("backup", "again"), ("verify",), ("reindex",)])
def test_what_a_killed_restore_left_is_not_taken_for_a_database(
    asked: tuple[str, ...], beside: RunningServer, documents: Documents, command: Run, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    put(beside, "a")
    documents["restoring"].insert_one({})
    monkeypatch.chdir(tmp_path)
    code, lines = command(*asked)
    assert code == 3
    assert "is not whole: a restore into it is under way" in lines[-1]
    assert not (tmp_path / "again" / "manifest.json").exists()
