"""Workers that are killed at any moment, and servers on which everything goes wrong; in full with `-m deep`."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from responses_adapters.testing import Context

CAMPAIGNS = Path(__file__).parent / "campaigns"
BUILD = Path(__file__).parents[1] / "build"
FEW = {"threads": 10, "turns": 3, "workers": 2, "kills": 3, "probes": 0, "limit": 120}
SHORT = {"threads": 20, "seconds": 4, "timeout": 2}


def run(campaign: str, *arguments: str, target: Path, **options: int) -> dict[str, Any]:
    flags = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, str(CAMPAIGNS / f"{campaign}.py"), *arguments, *flags]
    done = subprocess.run([*command, f"--json={target}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    figures: dict[str, Any] = json.loads(target.read_text())
    return figures


def check_killed(figures: dict[str, Any], *, keys: bool) -> None:
    assert figures["flaws"] == []
    assert figures["in time"]
    assert min(figures["kills"].values()) > 0
    assert len(figures["kills"]) == 3
    assert figures["known jobs submitted again"] == 0
    if keys:
        assert figures["jobs submitted again"] == 0
    else:
        assert figures["jobs submitted again"] >= figures["kills"]["acceptance"]


@pytest.mark.parametrize("keys", [False, True], ids=["no keys", "keys"])
@pytest.mark.parametrize("campaign", ["threads", "workflows"])
def test_killed_workers_lose_no_turn_and_submit_no_known_job_again(
    campaign: str, keys: bool, postgresql: str, tmp_path: Path
) -> None:
    flags = ["--keys"] if keys else []
    figures = run(campaign, postgresql, *flags, target=tmp_path / "figures.json", **FEW)
    check_killed(figures, keys=keys)


@pytest.mark.deep
@pytest.mark.parametrize("keys", [False, True], ids=["no keys", "keys"])
@pytest.mark.parametrize("campaign", ["threads", "workflows"])
def test_sixty_killed_workers_lose_nothing_of_a_thousand_turns(
    campaign: str, keys: bool, postgresql: str
) -> None:
    target = BUILD / f"{campaign}{'_keys' if keys else ''}.json"
    flags = ["--keys"] if keys else []
    check_killed(run(campaign, postgresql, *flags, target=target), keys=keys)


@pytest.mark.parametrize("room", ["langgraph", "pydantic_ai"])
def test_threads_on_a_server_that_goes_wrong_lose_nothing_and_leave_nothing(
    room: str, tmp_path: Path
) -> None:
    figures = run("soak", room, target=tmp_path / "figures.json", **SHORT)
    assert figures["turns"] >= SHORT["threads"]
    assert sum(figures["dealt"].values()) > 0
    assert figures["errors"]


def test_a_soak_complains_of_whatever_is_lost_unexpected_left_or_growing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(CAMPAIGNS)
    complaints = runpy.run_path(str(CAMPAIGNS / "soak.py"))["complaints"]
    good = {"seconds": 600, "memory in MB a minute": 0.1, "flaws": [], "untyped errors": {}}
    good |= {f"{what} left": 0 for what in ("files", "tasks", "threads")}
    assert complaints(good) == []
    for bad in (
        {"flaws": ["thread 1"]},
        {"untyped errors": {"KeyError": 1}},
        {"files left": 1},
        {"tasks left": 1},
        {"threads left": 1},
        {"memory in MB a minute": 9.0},
    ):
        assert len(complaints({**good, **bad})) == 1


def test_the_witness_notices_a_lost_turn_and_a_foreign_context() -> None:
    tools = runpy.run_path(str(CAMPAIGNS / "witness.py"))
    flaws, question = tools["flaws"], tools["question"]

    def answer(*texts: str) -> str:
        items = [{"type": "message", "role": "user", "content": text} for text in texts]
        return str(tools["witness"](Context(items)).parts[0]["content"][0]["text"])

    first, second = question(3, 0), question(3, 1)
    heard = [first, answer(first)]
    assert flaws(3, 1, heard) == []
    assert "1 answers to 2 turns" in flaws(3, 2, heard)[-1]
    assert "the user said" in flaws(3, 1, [*heard, second])[0]
    assert "was to be" in flaws(3, 1, [first, answer(first, first)])[0]


@pytest.mark.parametrize(
    ("name", "titles", "row"),
    [("machines", "KILLED", "killed_row"), ("load", "SOAKED", "soaked_row")],
)
def test_a_published_table_is_made_of_the_figures_beside_it(
    name: str, titles: str, row: str
) -> None:
    tools = runpy.run_path(str(CAMPAIGNS / "publish.py"))
    published = json.loads((tools["FIGURES"] / f"{name}.json").read_text())
    runs = published["runs"]
    rows = [tools[row](title, runs[each]) for each, title in tools[titles].items()]
    assert published["table"] == rows
    assert [run["flaws"] for run in runs.values()] == [[] for _ in runs]
