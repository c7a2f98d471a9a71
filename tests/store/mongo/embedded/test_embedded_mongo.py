"""The embedded MongoDB, on a real mongod: it starts, survives, dies with its server, and says what is wrong."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, DuplicateKeyError, OperationFailure
from pymongo.uri_parser import parse_uri

from fhir_dmp.store.mongo.embedded.data_folder import DataFolderInUseError, running_uri
from fhir_dmp.store.mongo.embedded.embedded_mongo import EmbeddedMongo
from fhir_dmp.store.mongo.embedded.mongod import REMEDY, MongodError, MongodUnavailable, find_mongod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_SECONDS = 30
REPOSITORY = Path(__file__).parents[4]
CACHE_GB = 0.25

SERVER = """
import os, sys, time
from pathlib import Path
from pymongo import MongoClient
from fhir_dmp.store.mongo.embedded.embedded_mongo import EmbeddedMongo
with EmbeddedMongo(Path(sys.argv[1]), cache_gb=0.25) as mongo:
    MongoClient(mongo.uri).test.kept.insert_one({"_id": "by the server"})
    worker = os.fork() if "fork" in sys.argv else None
    if worker != 0:
        print(mongo.uri, worker, flush=True)
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        time.sleep(0.5)
        MongoClient(mongo.uri).test.kept.insert_one({"_id": "while stopping"})
"""
OTHER_PROCESS = """
import sys
from pymongo import MongoClient
with MongoClient(sys.argv[1]) as client, client.start_session() as session, session.start_transaction():
    client.test.elsewhere.insert_one({"_id": "by another process"}, session=session)
"""
WITHOUT_PACKAGES = """
import sys
sys.path[:0] = sys.argv[1:]
from fhir_dmp.store.mongo.embedded.mongod import MongodUnavailable, find_mongod
try:
    print(find_mongod())
except MongodUnavailable as error:
    print(error)
"""
RUNS_BUT_FAILS = """
if [ "$1" = --version ]; then echo "db version v6.0.5"; exit; fi
echo "no room on the moon" >&2
exit 1
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that leaves nothing behind: pytest would keep 300 MB of journal a test."""
    with tempfile.TemporaryDirectory(prefix="fhir-dmp-", ignore_cleanup_errors=True) as path:
        yield Path(path, "mongodb")


@pytest.fixture(scope="module")
def shared_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fhir-dmp-") as path:
        yield Path(path)


@pytest.fixture(scope="module")
def mongo(shared_folder: Path) -> Iterator[EmbeddedMongo]:
    """One embedded MongoDB for the tests that leave it running, started by a thread that has ended."""
    started = EmbeddedMongo(shared_folder, cache_gb=CACHE_GB)
    thread = threading.Thread(target=started.start)
    thread.start()
    thread.join()
    yield started
    started.stop()


def connect(mongo: EmbeddedMongo) -> MongoClient[dict[str, Any]]:
    return MongoClient(mongo.uri)


def stored(mongo: EmbeddedMongo) -> set[object]:
    with connect(mongo) as client:
        return {document["_id"] for document in client.test.kept.find()}


def store(mongo: EmbeddedMongo, *ids: object) -> None:
    with connect(mongo) as client:
        client.test.kept.insert_many({"_id": each} for each in ids)


def store_in_transaction(mongo: EmbeddedMongo, kept: str, audited: str) -> None:
    with connect(mongo) as client, client.start_session() as session, session.start_transaction():
        client.test.kept.insert_one({"_id": kept}, session=session)
        client.test.audit.insert_one({"_id": audited}, session=session)


@contextlib.contextmanager
def taken(port: int) -> Iterator[None]:
    """Another program has the port."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        yield


def port_of(uri: str) -> int:
    return int(parse_uri(uri)["nodelist"][0][1])


def mongod_of(folder: Path) -> int:
    """The process of the folder's mongod, which writes it there itself."""
    return int((folder / "data" / "mongod.lock").read_text() or 0)


