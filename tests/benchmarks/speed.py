"""How fast the package is beside its peers, on one canned server, in one run: a table of figures and targets.

    python tests/benchmarks/speed.py [--json FILE] [--only SECTION] [--rounds N]

Turns are compared by executed bytecodes, which repeat exactly on one interpreter, and by CPU time; streams, loops and
threads by CPU time, which varies by some 15 %. It runs in `.venv-bench`, made on the first run.
"""
# ruff: noqa: E402 - what is imported after the first block is only there

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

VENV = Path(__file__).resolve().parents[2] / ".venv-bench"

if Path(sys.prefix) != VENV and "--here" not in sys.argv:
    subprocess.run(["make", "--silent", "-C", VENV.parent, "peers"], check=True)
    os.execv(python := str(VENV / "bin" / "python"), [python, *sys.argv])

import argparse
import json
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from statistics import median
from typing import Any

from measure import ROUNDS, Bench, bend, quiet, ratio, slope
from rich.console import Console
from rich.table import Table

PACKAGES = (
    "aiohttp", "httpx2", "langchain-core", "langchain-openai", "langgraph", "openai",
    "pydantic-ai-slim",
)  # fmt: skip
TRANSPORTS = ("default", "aiohttp")
SLACK = 1.15
"""CPU ratios of a quiet machine vary by less."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One cell of the table.

    Attributes:
        measure: What is measured.
        against: What it is divided by, or compared with.
        transport: `"default"` or `"aiohttp"`.
        value: What was measured.
        target: What it has to reach.
        by: What is counted.
        least: Whether the target is the least allowed, rather than the most.
    """

    measure: str
    against: str
    value: float
    target: float
    by: str = "CPU"
    transport: str = "default"
    least: bool = False

    @property
    def verdict(self) -> str:
        """`"ok"`, `"near"` where the difference is within what CPU time varies by, or `"over"`."""
        value, target = (self.target, self.value) if self.least else (self.value, self.target)
        if value <= target:
            return "ok"
        return "near" if self.by in {"CPU", "wall clock"} and value <= target * SLACK else "over"


Section = Callable[[Bench, int], Iterator[Figure]]


def turns(bench: Bench, rounds: int) -> Iterator[Figure]:
    """One turn, and that of the framework over the SDK's own `post`, with nothing of ours."""
    for name, peer, floor, limits in (
        ("ChatResponses", "ChatOpenAI", "BaseChatModel over the SDK", (0.58, 0.40)),
        ("ResponsesNode", "chained node", "LangGraph over the SDK", (0.68, 0.56)),
        ("ResponsesModel", "OpenAIResponsesModel", None, (0.95, 0.88)),
    ):
        suffixes = ("", ", aiohttp")
        ours = [each for each in (name, floor) if each]
        names = [peer, *(f"{each}{suffix}" for each in ours for suffix in suffixes)]
        bench.start(*names)
        counts = {each: [bench.ask(each, "count", "turn", 20)] for each in names}
        spent = bench.rounds(names, "spend", "turn", 20, 25, rounds=rounds)
        for suffix, transport, limit in zip(suffixes, TRANSPORTS, limits, strict=True):
            for each in ours:
                for by, values in (("bytecodes", counts), ("CPU", spent)):
                    yield Figure(
                        measure=f"`{each}`, one turn" if each == name else each,
                        against=peer,
                        value=ratio(values[f"{each}{suffix}"], values[peer]),
                        target=limit,
                        by=by,
                        transport=transport,
                    )


def streams(bench: Bench, rounds: int) -> Iterator[Figure]:
    """CPU time of one more delta."""
    few, many = 20, 1000
    for measure, peer, name, limits in (
        ("LangGraph streaming, per delta", "chained node", "ResponsesNode", (0.32, 0.25)),
        (
            "PydanticAI streaming, per delta",
            "OpenAIResponsesModel",
            "ResponsesModel",
            (0.75, 0.70),
        ),
    ):
        names = [peer, name, f"{name}, aiohttp"]
        short = bench.rounds(names, "spend", "stream", few, 5, rounds=rounds)
        long = bench.rounds(names, "spend", "stream", many, 2, rounds=rounds)
        delta = {
            each: [(b - a) / (many - few) for a, b in zip(short[each], long[each], strict=True)]
            for each in names
        }
        for each, transport, limit in zip(names[1:], TRANSPORTS, limits, strict=True):
            yield Figure(
                measure=measure,
                against=peer,
                transport=transport,
                value=ratio(delta[each], delta[peer]),
                target=limit,
            )


