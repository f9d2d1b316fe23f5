"""Make the handbook's tables of the figures that campaigns left in a folder.

Run: python tests/campaigns/publish.py build && python tests/test_cookbook.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

FIGURES: Final = Path(__file__).parents[1] / "figures"
KILLED: Final = {
    "threads": "LangGraph, PostgreSQL",
    "threads_keys": "the same, a server that honours keys",
    "workflows": "PydanticAI, DBOS",
    "workflows_keys": "the same, a server that honours keys and keeps no conversations",
}
SOAKED: Final = {"soak_langgraph": "LangGraph", "soak_pydantic_ai": "PydanticAI"}


def killed_row(title: str, run: dict[str, Any]) -> dict[str, str]:
    """One campaign with killed workers."""
    window = run["milliseconds until a job is known"]
    return {
        "": title,
        "turns": f"{run['threads']} · {run['turns'] // run['threads']}",
        "jobs": f"{run['jobs']:,}",
        "killed at any time, on acceptance, on a poll": ", ".join(map(str, run["kills"].values())),
        "turns lost or wrong": str(len(run["flaws"])),
        "saved jobs submitted again": str(run["known jobs submitted again"]),
        "unsaved jobs submitted again": str(
            run["jobs submitted again"] - run["known jobs submitted again"]
        ),
        "saved after": f"{window['median']:.0f} ms; 95 %: {window['95 %']:.0f} ms",
    }


def soaked_row(title: str, run: dict[str, Any]) -> dict[str, str]:
    """One room under load."""
    left = [run[f"{what} left"] for what in ("files", "tasks", "threads")]
    return {
        "": title,
        "threads": f"{run['threads']:,}",
        "minutes": f"{run['seconds'] / 60:.0f}",
        "turns": f"{run['turns']:,}",
        "faults": f"{sum(run['dealt'].values()):,} of {len(run['dealt'])} kinds",
        "errors, all typed" if not run["untyped errors"] else "errors": f"{_errors(run):,}",
        "turns lost or wrong": str(len(run["flaws"])),
        "memory": f"{run['memory in MB']:.0f} MB, {run['memory in MB a minute']:+.1f} a minute",
        "connections, tasks, threads left": ", ".join(map(str, left)),
    }


def _errors(run: dict[str, Any]) -> int:
    return sum(run["errors"].values()) + sum(run["untyped errors"].values())


def publish(folder: Path) -> None:
    """Read the campaigns' files, write the tables and the figures behind them; a campaign not run keeps its last."""
    for name, rows, row in (("machines", KILLED, killed_row), ("load", SOAKED, soaked_row)):
        if not all((folder / f"{each}.json").exists() for each in rows):
            print(f"{name}: not all of {', '.join(rows)} were run")
            continue
        runs = {each: json.loads((folder / f"{each}.json").read_text()) for each in rows}
        table = [row(title, runs[each]) for each, title in rows.items()]
        for run in runs.values():
            run.pop("samples", None)
        text = json.dumps({"table": table, "runs": runs}, indent=2, ensure_ascii=False)
        (FIGURES / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    publish(Path(sys.argv[1]))