def guard_of(mongod: int) -> int:
    status = Path("/proc", str(mongod), "status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:")))


def lives(process: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


def eventually(happens: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (happened := happens()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return happened


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@contextlib.contextmanager
def server(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, int | None]]:
    """A server in a process (and process group) of its own: the process, its URI, and the worker it has forked."""
    command = [sys.executable, "-c", SERVER, str(folder), *arguments]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        uri, worker = process.stdout.readline().split()
        try:
            yield process, uri, None if worker == "None" else int(worker)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_transaction_on_two_collections_is_all_or_nothing(mongo: EmbeddedMongo) -> None:
    store_in_transaction(mongo, "committed", "first")
    with pytest.raises(DuplicateKeyError):
        store_in_transaction(mongo, "aborted", "first")
    assert "committed" in stored(mongo)
    assert "aborted" not in stored(mongo)


def test_change_stream_sees_the_transaction_of_another_process(mongo: EmbeddedMongo) -> None:
    with connect(mongo) as client, client.test.elsewhere.watch(max_await_time_ms=1000) as changes:
        subprocess.run([sys.executable, "-c", OTHER_PROCESS, mongo.uri], check=True)
        assert changes.next()["documentKey"] == {"_id": "by another process"}


def test_collections_are_compressed_with_zstd_and_writes_are_journaled(mongo: EmbeddedMongo) -> None:
    store(mongo, "measured")
    with connect(mongo) as client:
        storage = client.test.command("collStats", "kept")["wiredTiger"]["creationString"]
        options = client.admin.command("getCmdLineOpts")["parsed"]
        journaled = client.admin.command("replSetGetConfig")["config"]["writeConcernMajorityJournalDefault"]
    assert "block_compressor=zstd" in storage
    assert options["net"]["bindIp"] == "127.0.0.1"
    assert journaled


def test_stranger_without_the_connection_string_is_refused(mongo: EmbeddedMongo) -> None:
    with MongoClient[dict[str, Any]]("127.0.0.1", port_of(mongo.uri), directConnection=True) as stranger:
        with pytest.raises(OperationFailure, match="requires authentication"):
            stranger.test.kept.find_one()
        with pytest.raises(OperationFailure, match="requires authentication"):
            stranger.admin.command("createUser", "stranger", pwd="stranger", roles=["root"])


def test_connection_string_in_the_data_folder_is_for_its_owner_only(mongo: EmbeddedMongo, shared_folder: Path) -> None:
    assert mongo.uri in (shared_folder / "server.lock").read_text()
    assert (shared_folder / "server.lock").stat().st_mode & 0o077 == 0
    assert not (shared_folder / "key").exists()


def test_second_start_on_the_same_folder_is_refused_in_one_line(mongo: EmbeddedMongo, shared_folder: Path) -> None:
    with pytest.raises(DataFolderInUseError, match=rf"in use by .* \(process {os.getpid()}\)$") as refusal:
        EmbeddedMongo(shared_folder, cache_gb=CACHE_GB).start()
    assert "\n" not in str(refusal.value)
    store(mongo, "after the refusal")
    assert "after the refusal" in stored(mongo)


def test_running_uri_is_found_only_while_the_server_runs(folder: Path) -> None:
    assert running_uri(folder) is None
    with EmbeddedMongo(folder, cache_gb=CACHE_GB) as mongo:
        assert running_uri(folder) == mongo.uri
    assert running_uri(folder) is None
    with pytest.raises(MongodError, match="not started"):
        assert mongo.uri


def test_data_survives_stop_and_start_even_when_the_port_is_taken(folder: Path) -> None:
    mongo = EmbeddedMongo(folder, cache_gb=CACHE_GB)
    with mongo:
        former_uri, former_mongod = mongo.uri, mongod_of(folder)
        store(mongo, "before")
    assert not lives(former_mongod)
    assert '"exitCode":0' in (folder / "mongod.log").read_text()
    with taken(port_of(former_uri)), mongo:
        assert port_of(mongo.uri) != port_of(former_uri)
        store_in_transaction(mongo, "after", "second")
        assert stored(mongo) == {"before", "after"}


def test_killed_mongod_is_restarted_with_every_acknowledged_write(folder: Path) -> None:
    with EmbeddedMongo(folder, cache_gb=CACHE_GB) as mongo, connect(mongo) as client:
        acknowledged: set[object] = set()
        killed = mongod_of(folder)
        killer = threading.Timer(0.5, os.kill, (killed, signal.SIGKILL))
        killer.start()
        for each in itertools.takewhile(lambda _: mongod_of(folder) == killed, itertools.count()):
            with contextlib.suppress(ConnectionFailure):
                acknowledged.add(client.test.kept.insert_one({"_id": each}).inserted_id)
        killer.join()
        assert len(acknowledged) > 1
        assert acknowledged <= stored(mongo)


def test_mongod_is_restarted_when_its_guard_is_killed(folder: Path) -> None:
    with EmbeddedMongo(folder, cache_gb=CACHE_GB) as mongo:
        store_in_transaction(mongo, "before", "first")
        former = mongod_of(folder)
        os.kill(guard_of(former), signal.SIGKILL)
        assert eventually(lambda: not lives(former))
        store_in_transaction(mongo, "after", "second")
        assert stored(mongo) == {"before", "after"}


def test_killed_server_leaves_no_mongod_and_its_data(folder: Path) -> None:
    with server(folder) as (process, uri, _):
        mongod = mongod_of(folder)
        process.kill()
        assert eventually(lambda: not lives(mongod))
    with taken(port_of(uri)), EmbeddedMongo(folder, cache_gb=CACHE_GB) as mongo:
        assert stored(mongo) == {"by the server"}


def test_new_server_waits_for_the_mongod_of_a_killed_one(folder: Path) -> None:
    with server(folder) as (process, _, _):
        former = mongod_of(folder)
        process.kill()
        process.wait()
        with EmbeddedMongo(folder, cache_gb=CACHE_GB) as mongo:
            assert not lives(former)
            assert stored(mongo) == {"by the server"}


def test_mongod_ends_with_its_server_even_if_a_forked_worker_lives_on(folder: Path) -> None:
    with server(folder, "fork") as (process, _, worker):
        mongod = mongod_of(folder)
        process.kill()
        process.wait()
        assert eventually(lambda: not lives(mongod))
        assert worker is not None
        assert lives(worker)


def test_interrupt_at_the_terminal_leaves_mongod_to_the_server(folder: Path) -> None:
    with server(folder) as (process, _, _):
        mongod = mongod_of(folder)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait() == 0
        assert not lives(mongod)
    log = (folder / "mongod.log").read_text()
    assert log.count('"msg":"MongoDB starting"') == 1
    assert '"exitCode":0' in log


def test_mongod_that_keeps_dying_is_given_up_with_its_last_words(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    test = f'[ -e "{broken}" ] && [ "$1" != --version ] && {{ echo "no room on the moon" >&2; exit 7; }}'
    mongod = script(tmp_path / "mongod", f'{test}\nexec {find_mongod()} "$@"')
    monkeypatch.setenv("FHIR_DMP_MONGOD", str(mongod))
    failures: list[MongodError] = []
    with EmbeddedMongo(folder, cache_gb=CACHE_GB, on_failure=failures.append):
        broken.touch()
        os.kill(mongod_of(folder), signal.SIGKILL)
        assert eventually(lambda: bool(failures))
    assert "not started again after 5 attempts" in str(failures[0])
    assert "exit status 7: no room on the moon" in str(failures[0])


def test_mongod_that_fails_at_the_start_gives_its_last_words(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIR_DMP_MONGOD", str(script(tmp_path / "mongod", RUNS_BUT_FAILS)))
    with pytest.raises(MongodError, match="exit status 1: no room on the moon") as failure:
        EmbeddedMongo(folder).start()
    assert "\n" not in str(failure.value)
    assert running_uri(folder) is None


def test_data_mongod_cannot_read_is_reported_in_its_words_and_left_alone(folder: Path) -> None:
    damaged = folder / "data" / "storage.bson"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"not BSON")
    with pytest.raises(MongodError, match="Unable to read the storage engine metadata file") as failure:
        EmbeddedMongo(folder).start()
    assert "\n" not in str(failure.value)
    assert damaged.read_bytes() == b"not BSON"


def test_folder_that_cannot_be_used_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MongodError, match=r"cannot start on .*: Not a directory \(.*\)$"):
        EmbeddedMongo(tmp_path / "file" / "mongodb").start()


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("echo 'libcrypto.so.3: cannot open shared object file' >&2; exit 1", 0o755, "libcrypto.so.3: cannot open"),
        ("kill -ILL $$", 0o755, "need a processor with AVX"),
        ("exit 3", 0o755, "exit status 3"),
        ("exit 0", 0o755, "it is not a mongod"),
        ("echo 'db version v4.4.29'", 0o755, "MongoDB 5.0 or later is needed, this is 4.4"),
        ("echo 'db version v6.0.5'", 0o644, "Permission denied"),
        (None, 0, "No such file or directory"),
    ],
)
def test_named_mongod_that_cannot_run_here_is_reported_with_the_remedy(
    text: str | None, mode: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongod = tmp_path / "mongod"
    if text is not None:
        script(mongod, text).chmod(mode)
    monkeypatch.setenv("FHIR_DMP_MONGOD", str(mongod))
    with pytest.raises(MongodUnavailable) as refusal:
        EmbeddedMongo(tmp_path / "data").start()
    assert words in str(refusal.value)
    assert REMEDY in str(refusal.value)
    assert "\n" not in str(refusal.value)


def found_without_packages(path: Path, *import_from: Path) -> str:
    """What a Python without site packages finds, with these folders to import from and `path` as its PATH."""
    command = [sys.executable, "-I", "-S", "-c", WITHOUT_PACKAGES, str(REPOSITORY), *map(str, import_from)]
    answer = subprocess.run(command, capture_output=True, check=True, env={"PATH": str(path)}, text=True)
    return answer.stdout.strip()


def test_no_mongod_anywhere_says_what_to_set(tmp_path: Path) -> None:
    assert found_without_packages(tmp_path) == f"no mongod found; {REMEDY}"


def test_mongod_on_the_path_is_found(tmp_path: Path) -> None:
    mongod = script(tmp_path / "mongod", "echo 'db version v7.0.2'")
    assert found_without_packages(tmp_path) == str(mongod)


def test_wheel_comes_before_the_path_and_is_made_executable(tmp_path: Path) -> None:
    (tmp_path / "fiftyone" / "db" / "bin").mkdir(parents=True)
    of_the_wheel = script(tmp_path / "fiftyone" / "db" / "bin" / "mongod", "echo 'db version v6.0.5'")
    of_the_wheel.chmod(0o644)
    script(tmp_path / "mongod", "echo 'db version v7.0.2'")
    assert found_without_packages(tmp_path, tmp_path) == str(of_the_wheel)


def test_path_is_used_where_the_wheel_cannot_run(tmp_path: Path) -> None:
    (tmp_path / "fiftyone" / "db" / "bin").mkdir(parents=True)
    script(tmp_path / "fiftyone" / "db" / "bin" / "mongod", "echo 'GLIBC_2.34 not found' >&2; exit 1")
    on_path = script(tmp_path / "mongod", "echo 'db version v7.0.2'")
    assert found_without_packages(tmp_path, tmp_path) == str(on_path)
