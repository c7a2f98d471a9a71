"""`python -m bench [SUBJECT…]`: runs the subjects, prints one table, and writes bench/results/TIME.json."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measure import Row
from bench.processes import run_constant, run_server, worker
from bench.setting import Bench
from bench.subjects import SUBJECTS, load_observations
from bench.subscriptions import subscriptions
from bench.validation import startup, validation
from fhir_dmp.store.mongo.embedded.embedded_mongo import EmbeddedMongo

ALONE: dict[str, Callable[[], list[Row]]] = {
    "validation": validation,
    "startup": startup,
    "subscriptions": subscriptions,
}
"""The subjects that need none of what the others share."""
_FEW = 20
RESULTS = Path(__file__).parent / "results"


def main(names: list[str]) -> int:
    known = [*SUBJECTS, *ALONE]
    unknown = sorted(set(names) - set(known))
    if unknown:
        sys.stderr.write(f"bench: no subject {', '.join(unknown)}; there are {', '.join(known)}\n")
        return 2
    began = datetime.now(UTC)
    load_before = os.getloadavg()[0]
    rows = run_alone(names or known) + run([name for name in names or known if name in SUBJECTS])
    Console(width=150).print(build_table(rows))
    RESULTS.mkdir(exist_ok=True)
    machine = {"cpus": os.cpu_count(), "load": load_before, "python": platform.python_version()}
    report = {"began": began.isoformat(timespec="seconds"), "machine": machine, "rows": [asdict(row) for row in rows]}
    file = RESULTS / f"{began:%Y%m%dT%H%M%SZ}.json"
    file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"{file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file}")
    return 0


def run_alone(names: list[str]) -> list[Row]:
    """Runs the subjects that need none of it."""
    return [row for name in names if name in ALONE for row in ALONE[name]()]


def run(names: list[str]) -> list[Row]:
    """Runs subjects on a MongoDB, a server and a constant server of their own."""
    if not names:
        return []
    with (
        tempfile.TemporaryDirectory(prefix="fhir-dmp-bench-") as folder,
        EmbeddedMongo(Path(folder), cache_gb=1) as mongo,
        run_server(mongo.uri) as server,
        run_constant() as constant,
        worker() as load,
    ):
        load_observations(server.port)
        bench = Bench(mongo.uri, server, constant, load)
        return [row for name in names for row in SUBJECTS[name](bench)]


def build_table(rows: list[Row]) -> Table:
    """Builds the table: rates in operations a second, CPU in microseconds per operation of the process measured."""
    table = Table(title="ours against the floor: medians of rounds in which both take turns")
    for name in ("subject", "floor", "floor/s", "ours/s", "ratio", "wanted", "floor µs", "ours µs", "CPU ratio"):
        table.add_column(name, justify="left" if name in {"subject", "floor"} else "right")
    for row in rows:
        wanted = f"{row.target:.0%}" if row.target else ""
        rates = (_show(row.floor_rate), _show(row.our_rate), f"{row.ratio:.0%}", wanted)
        costs = (f"{row.floor_cost:,.0f}", f"{row.our_cost:,.0f}", f"{row.cpu_ratio:.0%}")
        table.add_row(row.subject, row.floor, *rates, *costs)
    return table


def _show(rate: float) -> str:
    return f"{rate:,.0f}" if rate > _FEW else f"{rate:.2f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
