"""What must stay cheap, held by counts: bytecodes beside the peers of the same run, bytes, threads, clients, blocks.

Figures in CPU time are for `make bench`; these are the same on a slow machine and on a busy one.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

GATES = Path(__file__).parent / "benchmarks" / "gates.py"
UNMEASURED = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
"""The environment without coverage, whose own bytecodes would be counted."""

AT_MOST = {
    "ChatResponses: turn": 0.58,
    "ChatResponses: loop": 0.22,
    "ChatResponses, aiohttp: turn": 0.40,
    "ResponsesNode: turn": 0.68,
    "ResponsesNode: loop": 0.68,
    "ResponsesNode: delta": 0.92,  # peers work in C from Python 3.12 on
    "ResponsesNode, aiohttp: turn": 0.56,
    "ResponsesNode, aiohttp: loop": 0.52,
    "ResponsesNode, aiohttp: delta": 0.70,
    "ResponsesModel: turn": 0.95,
    "ResponsesModel, aiohttp: turn": 0.88,
    "body growth": 32,  # bytes
    "thread": 0.06,  # of 30 turns; of 200 it is a hundredth
    "deltas before the first": 64,  # of 500
    "threads": 0,
    "SSL contexts": 1,
    "HTTP clients": 1,
    "memory bend": 0.05,
    "memory kept": 0.05,
}


@pytest.fixture(scope="module")
def counts() -> dict[str, float]:
    run = subprocess.run(
        [sys.executable, str(GATES)],
        env=UNMEASURED,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, float] = json.loads(run.stdout)
    return found


@pytest.mark.parametrize("name", AT_MOST)
def test_counts_stay_within_their_limits(name: str, counts: dict[str, float]) -> None:
    assert counts[name] <= AT_MOST[name]


def test_importing_the_package_loads_its_names_and_nothing_else() -> None:
    statement = "import sys; before = {*sys.modules}; import responses_adapters; print(*{*sys.modules} - before)"
    command = [sys.executable, "-c", statement]
    loaded = subprocess.check_output(command, env=UNMEASURED, text=True).split()
    assert sorted(loaded) == ["__future__", "responses_adapters"]


def test_the_readme_says_what_was_measured() -> None:
    report = runpy.run_path(str(GATES.with_name("report.py")))
    readme = report["README"].read_text()
    results = json.loads(report["RESULTS"].read_text())
    assert report["in_readme"](readme, results) == readme
