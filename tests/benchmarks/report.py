"""The README's section on speed, from the figures of one run.

    python tests/benchmarks/report.py [build/speed.json]

With a file, its figures become the published ones, `tests/benchmarks/results.json`. Then the section between the two
marks in `README.md` is written anew.
"""

from __future__ import annotations

import json
import shutil
import sys
from itertools import chain
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")
README = Path(__file__).parents[2] / "README.md"
FRAME = """\
{table}

Shares of what the peer needs: 0.43 is 43 % of it, and less is better. Rows in ms, bytes, modules or events are absolute;
in turns per second, more is better. `make bench`, the median of up to {rounds} rounds, against a server that takes no time.
A *full node* calls `ChatOpenAI` with the whole thread, a *chained node* with `use_previous_response_id`, a *naive node* does
both; `OpenAIResponsesModel` chains too. Bytecodes come out the same every time, and `make test` holds them; CPU time varies
by some 15 %, more on a busy machine.
(Python {python}, {packages}.)
"""
UNPUBLISHED = ("over the SDK", "memory of")
"""Marks what `make bench` measures for those who work on it: the floor that is left, and the line of the memory."""
BEGIN, END = "<!-- speed: make bench -->\n", "<!-- end -->\n"


def section(results: dict[str, Any]) -> str:
    """What the README says of these figures."""
    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    for each in chain.from_iterable(results["sections"].values()):
        if any(mark in each["measure"] for mark in UNPUBLISHED):
            continue
        row = cells.setdefault((each["measure"], each["against"], each["by"]), {})
        value = each["value"]
        row[each["transport"]] = f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"
    lines = [
        '| | compared with | by | | `http="aiohttp"` |',
        "|---|---|---|--:|--:|",
        *(
            f"| {' | '.join(key)} | {row['default']} | {row.get('aiohttp', '–')} |"
            for key, row in cells.items()
        ),
    ]
    packages = ", ".join(f"{name} {version}" for name, version in results["packages"].items())
    return FRAME.format(**{**results, "table": "\n".join(lines), "packages": packages})


def in_readme(text: str, results: dict[str, Any]) -> str:
    """The README with the section between its marks."""
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END, 1)
    return head + BEGIN + "\n" + section(results) + END + tail


def main() -> None:
    """Publish the figures of a run."""
    if len(sys.argv) > 1:
        shutil.copyfile(sys.argv[1], RESULTS)
    README.write_text(in_readme(README.read_text(), json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