def first_token(bench: Bench, _: int) -> Iterator[Figure]:
    """What is read of a stream that lies ready before its first delta reaches `stream_mode="messages"`."""
    yield Figure(
        measure="stream of 1,000 deltas, events read before the first is seen",
        against="one network read",
        by="events",
        value=bench.ask("ResponsesNode", "read_ahead", 1000),
        target=64 * 1024 // 260,  # bytes of a read, and of an event
    )


def loops(bench: Bench, rounds: int) -> Iterator[Figure]:
    """A tool loop of 20 calls, and that of the framework over the SDK's own `post`, with nothing of ours."""
    ours, floor = "ResponsesNode", "LangGraph over the SDK"
    names = ["full node", "chained node"]
    names += [f"{each}{suffix}" for each in (ours, floor) for suffix in ("", ", aiohttp")]
    counts = {name: bench.ask(name, "count", "loop", 20) for name in names}
    spent = bench.rounds(names, "spend", "loop", 20, 1, rounds=rounds)
    measure = "tool loop of 20 calls"
    for name, peer, transport, target in (
        (ours, "full node", "default", 0.22),
        (ours, "chained node", "default", 0.68),
        (floor, "chained node", "default", 0.68),
        (f"{ours}, aiohttp", "chained node", "aiohttp", 0.52),
        (f"{floor}, aiohttp", "chained node", "aiohttp", 0.52),
    ):
        shared = {"against": peer, "transport": transport, "target": target}
        called = measure if name.startswith(ours) else f"{measure}, {floor}"
        yield Figure(measure=called, value=counts[name] / counts[peer], by="bytecodes", **shared)
        yield Figure(measure=called, value=ratio(spent[name], spent[peer]), **shared)


def threads(bench: Bench, rounds: int) -> Iterator[Figure]:
    """A thread of 200 turns: CPU time, its growth, bytes."""
    length, measure = 200, "thread of 200 turns"
    few = bench.rounds(["naive node", "ResponsesNode"], "thread", length, rounds=3)
    names = ["chained node", "ResponsesNode", "LangGraph alone"]
    many = bench.rounds(names, "thread", length, rounds=rounds)
    for peer, spent, target in (("naive node", few, 0.14), ("chained node", many, 0.95)):
        ours, theirs = ([sum(each) for each in spent[name]] for name in ("ResponsesNode", peer))
        yield Figure(measure=measure, against=peer, value=ratio(ours, theirs), target=target)
    sent: dict[str, list[int]] = {}
    for name in ("naive node", "ResponsesNode"):
        bench.sizes()
        bench.ask(name, "thread", length)
        sent[name] = bench.sizes()
    share = sum(sent["ResponsesNode"]) / sum(sent["naive node"])
    yield Figure(measure=measure, against="naive node", by="bytes", value=share, target=0.01)
    yield Figure(
        measure="request body at turn 200, in bytes more",
        against="at turn 2",
        by="bytes",
        value=sent["ResponsesNode"][-1] - sent["ResponsesNode"][1],
        target=32,
    )
    # Of each turn the fastest round: what else the machine did only ever adds.
    quickest = {name: list(map(min, zip(*many[name], strict=True))) for name in names}
    alone = slope(quickest["LangGraph alone"])
    yield Figure(
        measure="our own CPU per past message",
        against="LangGraph's own per past turn",
        value=(slope(quickest["ResponsesNode"]) - alone) / 2 / alone,
        target=0.15,
    )


def memory(bench: Bench, _: int) -> Iterator[Figure]:
    """The memory of 10,000 turns."""
    blocks, rest = bench.ask("ChatResponses", "remember", 10_000)
    grown = blocks[-1] - blocks[0]
    for measure, value in (
        ("memory of 10,000 turns, bend of the line", bend(blocks)),
        ("memory of 10,000 turns, left without the messages", (rest - blocks[0]) / grown),
    ):
        yield Figure(measure=measure, against="all of it", by="blocks", value=value, target=0.02)


