"""What the fake costs: CPU time of engine and transport, without an SDK, beside two other mocks.

    python tests/benchmarks/fake_backend.py [--json FILE]

`pytest-httpx2` hands out the fake's own answers as canned bytes, so it is what httpx2 costs with no server
behind it. `aimock` is a Node.js server on a socket, and its CPU time is counted with the client's. All run
in `.venv-bench`, made on the first run, and take turns round by round; ratios are within a round.
"""
# ruff: noqa: E402 - what is imported after the first block is only there

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

VENV = Path(__file__).resolve().parents[2] / ".venv-bench"

if Path(sys.prefix) != VENV:
    subprocess.run(["make", "--silent", "-C", VENV.parent, "peers"], check=True)
    os.execv(python := str(VENV / "bin" / "python"), [python, *sys.argv])

import argparse
import asyncio
import gc
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import product
from operator import truediv
from statistics import median
from timeit import timeit
from typing import Any

import httpx2
import pytest_httpx2  # noqa: F401 - teaches respx to patch httpcore2
import respx
from rich.console import Console
from rich.table import Table

from responses_adapters.testing import Backend, make_transport

URL = "https://api.openai.com/v1/responses"
TEXT = " ".join(["word"] * 21)  # 29 events
CLIENTS = {"sync": httpx2.Client, "async": httpx2.AsyncClient}
QUESTION = {"model": "m", "input": "hi"}
TARGETS = {"JSON call": 0.25, "29-event stream": 0.5, "1,000 backends": 100}
JSON_CALL, STREAM, BACKENDS = TARGETS

SERVE_AIMOCK = """
import { LLMock } from "@copilotkit/aimock";
const mock = new LLMock({ port: 0, chunkSize: 5 });
mock.onMessage("hi", { content: process.argv[1] });
console.log(await mock.start());
process.stdin.on("data", () => console.log(process.cpuUsage().user + process.cpuUsage().system));
process.stdin.on("end", () => process.exit());
"""

Served = tuple[str, Any, Callable[[], float]]  # address, transport, CPU seconds spent so far
Mock = Callable[[bool], AbstractContextManager[Served]]  # of streams, or of JSON


@contextmanager
def fake(stream: bool) -> Iterator[Served]:
    backend = Backend()
    backend.on().reply(TEXT).always()
    yield URL, make_transport(backend), time.process_time


@contextmanager
def canned(stream: bool) -> Iterator[Served]:
    with fake(stream) as (_, transport, _), httpx2.Client(transport=transport) as client:
        content = client.post(URL, json={**QUESTION, "stream": stream}).content
    with respx.mock(using="httpcore2") as router:
        router.post(URL).respond(200, content=content)
        yield URL, None, time.process_time


@contextmanager
def aimock() -> Iterator[dict[str, Mock]]:
    if not (VENV / "node_modules").exists():
        print("aimock is left out: npm, which installs it, is missing.")
        yield {}
        return
    command, pipe = ["node", "--input-type=module", "--eval", SERVE_AIMOCK, TEXT], subprocess.PIPE
    with subprocess.Popen(command, cwd=VENV, stdin=pipe, stdout=pipe, text=True, bufsize=1) as node:

        def cpu() -> float:
            node.stdin.write("\n")
            return time.process_time() + int(node.stdout.readline()) / 1e6

        served = node.stdout.readline().strip() + "/v1/responses", None, cpu
        yield {"aimock": lambda stream: nullcontext(served)}


async def spend(served: Served, kind: Any, *, stream: bool, calls: int = 100) -> float:
    url, transport, cpu = served
    client, is_async = kind(transport=transport, trust_env=False), kind is httpx2.AsyncClient
    for count in range(calls + 1):
        call = client.post(url, json={**QUESTION, "stream": stream})
        answer = await call if is_async else call
        if count == 0:  # a first call, which is not measured
            assert answer.content.count(b"event: ") == 29 * stream, answer.text
            gc.collect()
            start = cpu()
    spent = cpu() - start
    await client.aclose() if is_async else client.close()
    return spent / calls * 1000


def run(mocks: dict[str, Mock], rounds: int = 15) -> Iterator[dict[str, Any]]:
    """The fake's CPU milliseconds, and how many times as much its peers take in the same round."""
    spent: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(rounds):
        for stream, client, name in product((False, True), CLIENTS, mocks):
            with mocks[name](stream) as served:
                ms = asyncio.run(spend(served, CLIENTS[client], stream=stream))
            spent[f"{STREAM if stream else JSON_CALL}, {client}"][name].append(ms)
        seconds = timeit(Backend, "gc.enable()", time.process_time, number=1000)
        spent[BACKENDS]["fake"].append(seconds * 1000)
    for what, by_name in spent.items():
        ours, target = by_name.pop("fake"), TARGETS[what.partition(", ")[0]]
        ratios = {name: median(map(truediv, ms, ours)) for name, ms in by_name.items()}
        figures = {"min_ms": min(ours), "median_ms": median(ours), "target_ms": target}
        yield {"what": what, **figures, "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    path = parser.parse_args().json
    with aimock() as found:
        rows = list(run({"fake": fake, "pytest-httpx2": canned, **found}))
    table = Table("CPU ms", "min", "median", "target", "pytest-httpx2", *found)
    for row in rows:
        figures = f"{row['min_ms']:.3f}", f"{row['median_ms']:.3f}", f"≤ {row['target_ms']}"
        table.add_row(
            row["what"], *figures, *(f"{ratio:.2f} x" for ratio in row["ratios"].values())
        )
    Console().print(table)
    if path:
        path.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
