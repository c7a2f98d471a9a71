"""Validators of the spec's examples, each on the same files and one core, in a process that does nothing else.

The files are those that `fhir.resources` accepts: what it refuses at once would count for it. Parsing is not timed.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import cache, partial
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.measure import Comparison, Measure, Row, Sample, compare
from bench.processes import worker
from bench.record import build_observation
from fhir_dmp.conformance.rules import Rules
from fhir_dmp.conformance.validate import validate_resource
from fhir_dmp.json_text import parse_json_object, write_json
from fhir_dmp.loader import data_folder, load_registry
from fhir_dmp.packages.definitions import Definitions
from fhir_dmp.packages.install import read_package
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.validate import validate_structure

SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[2] / "shared"))
_MOST_BYTES = 200_000
_OTHERS = ("fhir.resources", "fhircraft", "fhirkit")
_FULL, _STRUCTURE = "full", "structure"
Check = Callable[[Any], object]


def validation() -> list[Row]:
    """Full validation of the spec's examples, against the validators that are installed here."""
    rows = []
    for name in _OTHERS:
        if importlib.util.find_spec(name.replace("fhir.resources", "fhir")) is None:
            print(f"{name} is not installed here: left out")
            continue
        with worker() as ours, worker() as theirs:
            files = theirs.submit(usable_files).result()
            floor = f"{name}, {_WHAT[name]}"
            kinds = (_FULL, _STRUCTURE) if name == _OTHERS[0] else (_FULL,)
            comparisons = [
                Comparison(
                    f"{kind} validation of {len(files)} examples, against {name}",
                    _measure(ours, files, kind),
                    floor,
                    2.0 if kind == _FULL and name == _OTHERS[0] else None,
                )
                for kind in kinds
            ]
            rows += compare({floor: _measure(theirs, files, name)}, comparisons)
    return rows


_WHAT = {
    "fhir.resources": "model_validate: structure of R4B",
    "fhirkit": "validate, in Rust: structure and code formats",
    "fhircraft": "model_validate: structure and invariants",
}


def startup() -> list[Row]:
    """From nothing to the first Patient validated against FR Core, against the imports alone."""
    packages = tuple(str(path) for name in ("fr.core-2.2.0", "uv.ips-1.1.0") for path in _package(name))
    with worker() as probe:
        memory = probe.submit(memory_of_start, packages).result() >> 20

    def measure(names: tuple[str, ...], seconds: float) -> Sample:
        done, cpu, start = 0, 0.0, time.perf_counter()
        while time.perf_counter() < start + seconds or not done:
            with worker() as fresh:
                cpu += fresh.submit(start_once, names).result()
            done += 1
        return Sample(done, time.perf_counter() - start, cpu)

    name = f"start with R4 and {len(packages)} packages, {memory} MB"
    return compare({"imports": partial(measure, ())}, [Comparison(name, partial(measure, packages), "imports")])


def _package(name: str) -> Iterator[Path]:
    file = SHARED / "packages" / f"hl7.fhir.{name}.tgz"
    if file.is_file():
        yield file


def start_once(packages: tuple[str, ...]) -> float:
    """Loads the definitions and validates one Patient, unless there are no packages; returns CPU seconds so far."""
    if packages:
        rules = _build_rules(packages)
        patient = {"resourceType": "Patient", "meta": {"profile": [_FR_PATIENT]}, "name": [{"family": "DURAND"}]}
        validate_resource(patient, rules.schemas, rules.profiles)
    return time.process_time()


_FR_PATIENT = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient"


def memory_of_start(packages: tuple[str, ...]) -> int:
    """Returns the bytes that a process which has started holds at most."""
    start_once(packages)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@cache
def usable_files() -> list[str]:
    """Returns the examples: those of the spec, or where they are not at hand the ones of this repository."""
    corpus = SHARED / "corpus" / "spec-examples.json"
    if corpus.is_file():
        files = [corpus.parent / row["file"] for row in json.loads(corpus.read_bytes())]
    else:
        files = sorted(data_folder("examples").rglob("*.json"))
    small = [file for file in files if file.stat().st_size <= _MOST_BYTES]
    if importlib.util.find_spec("fhir") is None:
        return [str(file) for file in small]
    check, found = _CHECKS["fhir.resources"](), []
    for file in small:
        with suppress(Exception):  # whatever it raises: it does not accept the file
            check(json.loads(file.read_bytes()))
            found.append(str(file))
    return found


def _measure(process: ProcessPoolExecutor, files: Sequence[str], name: str) -> Measure:
    return lambda seconds: process.submit(run, name, files, seconds).result()


@cache
def _ready(name: str, files: tuple[str, ...]) -> tuple[Check, list[Any]]:
    """A validator that has seen every file once, and the files as it takes them."""
    read = parse_json_object if name in {_FULL, _STRUCTURE} else json.loads
    resources = [read(Path(file).read_bytes()) for file in files]
    check = _CHECKS[name]()
    for row in resources:
        with suppress(ValueError):
            check(row)
    return check, resources


def run(name: str, files: Sequence[str], seconds: float) -> Sample:
    """Validates the files in turn for some seconds."""
    check, resources = _ready(name, tuple(files))
    done, cpu, start = 0, time.process_time(), time.perf_counter()
    for row in cycle(resources):
        with suppress(ValueError):
            check(row)
        done += 1
        if done % 32 == 0 and time.perf_counter() > start + seconds:
            break
    return Sample(done, time.perf_counter() - start, time.process_time() - cpu)


def validate_observations(seconds: float) -> Sample:
    """Validates the Observations that the subject `create` creates."""
    rules = _build_rules(())
    resources = [parse_json_object(write_json(build_observation(number))) for number in range(100)]
    for row in resources:
        validate_resource(row, rules.schemas, rules.profiles)
    done, cpu, start = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() < start + seconds:
        for row in resources:
            validate_resource(row, rules.schemas, rules.profiles)
        done += len(resources)
    return Sample(done, time.perf_counter() - start, time.process_time() - cpu)


@cache
def _build_rules(packages: tuple[str, ...]) -> Rules:
    return Definitions([read_package(Path(file)) for file in packages], Schemas(load_registry())).build_rules()


def _check_fully() -> Check:
    rules = _build_rules(())

    def check(row: Any) -> object:  # noqa: ANN401  a file
        # each file as if no other had come before: that one recurs is the bench's doing
        rules.profiles.right.clear()
        rules.schemas.right.clear()
        return validate_resource(row, rules.schemas, rules.profiles)

    return check


def _check_structure() -> Check:
    schemas = Schemas(load_registry())

    def check(row: Any) -> object:  # noqa: ANN401  a file
        schemas.right.clear()
        return validate_structure(row, schemas)

    return check


def _check_with_fhir_resources() -> Check:
    find = importlib.import_module("fhir.resources.R4B").get_fhir_model_class
    return lambda row: find(row["resourceType"]).model_validate(row)


def _check_with_fhircraft() -> Check:
    models = vars(importlib.import_module("fhircraft.fhir.resources.datatypes.R4.core"))
    return lambda row: models[row["resourceType"]].model_validate(row)


def _check_with_fhirkit() -> Check:
    check: Check = importlib.import_module("fhirkit").validate
    return check


_CHECKS: dict[str, Callable[[], Check]] = {
    _FULL: _check_fully,
    _STRUCTURE: _check_structure,
    "fhir.resources": _check_with_fhir_resources,
    "fhircraft": _check_with_fhircraft,
    "fhirkit": _check_with_fhirkit,
}
"""How each validator is made ready; importing them is part of that, in the process that is measured."""
