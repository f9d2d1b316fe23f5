"""Counts that must not grow, as JSON: of the same work, on one interpreter, they come out the same every time.

    python tests/benchmarks/gates.py

`tests/test_benchmark_gates.py` holds them to their limits, from a process without coverage.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from contenders import CONTENDERS
from measure import PROMPT, Bench, bend, quiet


def bytecodes(bench: Bench) -> dict[str, float]:
    """Executed bytecodes of ours as a share of the peer's."""
    pairs = (
        ("ChatResponses", "ChatOpenAI"),
        ("ResponsesNode", "chained node"),
        ("ResponsesModel", "OpenAIResponsesModel"),
    )
    bench.start(*(name for ours, peer in pairs for name in (peer, ours, f"{ours}, aiohttp")))
    found: dict[str, float] = {}
    for ours, peer in pairs:
        names = (peer, ours, f"{ours}, aiohttp")
        turn = {name: bench.ask(name, "count", "turn", 20) for name in names}
        loop = {name: bench.ask(name, "count", "loop", 5) for name in names}
        short = {name: bench.ask(name, "count", "stream", 20) for name in names}
        long = {name: bench.ask(name, "count", "stream", 120) for name in names}
        for name in names[1:]:
            found[f"{name}: turn"] = turn[name] / turn[peer]
            found[f"{name}: loop"] = loop[name] / loop[peer]
            found[f"{name}: delta"] = (long[name] - short[name]) / (long[peer] - short[peer])
    return found


def bodies(bench: Bench) -> dict[str, float]:
    """Bytes of request bodies: how one grows, and all of a thread as a share of a naive node's."""
    turns, sent = 30, {}
    for name in ("naive node", "ResponsesNode"):
        bench.sizes()
        bench.ask(name, "thread", turns)
        sent[name] = bench.sizes()
    ours = sent["ResponsesNode"]
    return {
        "body growth": ours[-1] - ours[1],
        "thread": sum(ours) / sum(sent["naive node"]),
    }


def first_read(bench: Bench) -> dict[str, float]:
    """Deltas of a stream that lies ready which are read before the first one reaches `stream_mode="messages"`."""
    return {"deltas before the first": bench.ask("ResponsesNode", "read_ahead", 500)}


async def crowd(url: str) -> dict[str, float]:
    """What a process makes for 40 models with two calls each at once, again and again."""
    from responses_adapters.protocol import http_clients

    chats = [CONTENDERS["ChatResponses"](url) for _ in range(40)]

    async def all_of_them() -> None:
        await asyncio.gather(*(chat.turn(PROMPT) for chat in chats for _ in range(2)))

    with noted(ssl.SSLContext, "__new__") as contexts:
        await all_of_them()
    with noted(threading.Thread, "start") as threads:
        await all_of_them()
    return {
        "threads": len(threads),
        "SSL contexts": len(contexts),
        "HTTP clients": len(http_clients._guards),
    }


@contextmanager
def noted(owner: Any, name: str) -> Iterator[list[Any]]:
    """The calls of a method meanwhile."""
    calls, original = [], getattr(owner, name)

    def note(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return original(*args, **kwargs)

    setattr(owner, name, note)
    try:
        yield calls
    finally:
        setattr(owner, name, original)


def memory(bench: Bench) -> dict[str, float]:
    """How far the memory of kept threads leaves a straight line, and what stays without them."""
    blocks, rest = bench.ask("ChatResponses", "remember", 400)
    return {
        "memory bend": bend(blocks),
        "memory kept": (rest - blocks[0]) / (blocks[-1] - blocks[0]),
    }


def main() -> None:
    """Print every count."""
    quiet()
    counts: dict[str, float] = {}
    with Bench() as bench:
        counts |= bytecodes(bench)
        counts |= bodies(bench)
        counts |= first_read(bench)
        counts |= asyncio.run(crowd(f"{bench.address}/20-0/v1"))
        counts |= memory(bench)
    print(json.dumps(counts, indent=2))


if __name__ == "__main__":
    main()
