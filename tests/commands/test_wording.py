"""What goes wrong at night is said in a line that names what to look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from pymongo.errors import OperationFailure, PyMongoError, ServerSelectionTimeoutError

from fhir_dmp.commands.archive import PartWriter
from fhir_dmp.commands.failure import CommandError
from fhir_dmp.commands.reach import reach_database
from fhir_dmp.settings import Settings
from fhir_dmp.store.mongo.fault import database_errors, explain
from tests.commands.conftest import Run

NO_RIGHTS = 'not authorized on fhir to execute command { find: "resource", filter: { secret: 1 } }'
DUMP = (
    "db:1: refused (configured timeouts: connectTimeoutMS: 20000.0ms), Timeout: 5.0s, "
    "Topology Description: <TopologyDescription id: 1>"
)
FAULTS = [
    (ServerSelectionTimeoutError(DUMP), "the database does not answer: db:1: refused"),
    (
        OperationFailure(f"{NO_RIGHTS}, full error: {{}}", 13, {"errmsg": NO_RIGHTS}),
        "the database permits its user too little (not authorized on fhir): readWrite on it is needed",
    ),
    (
        OperationFailure("Authentication failed., full error: {}", 18, {"errmsg": "Authentication failed."}),
        "the database does not accept the user and password that FHIR_DMP_MONGODB_URI names",
    ),
    (OperationFailure("odd, full error: {}", 96, {"errmsg": "odd"}), "the database refuses: odd"),
]
each_fault = pytest.mark.parametrize(("fault", "told"), FAULTS, ids=lambda value: getattr(value, "code", ""))


@each_fault
def test_a_fault_of_the_database_is_told_by_what_can_be_done_about_it(fault: PyMongoError, told: str) -> None:
    assert explain(fault) == told


@each_fault
def test_a_command_tells_it_whether_a_client_would_be_told_or_not(
    settings: Settings, fault: PyMongoError, told: str
) -> None:
    with pytest.raises(CommandError) as plain, reach_database(settings):
        raise fault
    with pytest.raises(CommandError) as for_clients, reach_database(settings), database_errors():
        raise fault
    assert {str(plain.value), str(for_clients.value)} == {told}


@pytest.mark.parametrize("asked", [["verify"], ["packages", "list"], ["matrix", "show"], ["reindex"]])
@pytest.mark.parametrize("file", ["absent.pem", "empty.pem"])
def test_a_file_for_tls_that_cannot_be_used_names_the_setting(
    asked: list[str], file: str, tmp_path: Path, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.pem").write_text("")
    monkeypatch.setenv("FHIR_DMP_MONGODB_URI", f"mongodb://127.0.0.1:9/?tls=true&tlsCAFile={tmp_path / file}")
    code, told = command(*asked)
    assert (code, len(told)) == (3, 1)
    assert told[0].startswith("fhir-dmp: a file that FHIR_DMP_MONGODB_URI names for TLS cannot be used: ")


def test_a_full_disk_names_the_file_that_could_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr("fhir_dmp.commands.archive._create", lambda _: full)
        writer = PartWriter(tmp_path, "resource")
        told = r"resource\.bson\.zst cannot be written: No space left on device"
        with pytest.raises(CommandError, match=told):
            writer.write(b"x")
        with pytest.raises(CommandError, match=told):
            writer.close()


def test_bundles_are_for_files(command: Run) -> None:
    code, told = command("generate", "--patients", "1", "--load", "--bundles", "--url", "http://127.0.0.1:9/fhir")
    assert (code, told) == (2, ["fhir-dmp: --bundles is for --out: --load sends transactions in any case"])