def crowds(bench: Bench, rounds: int) -> Iterator[Figure]:
    """1,000 threads at once."""
    names = ["chained node", "ResponsesNode", "ResponsesNode, aiohttp"]
    rates = bench.rounds(names, "crowd", 1000, 1, rounds=max(3, rounds // 2))
    for name, transport, target in (
        ("ResponsesNode", "default", 1.05),
        ("ResponsesNode, aiohttp", "aiohttp", 1.4),
    ):
        yield Figure(
            measure="1,000 concurrent threads, turns per second",
            against="chained node",
            transport=transport,
            by="wall clock",
            value=ratio(rates[name], rates["chained node"]),
            target=target,
            least=True,
        )


def replays(bench: Bench, rounds: int) -> Iterator[Figure]:
    """One more turn of a thread of 100, at a server that keeps nothing."""
    names = ["ChatOpenAI", "ChatResponses, replay"]
    spent = bench.rounds(names, "again", 100, 3, rounds=rounds)
    yield Figure(
        measure="replay of a 100-turn thread (stateless server)",
        against="ChatOpenAI",
        value=ratio(spent["ChatResponses, replay"], spent["ChatOpenAI"]),
        target=0.12,
    )


def decisions(bench: Bench, rounds: int) -> Iterator[Figure]:
    """Stamps, plan and verdict of a turn whose thread has 20 messages."""
    spent = bench.rounds(["ChatResponses"], "decide", 10, 50, rounds=rounds)["ChatResponses"]
    yield Figure(
        measure="stamps, plan and verdict, thread of 20 messages",
        against="our whole turn",
        value=median(own / whole for own, whole in spent),
        target=0.06,
    )


def imports(_: Bench, rounds: int) -> Iterator[Figure]:
    """What `import responses_adapters` adds to an empty interpreter."""
    code = "import time; start = time.process_time(); {}; print(time.process_time() - start)"
    foreign = (
        "import sys; before = set(sys.modules); import responses_adapters;"
        " print(sum('site-packages' in (getattr(sys.modules[n], '__file__', None) or '')"
        " for n in set(sys.modules) - before))"
    )

    def run(source: str) -> float:
        command = [sys.executable, "-c", source]
        return float(subprocess.check_output(command))

    spent = [run(code.format("import responses_adapters")) for _ in range(rounds + 1)][1:]
    yield Figure(
        measure="`import responses_adapters`, in ms",
        against="empty interpreter",
        value=median(spent) * 1000,
        target=5,
    )
    yield Figure(
        measure="`import responses_adapters`, modules of third parties",
        against="empty interpreter",
        by="modules",
        value=run(foreign),
        target=0,
    )


SECTIONS: Sequence[Section] = (
    turns, streams, first_token, loops, threads, memory, crowds, replays, decisions, imports,
)  # fmt: skip


def main() -> None:
    """Measure, print the table, and write it down."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures there, after each section"
    )
    parser.add_argument(
        "--only", default="", help="only this section; a file keeps what it has of the others"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--here", action="store_true", help="in this virtualenv, not in .venv-bench"
    )
    given = parser.parse_args()
    quiet()
    found: dict[str, list[dict[str, Any]]] = {}
    if given.json and given.json.exists() and given.only:
        found = json.loads(given.json.read_text())["sections"]
    console = Console(width=120)
    with Bench() as bench:
        for section in SECTIONS:
            if given.only not in section.__name__:
                continue
            figures = list(section(bench, given.rounds))
            console.print(table(figures, title=section.__doc__))
            found[section.__name__] = [
                {**asdict(each), "verdict": each.verdict} for each in figures
            ]
            if given.json:
                facts = {
                    "python": platform.python_version(),
                    "packages": {name: version(name) for name in PACKAGES},
                    "rounds": given.rounds,
                    "sections": {each.__name__: found.get(each.__name__, []) for each in SECTIONS},
                }
                given.json.write_text(json.dumps(facts, indent=2) + "\n")


def table(figures: Iterable[Figure], *, title: str | None) -> Table:
    """What was measured, beside what it has to reach."""
    made = Table(
        "measure", "against", "by", "transport", "target", "measured", "", title=title, width=118
    )
    for each in figures:
        bound = f"{'≥' if each.least else '≤'} {each.target:g}"
        value = f"{each.value:.3f}" if abs(each.value) < 10 else f"{each.value:.0f}"
        made.add_row(
            each.measure, each.against, each.by, each.transport, bound, value, each.verdict
        )
    return made


if __name__ == "__main__":
    main()
